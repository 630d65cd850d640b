from hypothesis import given
from hypothesis import strategies as st

from llmctl.config.resolve import Resolved, interpolate, resolve
from llmctl.config.secrets import Environment
from llmctl.config.yaml import parse

ENV = Environment({"A": "1", "TEXT": "x: y", "EMPTY": "", "BAD": "\udcff", "LOOP": "${A}"})


def resolved(text: str) -> Resolved:
    root, _ = parse(text, "f.yaml")
    assert root is not None
    return resolve(root, ENV)


def test_only_a_whole_plain_reference_is_typed_again() -> None:
    got = resolved("a: ${A}\nb: '${A}'\nc: ${A}0\nd: ${NO:-true}\ntoken: ${A}\ne: ${NO:-1}${A}")
    assert got.tree == {"a": 1, "b": "1", "c": "10", "d": True, "token": "1", "e": "11"}
    assert got.findings == []


def test_a_value_is_never_read_as_yaml_or_as_a_reference() -> None:
    assert resolved("a: ${TEXT}\nb: ${LOOP}\n").tree == {"a": "x: y", "b": "${A}"}


def test_escapes() -> None:
    assert resolved("a: $${A}\nb: $$${A}\nc: $A\nd: '$${'").tree == {"a": "${A}", "b": "$${A}", "c": "$A", "d": "${"}


def test_where_references_were() -> None:
    got = resolved('a: x${A}\nb: $${A}\nc: ["${NO}"]')
    assert got.referring == {("a",)}
    assert got.unknown == {("c", 0)}
    assert [str(f) for f in got.findings] == [
        "f.yaml:3: c[0]: the environment variable NO is not set; export it, or write ${NO:-default}"
    ]


def test_a_variable_that_is_not_text() -> None:
    assert interpolate("${BAD}", ENV) == ("", ["the environment variable BAD is not valid UTF-8"])


def test_keys_are_not_interpolated() -> None:
    assert resolved("${A}: 1").tree == {"${A}": 1}


def test_aliases_may_not_nest_without_end() -> None:
    lines = ["a0: &a0 " + "[" * 40 + "]" * 40]
    lines += [f"a{n}: &a{n} " + "[" * 40 + f"*a{n - 1}" + "]" * 40 for n in range(1, 100)]
    got = resolved("\n".join(lines))
    assert "deeper" in str(got.findings[0])
    assert got.tree == {}


@given(st.text(alphabet=st.characters(exclude_characters="$")))
def test_text_without_references_is_left_alone(text: str) -> None:
    assert interpolate(text, ENV) == (text, [])


@given(st.text(alphabet="${}:-A_", max_size=30))
def test_interpolation_never_raises(text: str) -> None:
    interpolate(text, ENV)
