"""NeMo Guardrails by its shapes, and how a changed text becomes a redaction. Guardrails AI is in test_custom.py."""

from collections.abc import Callable
from enum import Enum
from types import SimpleNamespace as Thing
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmctl.errors import UpstreamError
from llmctl.guards.asked.custom import Custom
from llmctl.guards.asked.custom_shapes import difference
from llmctl.guards.base import ALLOW, About, Span

OUTPUT = About("output", "assistant", question="What may I bake?")
Make = Callable[..., Custom]


class Status(str, Enum):  # noqa: UP042  # as theirs is
    PASSED, MODIFIED, BLOCKED, ODD = "passed", "modified", "blocked", "odd"


class Rails:
    """`check_async` as of 0.21; `status` decides."""

    def __init__(self, status: Any = Status.PASSED, content: Any = None, rail: Any = None) -> None:
        self.answer = (status, content, rail)
        self.asked: list[tuple[list[dict[str, str]], list[str]]] = []

    async def check_async(self, messages: list[dict[str, str]], rail_types: Any = None) -> Thing:
        self.asked.append((messages, [rail.value for rail in rail_types]))
        status, content, rail = self.answer
        return Thing(status=status, content=messages[-1]["content"] if content is None else content, rail=rail)

    async def generate_async(self, **_: Any) -> None:
        raise AssertionError("check_async is there")


async def test_nemo_rails_are_checked(make: Make) -> None:
    rails = Rails()
    guard = make(rails)
    assert await guard.judge("hello", About()) == ALLOW
    assert await guard.judge("a loaf", OUTPUT) == ALLOW
    assert await guard.judge("a bun", About("output")) == ALLOW
    question = {"role": "user", "content": "What may I bake?"}
    assert rails.asked == [
        ([{"role": "user", "content": "hello"}], ["input"]),
        ([question, {"role": "assistant", "content": "a loaf"}], ["output"]),
        ([{"role": "user", "content": ""}, {"role": "assistant", "content": "a bun"}], ["output"]),
    ]
    blocked = await make(Rails(Status.BLOCKED, "I cannot.", "self check input")).judge("hello", About())
    assert (blocked.outcome, blocked.reason) == ("block", "nemo: self check input stopped it")
    changed = await make(Rails(Status.MODIFIED, "h*llo")).judge("hello", About())
    assert (changed.outcome, changed.spans) == ("redact", (Span(1, 2, "nemo", "*"),))


@pytest.mark.parametrize("status", [Status.ODD, None, True, "BLOCKED", "success"])
async def test_a_status_that_nobody_knows_is_an_error(make: Make, status: Any) -> None:
    with pytest.raises(UpstreamError, match="check_async"):
        await make(Rails(status)).judge("hello", About())


class Generates:
    """`generate_async` as older ones have it."""

    def __init__(self, rails: Any = (), response: Any = None) -> None:
        self.rails, self.response = rails, response
        self.options: Any = None

    async def generate_async(self, messages: list[dict[str, str]], options: Any) -> Thing:
        self.options = options
        response = [messages[-1]] if self.response is None else self.response
        return Thing(response=response, log=Thing(activated_rails=list(self.rails)) if self.rails is not None else None)


async def test_older_nemo_rails_are_run_without_generating(make: Make) -> None:
    rail = Thing(type="input", name="check jailbreak", stop=False)
    guard = Generates([rail])
    assert await make(guard).judge("hello", About()) == ALLOW
    assert guard.options == {"rails": ["input"], "log": {"activated_rails": True}}
    stopped = Generates([rail, Thing(type="input", name="check jailbreak", stop=True)], [{"content": "No."}])
    verdict = await make(stopped).judge("hello", About())
    assert (verdict.outcome, verdict.reason) == ("block", "nemo: check jailbreak stopped it")
    masked = await make(Generates([rail], [{"role": "user", "content": "h*llo"}])).judge("hello", About())
    assert masked.spans == (Span(1, 2, "nemo", "*"),)


RAN = (Thing(type="input", name="check jailbreak", stop=False),)


@pytest.mark.parametrize(
    ("rails", "response"),
    [(None, None), ((), None), (RAN, []), (RAN, ""), (RAN, [{}]), (RAN, ["hello"]), ((Thing(name="x"),), None),
     (RAN, [{"content": ""}]), (RAN, [{"content": 7}]),
     ((Thing(stop=None),), None)],
)  # fmt: skip
async def test_a_generation_that_says_nothing_of_its_rails_is_an_error(make: Make, rails: Any, response: Any) -> None:
    with pytest.raises(UpstreamError, match="acme_guards"):
        await make(Generates(rails, response)).judge("hello", About())


@given(st.text(alphabet="ab", min_size=1, max_size=8), st.text(alphabet="ab", max_size=8))
def test_a_difference_put_in_gives_the_output(text: str, output: str) -> None:
    if text == output:
        return
    start, end, put = difference(text, output)
    assert 0 <= start < end <= len(text)
    assert text[:start] + put + text[end:] == output
