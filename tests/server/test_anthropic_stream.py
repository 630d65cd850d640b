from typing import Any

import anthropic
import httpx2
import msgspec
import pytest
from anthropic.types import Message, RawMessageStreamEvent
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from llmctl.errors import UpstreamLost
from llmctl.model import chat
from llmctl.model.chat import Chunk
from llmctl.model.exchange import Exchange
from llmctl.model.json import encode
from llmctl.model.trace import Trace
from llmctl.net.sse import EventParser, frame
from llmctl.providers.anthropic_stream import AnthropicStream
from llmctl.server.anthropic import AnthropicDialect

EVENT: TypeAdapter[Any] = TypeAdapter(RawMessageStreamEvent)
USAGE = {"prompt_tokens": 30, "completion_tokens": 9, "prompt_tokens_details": {"cached_tokens": 20}}
Json = dict[str, Any]


def exchange() -> Exchange:
    trace = Trace("0" * 32, "0" * 16)
    return Exchange("x1", "chat", "anthropic", {}, None, trace, 0.0, 1.7e9, 9.0, requested_model="claude")


def chunk(delta: Json, finish: str | None = None, **more: Any) -> Chunk:
    choice = {"index": 0, "delta": delta, "finish_reason": finish, **more}
    return chat.chunk(encode({"id": "c1", "model": "served", "choices": [choice]}))


def usage_chunk() -> Chunk:
    return chat.chunk(encode({"id": "c1", "model": "served", "choices": [], "usage": USAGE}))


def read_by_sdk(data: bytes) -> Message:
    """What Anthropic's own client makes of the stream."""

    def respond(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, headers={"content-type": "text/event-stream"}, content=data)

    with (
        httpx2.Client(transport=httpx2.MockTransport(respond)) as http,
        anthropic.Anthropic(api_key="k", http_client=http, max_retries=0) as client,
        client.messages.stream(model="m", max_tokens=1, messages=[{"role": "user", "content": "a"}]) as stream,
    ):
        return stream.get_final_message()


def events_of(data: bytes) -> list[Json]:
    found = [msgspec.json.decode(event.data) for event in EventParser().feed(data)]
    assert [event["type"] for event in found] == [event.name for event in EventParser().feed(data)]
    for event in found:
        EVENT.validate_python(event)
    return found


def encoded(chunks: list[Chunk]) -> bytes:
    encoder = AnthropicDialect().encoder(exchange())
    return b"".join(encoder.feed([item]) for item in chunks) + encoder.finish()


words = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=1, max_size=8)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("text"), words),
        st.tuples(st.just("think"), words),
        st.tuples(st.just("refusal"), words),
        st.tuples(st.just("call"), st.integers(0, 2)),
        st.tuples(st.just("empty"), st.none()),
    ),
    max_size=12,
)


def chunks_of(plan: list[tuple[str, Any]]) -> tuple[list[Chunk], Json]:
    """Chunks for a plan, and the whole message they say. Calls' fragments may come in any order."""
    whole: Json = {"text": "", "thinking": "", "calls": {}}
    counts = {number: sum(step == ("call", number) for step in plan) for number in range(3)}
    left: dict[int, list[str]] = {}
    chunks: list[Chunk] = []
    for kind, value in plan:
        if kind == "text":
            whole["text"] += value
            chunks.append(chunk({"content": value}))
        elif kind == "refusal":
            whole["text"] += value
            chunks.append(chunk({"refusal": value}))
        elif kind == "think":
            whole["thinking"] += value
            chunks.append(chunk({"reasoning_content": value}))
        elif kind == "empty":
            chunks.append(chunk({"content": "", "role": "assistant"}))
        else:
            call: Json = {"index": value}
            if value not in left:
                text, count = encode({"number": value, "text": "é" * value}).decode(), counts[value]
                left[value] = [text[at * len(text) // count : (at + 1) * len(text) // count] for at in range(count)]
                whole["calls"][f"id{value}"] = (f"f{value}", {"number": value, "text": "é" * value})
                call |= {"id": f"id{value}", "type": "function", "function": {"name": f"f{value}"}}
            call.setdefault("function", {})["arguments"] = left[value].pop(0)
            chunks.append(chunk({"tool_calls": [call]}))
    return chunks, whole


def said(message: Message) -> Json:
    found: Json = {"text": "", "thinking": "", "calls": {}}
    for block in message.content:
        if block.type == "text":
            found["text"] += block.text
        elif block.type == "thinking":
            found["thinking"] += block.thinking
        elif block.type == "tool_use":
            found["calls"][block.id] = (block.name, block.input)
    return found


@settings(max_examples=60, deadline=None)
@given(steps, st.sampled_from(["stop", "length", "tool_calls"]))
def test_the_official_client_reads_any_stream(plan: list[tuple[str, Any]], finish: str) -> None:
    chunks, whole = chunks_of(plan)
    data = encoded([*chunks, chunk({}, finish), usage_chunk()])
    events = events_of(data)
    message = read_by_sdk(data)
    assert said(message) == whole
    assert message.stop_reason == {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use"}[finish]
    counts = message.usage
    assert (counts.input_tokens, counts.cache_read_input_tokens, counts.output_tokens) == (10, 20, 9)
    started = [event["index"] for event in events if event["type"] == "content_block_start"]
    stopped = [event["index"] for event in events if event["type"] == "content_block_stop"]
    assert started == stopped == list(range(len(message.content)))


def test_events_in_order() -> None:
    call = {"index": 0, "id": "t1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    thinking = {"thinking_blocks": [{"index": 0, "type": "thinking", "thinking": "hm", "signature": "s"}]}
    redacted = {"thinking_blocks": [{"index": 1, "type": "redacted_thinking", "data": "xx"}]}
    chunks = [chunk({"role": "assistant"}), chunk({"reasoning_content": "hm"}), chunk(thinking), chunk(redacted)]
    chunks += [chunk({"content": "a"}), chunk({"tool_calls": [call]}), chunk({}, "tool_calls"), usage_chunk()]
    events = events_of(encoded(chunks))
    assert [(event["type"], event.get("index")) for event in events] == [
        ("message_start", None),
        ("content_block_start", 0),
        ("content_block_delta", 0),
        ("content_block_delta", 0),
        ("content_block_stop", 0),
        ("content_block_start", 1),
        ("content_block_stop", 1),
        ("content_block_start", 2),
        ("content_block_delta", 2),
        ("content_block_stop", 2),
        ("content_block_start", 3),
        ("content_block_delta", 3),
        ("content_block_stop", 3),
        ("message_delta", None),
        ("message_stop", None),
    ]
    assert events[3]["delta"] == {"type": "signature_delta", "signature": "s"}
    assert events[5]["content_block"] == {"type": "redacted_thinking", "data": "xx"}


def test_a_stream_of_anthropic_s_comes_back_as_it_was() -> None:
    start: Json = {"id": "m", "type": "message", "role": "assistant", "model": "claude", "content": []}
    start |= {"stop_reason": None, "stop_sequence": None, "usage": {"input_tokens": 5, "output_tokens": 1}}
    delta = {"stop_reason": "stop_sequence", "stop_sequence": "X"}
    used = {"type": "tool_use", "id": "t", "name": "f", "input": {}, "caller": {"type": "direct"}}
    sent: list[Json] = [
        {"type": "message_start", "message": start},
        {
            "type": "content_block_start",
            "index": 0,
            "content_block": {"type": "thinking", "thinking": "", "signature": ""},
        },
        {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "hm"}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", "signature": "s"}},
        {"type": "content_block_stop", "index": 0},
        {"type": "content_block_start", "index": 1, "content_block": used},
        {"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": '{"a":1}'}},
        {"type": "content_block_stop", "index": 1},
        {"type": "content_block_start", "index": 2, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 2, "delta": {"type": "text_delta", "text": "é"}},
        {"type": "content_block_stop", "index": 2},
        {"type": "message_delta", "delta": delta, "usage": {"output_tokens": 9}},
        {"type": "message_stop"},
    ]
    decoder = AnthropicStream("p", "claude")
    chunks = decoder.feed(b"".join(frame(encode(event), event["type"]) for event in sent))
    events = events_of(encoded(chunks))
    assert [event["type"] for event in events] == [event["type"] for event in sent]
    assert events[1:-2] == sent[1:-2]
    assert events[-2]["delta"] == delta
    assert (events[-2]["usage"]["input_tokens"], events[-2]["usage"]["output_tokens"]) == (5, 9)


def test_an_empty_stream_is_a_message() -> None:
    assert said(read_by_sdk(encoded([]))) == {"text": "", "thinking": "", "calls": {}}


def test_other_choices_are_left_out() -> None:
    other = chat.chunk(encode({"choices": [{"index": 1, "delta": {"content": "other"}}]}))
    assert said(read_by_sdk(encoded([chunk({"content": "a"}), other])))["text"] == "a"


def test_a_broken_stream_is_an_error_to_the_client() -> None:
    encoder = AnthropicDialect().encoder(exchange())
    data = encoder.feed([chunk({"content": "a"})]) + encoder.error(UpstreamLost("gone"), "r1")
    with pytest.raises(anthropic.APIStatusError, match="gone"):
        read_by_sdk(data)
