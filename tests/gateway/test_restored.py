"""Values come back at every split, and in nothing but the client's copy."""

import asyncio
import json
from collections.abc import AsyncIterator
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmctl.gateway.restored import restored, restored_stream
from llmctl.guards.redaction import Redaction
from llmctl.model import chat
from llmctl.model.chat import Chunk
from llmctl.model.json import JsonObject, encode

VALUE = 'jo "x" \\ doe@example.org'


def names() -> Redaction:
    redaction = Redaction()
    assert redaction.placeholder("EMAIL", VALUE) == "[EMAIL_1]"
    assert redaction.placeholder("PHONE", "+49 30 901820") == "[PHONE_1]"
    assert redaction.placeholder("EMAIL", "gone@example.org", keep=False) == "[EMAIL_2]"
    return redaction


def chunk(delta: JsonObject | None, finish: str | None = None, index: int = 0, **rest: Any) -> Chunk:
    choice = {"index": index, "finish_reason": finish, **({"delta": delta} if delta is not None else {}), **rest}
    return chat.chunk(encode({"id": "c", "object": "o", "created": 5, "model": "m", "choices": [choice]}))


def play(*batches: list[Chunk]) -> list[JsonObject]:
    async def source() -> AsyncIterator[list[Chunk]]:
        for batch in batches:
            yield batch

    async def collect() -> list[JsonObject]:
        return [json.loads(one.raw) async for batch in restored_stream(source(), names()) for one in batch]

    return asyncio.run(collect())


def content(bodies: list[JsonObject], field: str = "content", index: int = 0) -> str:
    deltas = [c["delta"] for body in bodies for c in body["choices"] if c["index"] == index and "delta" in c]
    return "".join(delta.get(field) or "" for delta in deltas)


def test_a_whole_answer_is_restored_in_every_field() -> None:
    call = {"id": "t", "type": "function", "function": {"name": "mail", "arguments": '{"to": "[EMAIL_1]"}'}}
    message = {"content": "To [EMAIL_1], not [EMAIL_2]", "reasoning_content": "[PHONE_1]", "tool_calls": [call]}
    answer = restored(chat.answer(encode({"choices": [{"message": message, "logprobs": {"content": []}}]})), names())
    [choice] = json.loads(answer.raw)["choices"]
    assert choice["message"]["content"] == f"To {VALUE}, not [EMAIL_2]"
    assert choice["message"]["reasoning_content"] == "+49 30 901820"
    assert json.loads(choice["message"]["tool_calls"][0]["function"]["arguments"]) == {"to": VALUE}
    assert "logprobs" not in choice


def test_an_answer_without_placeholders_is_the_same_bytes() -> None:
    answer = chat.answer(b'{"choices": [ {"message": {"content": "see [1] and [EMAIL_9]"}} ]}')
    assert restored(answer, names()) is answer


TEXT = "Mail [EMAIL_1] or [[PHONE_1]], not [EMAIL_2], [EMAIL_3] or [x; a[0] = [EMAIL_1][EMA"
SEEN = f"Mail {VALUE} or [+49 30 901820], not [EMAIL_2], [EMAIL_3] or [x; a[0] = {VALUE}[EMA"


def split(text: str, cuts: list[int]) -> list[str]:
    edges = sorted({0, len(text), *(cut % len(text) for cut in cuts)})
    return [text[a:b] for a, b in pairwise(edges)]


@settings(max_examples=150, deadline=None)
@given(st.lists(st.integers(0, 500), max_size=30), st.booleans(), st.booleans())
def test_a_stream_is_restored_at_every_split(cuts: list[int], ends_with_text: bool, batched: bool) -> None:
    pieces = split(TEXT, cuts)
    chunks = [chunk({"content": piece}) for piece in pieces]
    if ends_with_text:
        chunks[-1] = chunk({"content": pieces[-1]}, "stop")
    else:
        chunks.append(chunk({}, "stop"))
    bodies = play(chunks) if batched else play(*[[one] for one in chunks])
    assert content(bodies) == SEEN
    assert bodies[-1]["choices"][0]["finish_reason"] == "stop"


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 500), max_size=30))
def test_arguments_are_restored_as_json_strings(cuts: list[int]) -> None:
    text = '{"to": "[EMAIL_1]", "list": [1, ["[PHONE_1]"]], "open": "[EMA"}'
    calls = [[{"index": 1, "function": {"arguments": piece}}] for piece in split(text, cuts)]
    bodies = play(*[[chunk({"tool_calls": call})] for call in calls], [chunk({}, "tool_calls")])
    pieces = [call for body in bodies for call in body["choices"][0]["delta"].get("tool_calls", [])]
    assert {call["index"] for call in pieces} == {1}
    said = "".join(call["function"]["arguments"] for call in pieces)
    assert json.loads(said) == {"to": VALUE, "list": [1, ["+49 30 901820"]], "open": "[EMA"}


def test_texts_of_a_stream_do_not_mix() -> None:
    bodies = play(
        [chunk({"content": "a [EMA"}), chunk({"content": "b [PHO"}, index=1), chunk({"reasoning": "[EMAIL"})],
        [chunk({"content": "IL_1]"}), chunk({"reasoning": "_1]"}), chunk({"content": "NE_1] c"}, index=1)],
        [chunk({}, "stop"), chunk({}, "stop", 1)],
    )
    assert content(bodies) == f"a {VALUE}"
    assert content(bodies, "reasoning") == VALUE
    assert content(bodies, index=1) == "b +49 30 901820 c"


def test_what_was_held_back_comes_before_the_end_in_chunks_like_the_others() -> None:
    bodies = play([chunk({"content": "so [EMAIL"})], [chunk({}, "stop")])
    assert content(bodies) == "so [EMAIL"
    assert [body["choices"][0].get("finish_reason") for body in bodies] == [None, None, "stop"]
    held = bodies[1]
    assert (held["id"], held["object"], held["created"], held["model"]) == ("c", "o", 5, "m")


@pytest.mark.parametrize("field", ["text", "function_call"])
def test_legacy_forms_are_restored(field: str) -> None:
    if field == "text":
        bodies = play([chunk(None, text="x [EMAIL_"), chunk(None, text="1] [E")], [chunk(None, "stop")])
        assert "".join(body["choices"][0].get("text") or "" for body in bodies) == f"x {VALUE} [E"
        return
    said = [chunk({"function_call": {"arguments": piece}}) for piece in ('{"a":"[EMA', 'IL_1]"}[')]
    bodies = play(said)
    arguments = [body["choices"][0]["delta"]["function_call"]["arguments"] for body in bodies]
    assert "".join(arguments) == '{"a":' + encode(VALUE).decode() + "}["


def test_chunks_without_placeholders_are_the_same_bytes() -> None:
    async def source() -> AsyncIterator[list[Chunk]]:
        yield [same, other]

    async def collect() -> list[Chunk]:
        return [one async for batch in restored_stream(source(), names()) for one in batch]

    same, other = chunk({"content": "a [0] b"}), chunk({}, "stop")
    got = asyncio.run(collect())
    assert got[0] is same
    assert got[1] is other


def test_calls_with_free_text_are_restored() -> None:
    def call(text: str) -> Chunk:
        return chunk({"tool_calls": [{"index": 2, "custom": {"input": text}}]})

    bodies = play([call("to [EMA")], [call("IL_1]")], [call(" [EMA")])
    calls = [one for body in bodies for c in body["choices"] for one in c["delta"]["tool_calls"]]
    assert {one["index"] for one in calls} == {2}
    assert "".join(one["custom"]["input"] for one in calls) == f"to {VALUE} [EMA"
