from typing import Any

import httpx2
import msgspec
import openai
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from llmctl.errors import UpstreamLost, UpstreamStatus
from llmctl.model import chat
from llmctl.model.chat import Chunk
from llmctl.model.exchange import Exchange
from llmctl.model.json import encode
from llmctl.model.trace import Trace
from llmctl.net.sse import EventParser
from llmctl.server.responses import ResponsesDialect

EVENT: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
USAGE = {"prompt_tokens": 30, "completion_tokens": 9, "prompt_tokens_details": {"cached_tokens": 20}}
Json = dict[str, Any]


def exchange() -> Exchange:
    trace = Trace("0" * 32, "0" * 16)
    return Exchange("x1", "chat", "responses", {}, None, trace, 0.0, 1.7e9, 9.0, requested_model="m")


def chunk(delta: Json, finish: str | None = None) -> Chunk:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return chat.chunk(encode({"id": "c1", "model": "served", "choices": [choice]}))


def usage_chunk() -> Chunk:
    return chat.chunk(encode({"id": "c1", "model": "served", "choices": [], "usage": USAGE}))


def read_by_sdk(data: bytes) -> tuple[Response, list[Any]]:
    """What OpenAI's own client makes of the stream: the final response and every event it hands out."""

    def respond(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, headers={"content-type": "text/event-stream"}, content=data)

    with (
        httpx2.Client(transport=httpx2.MockTransport(respond)) as http,
        openai.OpenAI(api_key="k", http_client=http, max_retries=0) as client,
        client.responses.stream(model="m", input="a") as stream,
    ):
        events = list(stream)
        return events[-1].response, events  # type: ignore[union-attr]


def events_of(data: bytes) -> list[Json]:
    frames = EventParser().feed(data)
    found = [msgspec.json.decode(event.data) for event in frames]
    assert [event["type"] for event in found] == [event.name for event in frames]
    assert [event["sequence_number"] for event in found] == list(range(len(found)))
    for event in found:
        EVENT.validate_python(event)
    return found


def encoded(chunks: list[Chunk]) -> bytes:
    encoder = ResponsesDialect().encoder(exchange())
    return b"".join(encoder.feed([item]) for item in chunks) + encoder.finish()


words = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=1, max_size=8)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("content"), words),
        st.tuples(st.just("reasoning_content"), words),
        st.tuples(st.just("refusal"), words),
        st.tuples(st.just("call"), st.integers(0, 2)),
    ),
    max_size=12,
)


def chunks_of(plan: list[tuple[str, Any]]) -> tuple[list[Chunk], Json]:
    """Chunks for a plan, and what they say. Calls' fragments may come in any order."""
    whole: Json = {"content": "", "reasoning_content": "", "refusal": "", "calls": {}}
    chunks: list[Chunk] = []
    for position, (kind, value) in enumerate(plan):
        if kind != "call":
            whole[kind] += value
            chunks.append(chunk({kind: value}))
            continue
        function: Json = {"arguments": f"<{position}>"}
        call: Json = {"index": value, "function": function}
        if f"id{value}" not in whole["calls"]:
            whole["calls"][f"id{value}"] = [f"f{value}", ""]
            call |= {"id": f"id{value}", "type": "function"}
            function["name"] = f"f{value}"
        whole["calls"][f"id{value}"][1] += function["arguments"]
        chunks.append(chunk({"tool_calls": [call]}))
    return chunks, whole


def said(items: list[Any]) -> Json:
    found: Json = {"content": "", "reasoning_content": "", "refusal": "", "calls": {}}
    for item in items:
        if item.type == "message":
            for part in item.content:
                found["content" if part.type == "output_text" else "refusal"] += (
                    part.text if part.type == "output_text" else part.refusal
                )
        elif item.type == "reasoning":
            found["reasoning_content"] += "".join(summary.text for summary in item.summary)
        elif item.type == "function_call":
            found["calls"][item.call_id] = [item.name, item.arguments]
    return found


@settings(max_examples=60, deadline=None)
@given(steps, st.sampled_from(["stop", "length", "tool_calls"]))
def test_the_official_client_reads_any_stream(plan: list[tuple[str, Any]], finish: str) -> None:
    chunks, whole = chunks_of(plan)
    data = encoded([*chunks, chunk({}, finish), usage_chunk()])
    events = events_of(data)
    final, handed_out = read_by_sdk(data)
    assert said(final.output) == whole
    done = {event.output_index: event.item for event in handed_out if event.type == "response.output_item.done"}
    assert said([done[index] for index in sorted(done)]) == whole
    texts = [event["delta"] for event in events if event["type"] == "response.output_text.delta"]
    assert "".join(texts) == whole["content"] == final.output_text
    assert final.status == ("incomplete" if finish == "length" else "completed")
    assert final.usage is not None
    counts = final.usage
    assert (counts.input_tokens, counts.output_tokens, counts.total_tokens) == (30, 9, 39)
    assert counts.input_tokens_details.cached_tokens == 20


def test_events_in_order() -> None:
    call = {"index": 0, "id": "t1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    chunks = [chunk({"role": "assistant", "content": ""}), chunk({"reasoning_content": "hm"}), chunk({"content": "a"})]
    chunks += [chunk({"content": "b"}), chunk({"tool_calls": [call]}), chunk({}, "tool_calls"), usage_chunk()]
    events = events_of(encoded(chunks))
    assert [event["type"].removeprefix("response.") for event in events] == [
        "created",
        "in_progress",
        "output_item.added",
        "reasoning_summary_part.added",
        "reasoning_summary_text.delta",
        "reasoning_summary_text.done",
        "reasoning_summary_part.done",
        "output_item.done",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "output_item.added",
        "function_call_arguments.delta",
        "function_call_arguments.done",
        "output_item.done",
        "completed",
    ]
    assert [event["output_index"] for event in events if "output_index" in event] == [0] * 6 + [1] * 7 + [2] * 4
    assert events[12]["text"] == "ab"


def test_the_streamed_response_is_the_whole_one() -> None:
    call = {"id": "t1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}
    message = {"role": "assistant", "reasoning_content": "hm", "content": "text", "tool_calls": [call]}
    body = {"choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}], "usage": USAGE}
    whole = ResponsesDialect().answer(exchange(), chat.answer(encode({"id": "c1", "model": "served", **body})))
    chunks = [chunk({"reasoning_content": "hm"}), chunk({"content": "te"}), chunk({"content": "xt"})]
    chunks += [chunk({"tool_calls": [{"index": 0, **call}]}), chunk({}, "tool_calls"), usage_chunk()]
    assert events_of(encoded(chunks))[-1]["response"] == msgspec.json.decode(whole)


def test_an_empty_stream_is_a_response() -> None:
    assert read_by_sdk(encoded([]))[0].output == []


def test_a_stream_that_ran_out_of_tokens() -> None:
    events = events_of(encoded([chunk({"content": "a"}, "length")]))
    last = events[-1]
    assert last["type"] == "response.incomplete"
    assert last["response"]["incomplete_details"] == {"reason": "max_output_tokens"}
    assert events[-2]["item"]["status"] == last["response"]["output"][0]["status"] == "incomplete"


def test_a_broken_stream_fails_and_says_what_there_was() -> None:
    encoder = ResponsesDialect().encoder(exchange())
    data = encoder.feed([chunk({"content": "a"})]) + encoder.error(UpstreamLost("gone"), "r1")
    last = events_of(data)[-1]
    assert last["type"] == "response.failed"
    assert last["response"]["error"] == {"code": "server_error", "message": "gone"}
    assert last["response"]["status"] == "failed"
    assert last["response"]["output"][0]["content"][0]["text"] == "a"
    limited = ResponsesDialect().encoder(exchange()).error(UpstreamStatus("slow", status=429), "r1")
    assert events_of(limited)[-1]["response"]["error"]["code"] == "rate_limit_exceeded"
