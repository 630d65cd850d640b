"""JSON, and of the right shape."""

import pytest

from tests.scoring.made import scored

SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}


@pytest.mark.parametrize(("text", "score"), [('{"a": 1}', 1), ("[1]", 1), ("7", 1), ("{a: 1}", 0), ("", 0)])
def test_is_json(text: str, score: int) -> None:
    assert scored("is-json", text).value == score


def test_the_schema() -> None:
    assert scored("is-json", '{"a": 1}', schema=SCHEMA).value == 1
    wrong = scored("is-json", '{"a": "x"}', schema=SCHEMA)
    assert wrong.value == 0
    assert wrong.reason
    with pytest.raises(ValueError, match="type"):
        scored("is-json", "{}", schema={"type": "no such type"})


@pytest.mark.parametrize(
    ("text", "score"),
    [('Here: {"a": 1}. Done.', 1), ('```json\n{"a": 2}\n```', 1), ('{"b": 1} and {"a": 3}', 1), ('{"a": "}"}', 0),
     ("no {json} here", 0), ('{"a": 1', 0)],
)  # fmt: skip
def test_contains_json(text: str, score: int) -> None:
    assert scored("contains-json", text, schema=SCHEMA).value == score


@pytest.mark.parametrize("kind", ["is-json", "contains-json"])
def test_a_schema_that_branches_without_end_is_not_fitted(kind: str) -> None:
    again = {"type": "array", "items": {"$ref": "#/$defs/n"}}
    schema = {"$defs": {"n": {"anyOf": [again, again, {"type": "string"}]}}, "$ref": "#/$defs/n"}
    found = scored(kind, "[" * 60 + "1" + "]" * 60, schema=schema)
    assert found.value == 0
    assert "too deeply nested" in found.reason
