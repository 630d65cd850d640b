from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmctl.guards.base import ALLOW, About, Preset, Verdict
from llmctl.guards.schema import JsonSchema
from llmctl.guards.schema_check import Exhausted, Schema
from llmctl.model.json import encode

OUT = About("output", "assistant")
PERSON = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "Person",
    "type": "object",
    "properties": {
        "name": {"type": "string", "minLength": 1},
        "age": {"type": "integer", "minimum": 0, "maximum": 150},
        "tags": {"type": "array", "items": {"enum": ["a", "b"]}, "uniqueItems": True},
        "friends": {"type": "array", "items": {"$ref": "#"}},
    },
    "required": ["name"],
    "additionalProperties": False,
}


def judge(text: str, preset: Preset = "balanced", **options: Any) -> Verdict:
    return JsonSchema(JsonSchema.Options(preset=preset, **options)).judge(text, OUT)


def test_any_json_will_do_without_a_schema() -> None:
    assert judge("[1, 2]") == ALLOW
    assert judge(" {} \n") == ALLOW
    for text in ("", "{", "Sure! {}", "{} {}", "{'a': 1}", "NaN", '{"a": 1,}', "[" * 100_000, '"\ud800"'):
        verdict = judge(text)
        assert (verdict.outcome, verdict.category, verdict.reason) == ("block", "json", "not JSON")
    assert judge("[1]", require_object=True).reason == "not a JSON object"


def test_a_fence_is_taken_off_unless_strict() -> None:
    fenced = '```json\n{"name": "A"}\n```\n'
    assert judge(fenced, json_schema=PERSON) == ALLOW
    assert judge(fenced, "strict", json_schema=PERSON).outcome == "block"
    assert judge("nope", "lenient").outcome == "warn"
    assert judge("nope", "lenient", action="block").outcome == "block"


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ({"name": "Ada", "age": 36.0, "tags": ["a", "b"], "friends": [{"name": "B"}]}, None),
        ([], "the value is not object"),
        ({}, "the value lacks name"),
        ({"name": ""}, "/name breaks minLength 1"),
        ({"name": "A", "age": True}, "/age is not integer"),
        ({"name": "A", "age": 151}, "/age breaks maximum 150"),
        ({"name": "A", "tags": ["a", "c"]}, "/tags/1 is none of the enum"),
        ({"name": "A", "tags": ["a", "a"]}, "/tags has an item twice"),
        ({"name": "A", "friends": [{"name": "B"}, {"nam": 1}]}, "/friends/1 has a key too many"),
        ({"name": "A", "secret": 1}, "the value has a key too many"),
    ],
)
def test_the_reason_says_where(value: Any, reason: str | None) -> None:
    verdict = judge(encode(value).decode(), json_schema=PERSON)
    assert verdict == (ALLOW if reason is None else Verdict("block", 0.8, reason, "schema"))


@pytest.mark.parametrize(
    ("schema", "good", "bad"),
    [
        (True, [1, None], []),
        (False, [], [1, None]),
        ({"type": ["string", "null"]}, ["a", None], [1, []]),
        ({"type": "number"}, [1, 1.5], [True, "1"]),
        ({"const": 1}, [1, 1.0], [True, "1", 2]),
        ({"const": {"$ref": "x"}}, [{"$ref": "x"}], [{}]),
        ({"properties": {"$ref": {"type": "string"}, "not": {"const": 1}}}, [{"$ref": "x", "not": 1}], [{"$ref": 1}]),
        ({"enum": [{"a": 1, "b": 2}, [0]]}, [{"b": 2, "a": 1.0}, [0]], [[False], {"a": 1}]),
        ({"exclusiveMinimum": 1, "exclusiveMaximum": 2}, [1.5, "x"], [1, 2]),
        ({"multipleOf": 0.1}, [0.3, 1], [0.35]),
        ({"minItems": 1, "maxItems": 2}, [[1], {}], [[], [1, 2, 3]]),
        ({"maxLength": 2}, ["é\U0001f600", 123], ["abc"]),
        ({"minProperties": 1, "maxProperties": 1}, [{"a": 1}], [{}, {"a": 1, "b": 1}]),
        ({"pattern": "^a+$"}, ["aa", 1], ["b"]),
        ({"format": "date"}, ["2026-02-28", 1], ["2026-02-30", "x"]),
        ({"format": "email"}, ["a@b"], ["@b", "ab"]),
        ({"prefixItems": [{"type": "string"}], "items": {"type": "integer"}}, [["a", 1], []], [[1], ["a", "b"]]),
        ({"patternProperties": {"^x-": {"type": "string"}}}, [{"x-a": "1", "b": 2}], [{"x-a": 1}]),
        ({"additionalProperties": {"type": "integer"}, "properties": {"a": True}}, [{"a": "x", "b": 1}], [{"b": "x"}]),
        ({"anyOf": [{"type": "string"}, {"minimum": 3}]}, ["a", 3], [2]),
        ({"oneOf": [{"type": "integer"}, {"minimum": 3}]}, [1, 3.5], [4, 1.5]),
        ({"allOf": [{"minimum": 1}, {"maximum": 2}]}, [1, 2], [0, 3]),
        ({"not": {"type": "string"}}, [1], ["a"]),
        ({"$defs": {"n": {"type": "integer"}}, "items": {"$ref": "#/$defs/n"}}, [[1]], [["a"]]),
        ({"$defs": {"t": {"items": {"$ref": "#/$defs/t"}, "type": "array"}}, "$ref": "#/$defs/t"}, [[[], [[]]]], [[1]]),
    ],
)
def test_keywords(schema: Any, good: list[Any], bad: list[Any]) -> None:
    compiled = Schema(schema)
    assert [value for value in good if compiled.fault(value) is not None] == []
    assert [value for value in bad if compiled.fault(value) is None] == []


@pytest.mark.parametrize(
    ("schema", "says"),
    [
        ({"if": {}}, "json_schema: keyword 'if' is not supported"),
        ({"properties": {"a": {"dependentRequired": {}}}}, "json_schema/properties/a: keyword 'dependentRequired'"),
        ({"$defs": {"a": {"unknown": 1}}}, "/\\$defs/a: keyword"),
        ({"type": "text"}, "json_schema/type"),
        ({"enum": []}, "json_schema/enum"),
        ({"minLength": -1}, "json_schema/minLength"),
        ({"minimum": "1"}, "json_schema/minimum"),
        ({"multipleOf": 0}, "json_schema/multipleOf"),
        ({"pattern": "(?=a)"}, "json_schema/pattern: is no RE2"),
        ({"format": "hostname"}, "format is not supported"),
        ({"required": "a"}, "json_schema/required"),
        ({"properties": []}, "json_schema/properties"),
        ({"items": [{}]}, "items is one schema"),
        ({"anyOf": []}, "json_schema/anyOf"),
        ({"items": 3}, "json_schema/items"),
        ({"$ref": "https://example.com/x"}, "only references within"),
        ({"$ref": "#/$defs/x"}, "is not there"),
        ({"$ref": "#"}, "leads back to itself"),
        ({"$defs": {"a": {"anyOf": [{"$ref": "#/$defs/a"}]}}, "items": {"$ref": "#/$defs/a"}}, "leads back"),
        ({"uniqueItems": 1}, "json_schema/uniqueItems"),
    ],
)
def test_what_is_not_known_is_refused_when_made(schema: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        JsonSchema(JsonSchema.Options(json_schema=schema))


def test_alternatives_within_alternatives_run_out_of_steps() -> None:
    twice = Schema({"properties": {"a": {"anyOf": [{"$ref": "#"}, {"$ref": "#"}]}}, "required": ["b"]})
    value: Any = {}
    for _ in range(60):
        value = {"a": value, "b": 1}
    with pytest.raises(Exhausted):
        twice.fault(value)


LEAVES = st.none() | st.booleans() | st.integers() | st.text(max_size=5)
KEYS = st.text(max_size=5)


@given(st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4)))
def test_a_value_fits_itself_as_a_constant(value: Any) -> None:
    assert Schema({"const": value}).fault(value) is None
    assert Schema({"not": {"const": value}}).fault(value) is not None


def asked(response_format: Any, text: str = '{"name": "A"}', **options: Any) -> Verdict:
    about = About("output", "assistant", response_format=response_format)
    return JsonSchema(JsonSchema.Options(**options)).judge(text, about)


def wanted(schema: Any) -> Any:
    return {"type": "json_schema", "json_schema": {"name": "person", "strict": True, "schema": schema}}


def test_the_request_may_bring_the_schema() -> None:
    assert asked(wanted(PERSON)) == ALLOW
    assert asked(wanted(PERSON), "{}").reason == "the value lacks name"
    assert asked(wanted(PERSON), "{}", json_schema=True) == ALLOW
    assert asked({"type": "json_object"}, "{}") == ALLOW
    assert asked({"type": "json_object"}, "[]").reason == "not a JSON object"
    assert asked({"type": "json_schema"}, "[]") == ALLOW
    assert asked({"type": "json_schema", "json_schema": {"name": "any"}}, "nope").reason == "not JSON"
    large = {"type": "string", "description": "x" * 100_000}
    assert asked(wanted(large), "1").outcome == "block"


@pytest.mark.parametrize("schema", [{"if": {}}, {"type": "nothing"}, 1, {"$ref": "#/none"}])
def test_a_schema_of_a_request_that_cannot_be_checked_is_unscanned_not_passed(schema: Any) -> None:
    verdict = asked(wanted(schema), "not even JSON")
    assert (verdict.outcome, verdict.reason[:10]) == ("allow", "unscanned:")


@pytest.mark.parametrize("response_format", [None, {}, {"type": "text"}, {"type": 1}])
def test_prose_passes_where_nobody_asked_for_json(response_format: Any) -> None:
    assert asked(response_format, "Good morning.").outcome == "block"
    assert asked(response_format, "Good morning.", only_when_asked=True) == ALLOW
    assert asked({"type": "json_object"}, "Good morning.", only_when_asked=True).outcome == "block"
