"""Calls of tools."""

from typing import Any

import pytest

from llmctl.scoring.base import Output, ToolCalled, Unscorable
from tests.scoring.made import scored

TOOL = {"type": "function", "function": {"name": "find", "parameters": {
    "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}}  # fmt: skip


def calls(*made: tuple[str, str]) -> Output:
    return Output("", tuple(ToolCalled(*one) for one in made), tools=(TOOL,))


def test_valid() -> None:
    good, wrong, odd, strange = ("find", '{"city": "Rome"}'), ("find", '{"city": 1}'), ("find", "{"), ("look", "{}")
    assert scored("valid-tool-calls", calls(good)).value == 1
    assert scored("valid-tool-calls", calls(good, wrong)).value == 0.5
    found = scored("valid-tool-calls", calls(odd, strange))
    assert found.value == 0
    assert "no JSON" in found.reason
    assert "no tool 'look'" in found.reason
    assert scored("valid-tool-calls", calls()).value == 1
    assert scored("valid-tool-calls", calls(), required=True).value == 0
    with pytest.raises(Unscorable, match="no tools"):
        scored("valid-tool-calls", Output(""))


@pytest.mark.parametrize(
    ("wanted", "value", "names"),
    [
        ([{"name": "find", "arguments": {"city": "Rome"}}], 2 / 3, 2 / 3),
        ([{"name": "find", "arguments": '{"city":"Rome"}'}, {"name": "book", "arguments": {}}], 1, 1),
        ([{"name": "find", "arguments": {"city": "Oslo"}}, "book"], 0.5, 1),
        ([{"function": {"name": "find"}}, {"name": "find", "arguments": {"city": "Rome"}}], 0.5, 0.5),
        ([], 0, 0),
    ],
)
def test_expected(wanted: Any, value: float, names: float) -> None:
    found = scored("tool-calls", calls(("book", ""), ("find", '{ "city": "Rome" }')), wanted)
    assert found.value == pytest.approx(value)
    assert found.parts["names"] == pytest.approx(names)


def test_none_expected_and_none_made() -> None:
    assert scored("tool-calls", calls(), []).value == 1
    with pytest.raises(Unscorable):
        scored("tool-calls", calls())


def test_what_is_no_text_or_no_call() -> None:
    assert scored("tool-calls", calls(("find", '"\ud800"')), [{"name": "find", "arguments": {}}]).value == 0
    assert scored("valid-tool-calls", calls(("find", '{"city": "\ud800"}'))).value == 0
    with pytest.raises(Unscorable, match="no name"):
        scored("tool-calls", calls(), [{"function": "find"}])
