"""How answers differ."""

from collections.abc import Sequence

import pytest

from llmctl.embedding.static import StaticEmbedder
from llmctl.gateway.asking import Reply
from llmctl.model import chat
from llmctl.model.json import encode
from llmctl.replay.difference import EXAMPLES, Difference, Differences, Pairs, calls_of, differ
from llmctl.replay.source import Before
from llmctl.scoring.base import ToolCalled


async def embed(texts: Sequence[str]) -> Sequence[Sequence[float]]:
    return [StaticEmbedder().embed(text).tolist() for text in texts]


async def test_from_the_same_to_something_else() -> None:
    then = Before("The cat sat on the mat.")
    assert await differ(then, "The cat sat on the mat.", (), embed) == Difference(True, True, 1.0)
    assert await differ(then, "the cat  sat on the mat.", (), embed) == Difference(False, True, 1.0)
    near = await differ(then, "A cat was sitting on the mat.", (), embed)
    far = await differ(then, "Interest rates rose by two percent.", (), embed)
    assert near.similarity is not None
    assert far.similarity is not None
    assert far.similarity < near.similarity < 1
    assert (near.exact, near.normalised) == (False, False)


async def test_nothing_said_has_no_meaning_to_compare() -> None:
    assert (await differ(Before("Yes."), "", (), embed)).similarity is None
    assert (await differ(Before(""), "", (), embed)).exact is True


async def test_calls_are_compared_by_what_they_mean() -> None:
    then = Before("", (ToolCalled("find", '{"a": 1, "b": 2}'),))
    assert (await differ(then, "", (ToolCalled("find", '{"b":2,"a":1}'),), embed)).tool_calls is True
    assert (await differ(then, "", (ToolCalled("find", '{"b":3}'),), embed)).tool_calls is False
    assert (await differ(then, "", (), embed)).tool_calls is False
    assert (await differ(then, "", (ToolCalled("find", "{no json"),), embed)).tool_calls is False


def test_calls_of_an_answer() -> None:
    call = {"id": "1", "type": "function", "function": {"name": "find", "arguments": "{}"}}
    raw = encode({"choices": [{"message": {"role": "assistant", "content": None, "tool_calls": [call]}}]})
    assert calls_of(Reply("r", "ok", 0.1, chat.answer(raw).body)) == (ToolCalled("find", "{}"),)
    assert calls_of(Reply("r", "failed", 0.1)) == ()


def test_the_furthest_are_shown() -> None:
    found = Differences()
    for number in range(20):
        found.add(f"r{number}", Difference(False, False, number / 20), "then", "now")
    found.add("same", Difference(True, True, 1.0), "x", "x")
    assert [one.id for one in found.examples] == [f"r{number}" for number in range(EXAMPLES)]
    assert (found.compared, found.exact) == (21, 1)


def test_pairs() -> None:
    pairs = Pairs()
    pairs.add(1.0, None)
    assert pairs.mean() is None
    for number in range(10):
        pairs.add(1.0, 1.5 + number / 100)
    mean, shift = pairs.mean(), pairs.shift()
    assert mean is not None
    assert shift is not None
    assert mean.estimate == pytest.approx(0.545)
    assert mean.low < 0.545 < mean.high
    assert shift.estimate == pytest.approx(0.545)
