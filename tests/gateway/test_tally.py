"""However a stream is cut into chunks and batches, it amounts to the same."""

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmctl.gateway.tally import Tally, estimate, used
from llmctl.gateway.tokens import LONGEST, Tokens
from llmctl.model import chat
from llmctl.model.chat import Chunk
from llmctl.model.exchange import Exchange
from llmctl.testing.clock import ManualClock
from llmctl.testing.gateway import exchange

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


def chunk(index: int = 0, finish: str | None = None, /, **delta: Any) -> Chunk:
    choice = {"index": index, "delta": delta, "finish_reason": finish}
    return chat.chunk(json.dumps({"model": "m-1", "choices": [choice]}).encode())


def tool(at: int | None, **call: Any) -> dict[str, Any]:
    return call if at is None else {"index": at, **call}


def settled(batches: list[list[Chunk]], *, keep_content: bool = True) -> Exchange:
    tally, done = Tally(keep_content=keep_content), exchange(ManualClock())
    done.raw = b"x" * 41
    for batch in batches:
        tally.add(batch)
    tally.settle(done)
    return done


def transcript(done: Exchange) -> list[dict[str, Any]]:
    assert done.transcript is not None
    choices: list[dict[str, Any]] = json.loads(done.transcript)["choices"]
    return choices


@st.composite
def cut(draw: st.DrawFn, text: str) -> list[str]:
    places = sorted(draw(st.lists(st.integers(0, len(text)), max_size=4)))
    return [text[a:b] for a, b in zip([0, *places], [*places, len(text)], strict=True)]


@given(st.data(), st.lists(TEXT, min_size=1, max_size=2), st.lists(TEXT, max_size=2))
def test_the_transcript_does_not_depend_on_the_cuts(data: st.DataObject, texts: list[str], calls: list[str]) -> None:
    chunks: list[Chunk] = []
    for index, text in enumerate(texts):
        chunks += [chunk(index, content=piece) for piece in data.draw(cut(text))]
    for at, arguments in enumerate(calls):
        chunks.append(chunk(tool_calls=[tool(at, id=f"c{at}", type="function", function={"name": f"f{at}"})]))
        pieces = data.draw(cut(arguments))
        chunks += [chunk(tool_calls=[tool(at, function={"arguments": piece})]) for piece in pieces]
    chunks += [chunk(index, "stop") for index in range(len(texts))]
    marks = data.draw(st.sets(st.integers(0, len(chunks))))
    edges = [0, *sorted(marks), len(chunks)]
    batches = [chunks[a:b] for a, b in pairwise(edges)]
    done = settled(batches)
    expected = []
    for index, text in enumerate(texts):
        message: dict[str, Any] = {"content": text} if text else {}
        if index == 0 and calls:
            message["tool_calls"] = [
                {"id": f"c{at}", "type": "function", "function": {"name": f"f{at}", "arguments": arguments}}
                for at, arguments in enumerate(calls)
            ]
        expected.append({"index": index, "message": message, "finish_reason": "stop"})
    assert [{"index": 0, **choice} for choice in transcript(done)] == expected
    assert done.chunk_count == len(chunks)
    assert (done.served_model, done.finish_reason) == ("m-1", "stop")
    written = sum(map(len, texts)) + sum(map(len, calls))
    assert (done.usage.source, done.usage.output) == ("estimated", -(-written // 4))
    assert done.usage.input == 11  # 41 bytes at four a token


def test_the_providers_own_counts_are_preferred_and_the_last_ones_stand() -> None:
    counts = [chat.chunk(b'{"usage":{"prompt_tokens":%d,"completion_tokens":%d}}' % (n, n)) for n in (1, 7)]
    done = settled([[chunk(content="long enough to estimate"), *counts]])
    assert (done.usage.input, done.usage.output, done.usage.source) == (7, 7, "provider")


def test_a_stream_without_a_chunk_amounts_to_nothing() -> None:
    done = settled([])
    assert (done.usage.source, done.transcript, done.finish_reason, done.served_model) == ("none", None, None, "")


def test_without_content_only_the_counts_are_kept() -> None:
    done = settled([[chunk(content="abcd"), chunk(0, "stop")]], keep_content=False)
    assert (done.transcript, done.usage.output, done.finish_reason) == (None, 1, "stop")


def test_legacy_completions_have_text() -> None:
    done = settled([[chat.chunk(b'{"choices":[{"index":0,"text":"ab"}]}'), chat.chunk(b'{"choices":[{"text":"c"}]}')]])
    assert transcript(done)[0]["message"] == {"content": "abc"}


def test_calls_that_carry_no_index_go_by_their_place() -> None:
    calls = [tool(None, id="a", function={"name": "f", "arguments": "1"}), tool(None, id="b", function={"name": "g"})]
    [choice] = transcript(settled([[chunk(tool_calls=calls)]]))
    assert [call["id"] for call in choice["message"]["tool_calls"]] == ["a", "b"]


@pytest.mark.parametrize("field", ["refusal", "reasoning_content"])
def test_all_that_was_said_is_in_the_transcript(field: str) -> None:
    done = settled([[chunk(**{field: "four"}), chunk(0, "stop", **{field: "teen"})]])
    assert transcript(done)[0]["message"] == {field: "fourteen"}
    assert done.usage.output == 2


LETTERS = Tokens(lambda name: lambda text: text.count("x") if name == "o200k_base" else 0, lambda job: job())
LOADING = Tokens(lambda name: len, lambda job: None)


def asking() -> Exchange:
    done = exchange(ManualClock())
    done.payload, done.raw = {"model": "m", "messages": [{"role": "user", "content": "xx"}]}, b"y" * 41
    return done


@pytest.mark.parametrize("batches", [1, 3])
def test_a_stream_that_is_cut_short_is_counted_by_the_tokenizer(batches: int) -> None:
    tally, done = Tally(keep_content=False, tokens=LETTERS), asking()
    LETTERS.of("m-1")  # the first that asks only starts it
    for _ in range(batches):
        tally.add([chunk(content="x--x"), chunk(tool_calls=[tool(0, function={"name": "f", "arguments": "x"})])])
    tally.settle(done)
    assert (done.usage.input, done.usage.output, done.usage.source) == (2 + 6, 3 * batches, "estimated")


def test_a_long_stream_is_counted_by_its_first_part() -> None:
    tally, done = Tally(keep_content=False, tokens=LETTERS), asking()
    for _ in range(3 * LONGEST // 1000):
        tally.add([chunk(content="x---" * 250)])
    tally.settle(done)
    assert done.usage.output == 3 * LONGEST // 4


def test_while_the_vocabulary_loads_the_length_says() -> None:
    tally, done = Tally(keep_content=False, tokens=LOADING), asking()
    tally.add([chunk(content="x" * 9)])
    tally.settle(done)
    assert (done.usage.input, done.usage.output, done.usage.source) == (11, 3, "estimated")


def test_a_whole_answer_without_counts_is_counted_by_its_own_models_vocabulary() -> None:
    body = '{"model":"%s","choices":[{"message":{"content":"xxxx","tool_calls":[{"function":{"arguments":"x"}}]}}]}'
    for model, output in (("gpt-4o", 5), ("gpt-4", 0)):
        answer = chat.answer((body % model).encode())
        used(asking(), answer, LETTERS)  # starts a vocabulary
        assert used(asking(), answer, LETTERS).output == output
        assert used(asking(), answer) == estimate(asking(), 5)


def test_counts_of_the_provider_are_not_counted_again() -> None:
    answer = chat.answer(b'{"choices":[{"message":{"content":"x"}}],"usage":{"prompt_tokens":7}}')
    assert (used(asking(), answer, LETTERS).input, used(asking(), answer, LETTERS).source) == (7, "provider")
