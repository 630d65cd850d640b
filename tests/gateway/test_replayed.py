"""A whole answer replayed as a stream says the same, in every dialect."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmctl.gateway.replayed import answer_of, chunks_of, streamed
from llmctl.gateway.tally import Tally
from llmctl.model import chat
from llmctl.model.chat import Answer
from llmctl.model.json import encode
from llmctl.server.anthropic import AnthropicDialect
from llmctl.server.openai import OpenAIEncoder
from llmctl.server.responses import ResponsesDialect
from llmctl.testing.clock import ManualClock
from llmctl.testing.gateway import exchange
from tests.server import test_anthropic_stream as messages
from tests.server import test_responses_stream as responses

Json = dict[str, Any]
USAGE = {"prompt_tokens": 30, "completion_tokens": 9, "prompt_tokens_details": {"cached_tokens": 20}}
words = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=20)
calls = st.lists(st.tuples(words, st.dictionaries(words, st.integers() | words, max_size=2)), min_size=1, max_size=3)
finishes = st.sampled_from(["stop", "length", "tool_calls", "content_filter"])


@st.composite
def messages_(draw: st.DrawFn) -> Json:
    message: Json = {"role": "assistant", "content": draw(st.none() | words)}
    for name in ("reasoning_content", "refusal"):
        if draw(st.booleans()):
            message[name] = draw(st.none() | words)
    if draw(st.booleans()):
        message["tool_calls"] = [
            {"id": f"t{at}", "type": "function", "function": {"name": name or "f", "arguments": encode(given).decode()}}
            for at, (name, given) in enumerate(draw(calls))
        ]
    return message


@st.composite
def answers(draw: st.DrawFn, most: int = 3) -> Answer:
    """Any whole answer to a chat."""
    choices = [
        {"index": at, "message": draw(messages_()), "finish_reason": draw(finishes), "logprobs": None}
        for at in range(draw(st.integers(1, most)))
    ]
    body: Json = {"id": "c1", "object": "chat.completion", "created": 3, "model": "served", "choices": choices}
    return chat.answer(encode(body | ({"usage": USAGE} if draw(st.booleans()) else {})))


def joined(data: bytes) -> Json:
    """What a client of OpenAI's makes of the events."""
    *events, done = [one.removeprefix(b"data: ") for one in data.split(b"\n\n") if one]
    assert done == b"[DONE]"
    found: Json = {"choices": {}}
    for event in map(json.loads, events):
        assert event["object"] == "chat.completion.chunk"
        found |= {key: event[key] for key in ("id", "created", "model", "usage") if key in event}
        for choice in event["choices"]:
            own = found["choices"].setdefault(choice["index"], {"message": {}, "finish_reason": None})
            assert own["finish_reason"] is None
            own["finish_reason"] = choice["finish_reason"]
            for key, value in choice["delta"].items():
                assert key not in own["message"]
                own["message"][key] = value
    return found


@given(answers())
def test_an_openai_client_gets_the_answer_back(answer: Answer) -> None:
    encoder = OpenAIEncoder(wants_usage=True)
    body = json.loads(answer.raw)
    found = joined(encoder.feed(chunks_of(answer)) + encoder.finish())
    assert {key: found.get(key) for key in ("id", "created", "model", "usage")} == {
        key: body.get(key) for key in ("id", "created", "model", "usage")
    }
    for choice in body["choices"]:
        own = found["choices"].pop(choice["index"])
        assert own["finish_reason"] == choice["finish_reason"]
        for at, call in enumerate(own["message"].get("tool_calls", ())):
            assert call.pop("index") == at
        assert own["message"] == choice["message"]
    assert not found["choices"]


@settings(max_examples=40, deadline=None)
@given(answers(most=1))
def test_an_anthropic_client_reads_the_same_as_from_the_whole_answer(answer: Answer) -> None:
    whole = json.loads(AnthropicDialect().answer(messages.exchange(), answer))
    data = messages.encoded(chunks_of(answer))
    messages.events_of(data)
    streamed_ = messages.read_by_sdk(data).model_dump(mode="json")
    kept = ("content", "stop_reason", "model", "role")
    assert [thin(streamed_[key]) for key in kept] == [thin(whole[key]) for key in kept]
    assert streamed_["usage"]["output_tokens"] == whole["usage"]["output_tokens"]


def thin(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: thin(one) for key, one in value.items() if one is not None}
    return [thin(one) for one in value] if isinstance(value, list) else value


@settings(max_examples=40, deadline=None)
@given(answers(most=1))
def test_a_responses_client_ends_with_the_whole_response(answer: Answer) -> None:
    whole = json.loads(ResponsesDialect().answer(responses.exchange(), answer))
    last = responses.events_of(responses.encoded(chunks_of(answer)))[-1]["response"]
    for item in (*last["output"], *whole["output"]):
        item.pop("status", None)  # of an item that is closed before the stream ends nobody knows that it ran out
    assert last == whole


@given(answers())
def test_the_record_of_the_stream_is_that_of_the_answer(answer: Answer) -> None:
    done, tally = exchange(ManualClock()), Tally(keep_content=True)
    done.raw = b"{}"
    tally.add(chunks_of(answer))
    tally.settle(done)
    assert (done.served_model, done.finish_reason) == ("served", answer.body.choices[0].finish_reason)
    if answer.body.usage is not None:
        assert done.usage == answer.usage
    assert done.transcript is not None
    kept = {one.get("index", 0): one for one in json.loads(done.transcript)["choices"]}
    for choice in answer.body.choices:
        message = choice.message
        assert message is not None
        own = kept[choice.index]["message"]
        assert own.get("content", "") == (message.content or "")
        assert len(own.get("tool_calls", ())) == len(message.tool_calls or ())


def test_what_anthropic_alone_says_survives() -> None:
    blocks = [{"type": "thinking", "thinking": "hm", "signature": "c2ln"}]
    message = {"role": "assistant", "content": "text", "thinking_blocks": blocks, "reasoning_content": "hm"}
    choice = {"index": 0, "message": message, "finish_reason": "stop", "native_finish_reason": "stop_sequence"}
    body = {"id": "c1", "model": "served", "choices": [{**choice, "stop_sequence": "END"}], "usage": USAGE}
    answer = chat.answer(encode(body))
    whole = json.loads(AnthropicDialect().answer(messages.exchange(), answer))
    found = messages.read_by_sdk(messages.encoded(chunks_of(answer))).model_dump(mode="json")
    for key in ("content", "stop_reason", "stop_sequence"):
        assert thin(found[key]) == thin(whole[key])


@pytest.mark.parametrize("kind", [{"object": "text_completion"}, {}, {"object": "completion"}])
def test_a_legacy_completion_stays_one(kind: Json) -> None:
    choices = [{"index": at, "text": f"t{at}", "finish_reason": "length", "logprobs": {"a": at}} for at in range(2)]
    body = {**kind, "id": "c", "model": "m", "choices": choices, "usage": USAGE}
    [said, ends, counts] = [json.loads(chunk.raw) for chunk in chunks_of(chat.answer(encode(body)))]
    assert [one["text"] for one in said["choices"]] == ["t0", "t1"]
    assert [one["logprobs"] for one in said["choices"]] == [{"a": 0}, {"a": 1}]
    assert [(one["text"], one["finish_reason"]) for one in ends["choices"]] == [("", "length")] * 2
    assert {said["object"], ends["object"], counts["object"]} == {"text_completion"}
    assert counts["usage"] == USAGE


async def test_it_is_one_batch() -> None:
    answer = chat.answer(encode({"choices": [{"index": 0, "message": {"content": "a"}, "finish_reason": None}]}))
    [batch] = [batch async for batch in streamed(answer)]
    assert [choice.finish_reason for chunk in batch for choice in chunk.body.choices] == [None, "stop"]


@given(words)
def test_a_text_becomes_an_answer_that_says_it(text: str) -> None:
    asked = exchange(ManualClock())
    answer = answer_of(asked, text, "r")
    message = answer.body.choices[0].message
    assert message is not None
    assert (message.content, answer.body.model, answer.usage.prompt) == (text, "r", 0)
    legacy = exchange(ManualClock(), "completion")
    assert msgspec.json.decode(answer_of(legacy, text, "r").raw)["choices"][0]["text"] == text
