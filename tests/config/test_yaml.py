import math

import pytest
import yaml

from llmctl.config.yaml import Mapping, Scalar, parse, typed


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True),
        ("FALSE", False),
        ("yes", "yes"),
        ("off", "off"),
        ("~", None),
        ("12:30", "12:30"),
        ("2030-01-31", "2030-01-31"),
        ("1_000", "1_000"),
        ("-7", -7),
        ("0o17", 15),
        ("0xfF", 255),
        ("1.5e3", 1500.0),
        (".5", 0.5),
        ("1.", 1.0),
        (".", "."),
        ("e5", "e5"),
        (".inf", math.inf),
        ("9" * 65, "9" * 65),
        ("1e9999999999", "1e9999999999"),
        ("٣", "٣"),
    ],
)
def test_typed_follows_the_core_schema(text: str, value: object) -> None:
    assert typed(text) == value
    assert type(typed(text)) is type(value)


def test_every_key_has_its_line() -> None:
    root, findings = parse("a: 1\n\nb:\n  c: x\n", "f.yaml")
    assert root is not None
    assert findings == []
    assert {key: mark.line for key, (mark, _) in root.entries.items()} == {"a": 1, "b": 3}
    _, below = root.entries["b"]
    assert isinstance(below, Mapping)
    assert below.entries["c"][0].line == 4


def test_quotes_and_blocks_are_text() -> None:
    root, _ = parse("a: 1\nb: '1'\nc: |\n  1\n", "f.yaml")
    assert root is not None
    assert [node.plain for _, node in root.entries.values() if isinstance(node, Scalar)] == [True, False, False]


def test_the_python_loader_says_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = ("a: [1, {b: 'x'}]\n", "a: &x {b: 1}\nc: *x\n", "a: !!int 3", "- a", "a: 1\na: 2", "? {}\n: 1")
    compiled = [parse(text, "f") for text in texts]
    monkeypatch.delattr(yaml, "CSafeLoader", raising=False)
    assert [parse(text, "f") for text in texts] == compiled


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("a:\n\tb: 1", 2, "spaces, not tabs"),
        ("a: b: c", 1, "in quotes"),
        ("a: 1\nb: @x", 2, "in quotes"),
        ("a: [1\nb: 2", 2, "close the bracket"),
        ("a: \x00", 1, "remove it"),
        ("é: 1\na: \x07", 2, "remove it"),
        ("", 1, "empty"),
        ("a: *b", 1, "names nothing"),
        ("? {a: 1}\n: 2", 1, "a key must be text"),
        ("? ? ? a", 1, "a key must be text"),
        ("'': 1", 1, "a key is empty"),
        ("a: [${B}]", 1, "put ${…} in quotes"),
        ("a: {b: ${C}}", 1, "put ${…} in quotes"),
    ],
)
def test_what_is_wrong_and_where(text: str, line: int, says: str) -> None:
    _, findings = parse(text, "f.yaml")
    assert [finding.mark.line for finding in findings] == [line]
    assert says in str(findings[0])
