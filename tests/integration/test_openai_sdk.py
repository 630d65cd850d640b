"""The official `openai` package against `llmctl serve`: chat, streams, tools, completions, embeddings, models."""

import json
import re
from typing import Any

import pytest
from openai import OpenAI
from openai.types.chat import ChatCompletionMessageParam

from tests.integration.conftest import Trail, World
from tests.integration.upstreams import TEXT

MESSAGES: list[ChatCompletionMessageParam] = [{"role": "user", "content": "What is it?"}]
TOOLS: Any = [
    {
        "type": "function",
        "function": {
            "name": "weather",
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}, "unit": {"type": "string"}}},
        },
    }
]
PNG = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk"
BOTH = pytest.mark.parametrize("model", ["plain", "mem"])
BOTH_TOOLS = pytest.mark.parametrize("model", ["tools", "mem-tools"])


@BOTH
def test_chat(oai: OpenAI, trail: Trail, model: str) -> None:
    answer = oai.chat.completions.create(model=model, messages=MESSAGES)
    assert answer.choices[0].message.content == TEXT
    assert answer.choices[0].finish_reason == "stop"
    assert answer._request_id == trail.id
    assert answer.usage is not None
    record = trail.record()
    assert (record.state, record.http_status, record.stream) == ("ok", 200, False)
    assert (record.tenant, record.dialect, record.operation) == ("acme", "openai", "chat")
    assert (record.usage.input, record.usage.completion) == (answer.usage.prompt_tokens, answer.usage.completion_tokens)
    assert record.finish_reason == "stop"


@BOTH
def test_a_stream(oai: OpenAI, trail: Trail, model: str) -> None:
    with oai.chat.completions.create(model=model, messages=MESSAGES, stream=True) as stream:
        chunks = list(stream)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == TEXT
    assert chunks[0].choices[0].delta.role == "assistant"
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices[0].finish_reason] == ["stop"]
    assert all(chunk.usage is None for chunk in chunks)  # it was not asked for
    record = trail.record()
    assert (record.state, record.stream, record.usage.completion) == ("ok", True, len(TEXT.split()))
    assert record.ttft_us is not None


@BOTH
def test_a_stream_with_usage(oai: OpenAI, trail: Trail, model: str) -> None:
    options: Any = {"include_usage": True}
    stream = oai.chat.completions.create(model=model, messages=MESSAGES, stream=True, stream_options=options)
    chunks = list(stream)
    counted = [chunk for chunk in chunks if chunk.usage is not None]
    assert counted == chunks[-1:]
    assert counted[0].choices == []
    assert counted[0].usage is not None
    assert counted[0].usage.completion_tokens == trail.record().usage.completion


@BOTH
@pytest.mark.parametrize("stream", [False, True])
def test_several_choices(oai: OpenAI, trail: Trail, model: str, stream: bool) -> None:
    texts = {0: "", 1: ""}
    if stream:
        for chunk in oai.chat.completions.create(model=model, messages=MESSAGES, n=2, stream=True):
            for choice in chunk.choices:
                texts[choice.index] += choice.delta.content or ""
    else:
        answer = oai.chat.completions.create(model=model, messages=MESSAGES, n=2)
        texts = {choice.index: choice.message.content or "" for choice in answer.choices}
    assert texts == {0: TEXT, 1: TEXT}
    record = trail.record()
    assert (record.state, record.usage.completion) == ("ok", 2 * len(TEXT.split()))


@BOTH_TOOLS
def test_a_round_of_tools(oai: OpenAI, world: World, trail: Trail, model: str) -> None:
    first = oai.chat.completions.create(model=model, messages=MESSAGES, tools=TOOLS)
    assert first.choices[0].finish_reason == "tool_calls"
    calls = first.choices[0].message.tool_calls
    assert calls is not None
    made = [(call.function.name, json.loads(call.function.arguments)) for call in calls if call.type == "function"]
    assert made == [("weather", {"city": "Oslo", "unit": "°C"}), ("weather", {"city": "Rome"})]
    history: Any = [*MESSAGES, first.choices[0].message]
    history += [{"role": "tool", "tool_call_id": call.id, "content": "21"} for call in calls]
    second = oai.chat.completions.create(model=model, messages=history, tools=TOOLS)
    assert second.choices[0].message.content == "It is 21 degrees."
    assert [record.finish_reason for record in trail.records(2)] == ["tool_calls", "stop"]
    if model == "tools":
        sent = world.scripted.request()["messages"]
        assert [message["role"] for message in sent] == ["user", "assistant", "tool", "tool"]
        assert sent[1]["tool_calls"][0]["id"] == sent[2]["tool_call_id"] == calls[0].id


@BOTH_TOOLS
def test_tools_in_a_stream(oai: OpenAI, trail: Trail, model: str) -> None:
    with oai.chat.completions.stream(model=model, messages=MESSAGES, tools=TOOLS) as stream:
        kinds = {event.type for event in stream}
        answer = stream.get_final_completion()
    assert {"tool_calls.function.arguments.delta", "tool_calls.function.arguments.done"} <= kinds
    calls = answer.choices[0].message.tool_calls
    assert calls is not None
    assert [json.loads(call.function.arguments)["city"] for call in calls] == ["Oslo", "Rome"]
    assert len({call.id for call in calls}) == 2
    assert answer.choices[0].finish_reason == "tool_calls"
    assert trail.record().state == "ok"


@BOTH
def test_the_stream_helper(oai: OpenAI, trail: Trail, model: str) -> None:
    with oai.chat.completions.stream(model=model, messages=MESSAGES, stream_options={"include_usage": True}) as stream:
        deltas = [event.delta for event in stream if event.type == "content.delta"]
        answer = stream.get_final_completion()
    assert "".join(deltas) == answer.choices[0].message.content == TEXT
    assert answer.usage is not None
    assert trail.record().state == "ok"


@BOTH
def test_completions(oai: OpenAI, trail: Trail, model: str) -> None:
    whole = oai.completions.create(model=model, prompt="What is it?")
    assert whole.choices[0].text == TEXT
    stream = oai.completions.create(model=model, prompt="What is it?", stream=True)
    assert "".join(chunk.choices[0].text for chunk in stream) == TEXT
    for record in trail.records(2):
        assert (record.state, record.operation) == ("ok", "completion")
        assert record.usage.completion == len(TEXT.split())


@BOTH
def test_embeddings(oai: OpenAI, trail: Trail, model: str) -> None:
    packed = oai.embeddings.create(model=model, input=["a cat", "a dog"])  # the client asks for base64 by itself
    plain = oai.embeddings.create(model=model, input=["a cat", "a dog"], encoding_format="float")
    for one, other in zip(packed.data, plain.data, strict=True):
        assert len(one.embedding) == 64
        assert one.embedding == pytest.approx(other.embedding)
    small = oai.embeddings.create(model=model, input="a cat", dimensions=8)
    assert len(small.data[0].embedding) == 8
    assert [record.usage.input for record in trail.records(3)] == [4, 4, 2]
    assert {(record.state, record.operation) for record in trail.records(3)} == {("ok", "embedding")}


def test_models(oai: OpenAI, world: World) -> None:
    names = [model.id for model in oai.models.list()]
    assert {"plain", "mem", "claude", "gemini"} <= set(names)
    assert oai.models.retrieve("plain").id == "plain"
    with world.openai("narrow") as narrow:
        assert [model.id for model in narrow.models.list()] == ["plain"]


def test_headers_of_answers(oai: OpenAI, world: World, trail: Trail) -> None:
    raw = oai.chat.completions.with_raw_response.create(model="plain", messages=MESSAGES)
    assert raw.parse().choices[0].message.content == TEXT
    assert raw.headers["x-llmctl-request-id"] == raw.headers["x-request-id"] == trail.id
    assert raw.headers["x-llmctl-model"] == "plain"
    assert raw.headers["x-llmctl-attempts"] == "1"
    assert re.fullmatch(r"\d+\.\d{3}", raw.headers["x-llmctl-overhead-ms"])
    assert raw.headers["x-llmctl-policy"] == trail.record().policy != ""
    sent = world.scripted.headers()
    assert sent["authorization"] == "Bearer sk-up"
    assert sent["x-request-id"] == trail.id
    assert world.keys["full"] not in str(sent)


def test_headers_of_streams(oai: OpenAI, trail: Trail) -> None:
    with oai.chat.completions.with_streaming_response.create(model="mem", messages=MESSAGES, stream=True) as raw:
        assert raw.headers["x-llmctl-request-id"] == trail.id
        assert raw.headers["content-type"].startswith("text/event-stream")
        assert sum(1 for _ in raw.parse()) > 3
    assert trail.record().state == "ok"


def test_what_the_gateway_does_not_know_arrives_upstream_untouched(oai: OpenAI, world: World, trail: Trail) -> None:
    image: Any = {"type": "image_url", "image_url": {"url": PNG, "detail": "low", "x": {"é": [1.5, None]}}}
    audio: Any = {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}
    content = [{"type": "text", "text": "what? 🦙", "cache_control": {"type": "ephemeral"}}, image, audio]
    more = {"top_k": 5, "guided": {"regex": "\\d+", "on": True}, "ratio": 1e-7, "big": 2**60, "none": None}
    messages: Any = [{"role": "user", "name": "bob", "content": content}]
    oai.chat.completions.create(model="plain", messages=messages, seed=7, logit_bias={"5": -100}, extra_body=more)
    expected = {"model": "plain-upstream", "messages": messages, "seed": 7, "logit_bias": {"5": -100}, **more}
    assert world.scripted.request() == expected
    assert trail.record().state == "ok"


def test_a_body_in_which_nothing_changes_arrives_byte_for_byte(world: World, trail: Trail) -> None:
    body = b'{ "model":"echo" ,"messages":[{"role":"user","content":"\\u00e9 \\ud83e\\udd99"}],"x":1.0, "y":1e5 }'
    with world.openai(default_headers={"x-request-id": trail.id}) as client:
        raw = client.post("/chat/completions", content=body, cast_to=object)
    assert raw is not None
    assert world.scripted.server.requests[-1].body == body


@pytest.mark.parametrize("model", ["plain", "no-usage"])
def test_usage_is_asked_for_upstream_though_the_client_did_not(oai: OpenAI, world: World, model: str) -> None:
    list(oai.chat.completions.create(model=model, messages=MESSAGES, stream=True))
    assert world.scripted.request()["stream_options"] == {"include_usage": True}


def test_a_client_that_leaves_a_stream(oai: OpenAI, world: World, trail: Trail) -> None:
    stream = oai.chat.completions.create(model="slow", messages=MESSAGES, stream=True)
    next(stream)
    stream.close()
    record = trail.record()
    assert (record.state, record.http_status) == ("aborted", 200)
    assert record.failure is not None
    assert record.failure.code == "client_closed_request"
    assert world.scripted.server.requests[-1].outcome == "dropped"
