"""A stream put together is the answer that was streamed."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmctl.gateway.gathered import Gathered
from llmctl.gateway.replayed import chunks_of
from llmctl.model import chat
from llmctl.model.chat import Answer
from llmctl.model.json import JsonObject, encode


def chunk(*choices: JsonObject, **rest: Any) -> bytes:
    return encode({"id": "c", "object": "chat.completion.chunk", "model": "m", "choices": list(choices), **rest})


def delta(what: JsonObject, finish: str | None = None, index: int = 0, **rest: Any) -> JsonObject:
    return {"index": index, "delta": what, "finish_reason": finish, **rest}


def gathered(*raw: bytes) -> JsonObject | None:
    made = Gathered()
    for one in raw:
        made.add([chat.chunk(one)])
    answer = made.answer()
    return None if answer is None else json.loads(answer.raw)


TEXT = st.text(max_size=12)
CALL = st.builds(
    lambda ident, name, given: {"id": ident, "type": "function", "function": {"name": name, "arguments": given}},
    st.text(min_size=1, max_size=4),
    st.text(min_size=1, max_size=4),
    TEXT,
)


@st.composite
def answers(draw: st.DrawFn) -> JsonObject:
    choices = []
    for index in range(draw(st.integers(1, 3))):
        message: JsonObject = {"role": "assistant", "content": draw(st.none() | st.text(min_size=1, max_size=20))}
        for field in ("reasoning_content", "reasoning", "refusal"):
            if draw(st.booleans()):
                message[field] = draw(st.text(min_size=1, max_size=9))
        if calls := draw(st.lists(CALL, max_size=2)):
            message["tool_calls"] = calls
        finish = draw(st.sampled_from(["stop", "length", "tool_calls"]))
        choices.append({"index": index, "message": message, "finish_reason": finish})
    body: JsonObject = {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": choices}
    if draw(st.booleans()):
        body["usage"] = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}
    return body


@given(answers())
def test_what_is_streamed_and_gathered_is_as_before(body: JsonObject) -> None:
    answer: Answer = chat.answer(encode(body))
    assert gathered(*[one.raw for one in chunks_of(answer)]) == body


@given(st.lists(TEXT, max_size=5), st.lists(TEXT, max_size=5), st.randoms())
def test_choices_may_come_mixed(one: list[str], two: list[str], random: Any) -> None:
    pieces = [(0, text) for text in one] + [(1, text) for text in two]
    random.shuffle(pieces)
    made = gathered(
        *[chunk(delta({"content": text}, index=index)) for index, text in pieces],
        chunk(delta({}, "stop"), delta({}, "stop", 1)),
    )
    assert made is not None
    said = ["".join(text for at, text in pieces if at == index) for index in (0, 1)]
    assert [choice["message"]["content"] or "" for choice in made["choices"]] == said


def test_completions_of_the_old_kind() -> None:
    texts = [chunk({"index": 0, "text": text, "finish_reason": None}) for text in ("a", "b")]
    made = gathered(*texts, chunk({"index": 0, "text": "", "finish_reason": "stop"}))
    assert made is not None
    assert made["object"] == "text_completion"
    assert made["choices"] == [{"index": 0, "text": "ab", "finish_reason": "stop"}]


def test_ends_are_kept_with_all_they_say() -> None:
    ends: dict[str, Any] = {"stop_reason": 7, "native_finish_reason": "end_turn"}
    made = gathered(chunk(delta({"content": "a"})), chunk(delta({}, "stop", **ends)))
    assert made is not None
    assert made["choices"][0] == {
        "index": 0,
        "message": {"role": "assistant", "content": "a"},
        "finish_reason": "stop",
        **ends,
    }


def test_what_is_said_late_is_kept_and_what_is_no_answers_is_not() -> None:
    late = chunk(delta({}, "stop"), citations=["http://a"], obfuscation="zz")
    made = gathered(chunk(delta({"content": "a"}), obfuscation="x", system_fingerprint="f"), late)
    assert made is not None
    assert (made["citations"], made["system_fingerprint"]) == (["http://a"], "f")
    assert "obfuscation" not in made


@pytest.mark.parametrize(
    "odd",
    [
        delta({"content": "b", "audio": {"id": "x"}}),
        delta({"content": "b", "function_call": {"name": "f"}}),
        delta({"content": "b"}, logprobs={"content": []}),
        delta({"content": [{"type": "text", "text": "b"}]}),
        delta({"tool_calls": [{"index": 0, "id": "c", "type": "function", "function": {"name": "f"}, "extra": 1}]}),
        delta({"role": "assistant", "content": "b", "unheard_of": {"a": 1}}),
    ],
    ids=["audio", "function_call", "logprobs", "parts", "call", "new"],
)
def test_what_nobody_can_put_together_is_no_answer(odd: JsonObject) -> None:
    assert gathered(chunk(delta({"content": "a"})), chunk(odd), chunk(delta({}, "stop"))) is None


def test_nothing_is_no_answer() -> None:
    assert gathered() is None
