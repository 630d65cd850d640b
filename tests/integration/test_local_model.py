"""configs/gateway.yaml as it ships, with the real local model behind it, asked by the official clients."""

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anthropic
import httpx
import openai
import pytest
from anthropic import Anthropic
from openai import OpenAI

from llmctl.telemetry.reader import RecordReader
from llmctl.testing.process import Served, serve

SHIPPED = Path(__file__).resolve().parents[2] / "configs" / "gateway.yaml"
MODEL = "smollm2-135m"
MESSAGES: Any = [{"role": "user", "content": "What is the capital of France?"}]
WEATHER = {
    "name": "weather",
    "description": "The weather in a city",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
TOOLS: Any = [{"type": "function", "function": WEATHER}]
LOADS_WITHIN = 60.0


def ready(served: Served) -> dict[str, Any]:
    """What /readyz says."""
    answer = httpx.get(f"{served.url}/readyz")
    state: dict[str, Any] = answer.json()
    assert answer.status_code == (200 if state["ready"] else 503)
    return state


def wait_ready(served: Served, within: float) -> None:
    give_up = time.monotonic() + within
    while not (state := ready(served))["ready"]:
        assert time.monotonic() < give_up, state
        time.sleep(0.02)


def descendants(pid: int) -> list[int]:
    children = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return children + [below for child in children for below in descendants(child)]


def model_process(served: Served) -> int:
    """The process that holds the model."""
    for pid in descendants(served.process.pid):
        if b"local_child" in Path(f"/proc/{pid}/cmdline").read_bytes():
            return pid
    raise AssertionError("no model process")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serve(SHIPPED.read_text(), tmp_path_factory.mktemp("local")) as running:
        wait_ready(running, LOADS_WITHIN)
        yield running
        assert not running.events("bug")


@pytest.fixture
def oai(served: Served) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{served.url}/v1", api_key="none is needed", max_retries=0, timeout=60) as client:
        yield client


@pytest.fixture
def ant(served: Served) -> Iterator[Anthropic]:
    with Anthropic(base_url=served.url, api_key="none is needed", max_retries=0, timeout=60) as client:
        yield client


def ask(client: OpenAI, **options: Any) -> Any:
    settings = {"model": MODEL, "messages": MESSAGES, "max_tokens": 12, "temperature": 0, **options}
    return client.chat.completions.create(**settings)


def test_chat_whole_and_streamed(oai: OpenAI) -> None:
    whole = ask(oai)
    assert whole.choices[0].message.content
    assert whole.usage.prompt_tokens > 5
    chunks = list(ask(oai, stream=True, stream_options={"include_usage": True}))
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == whole.choices[0].message.content
    assert chunks[-1].usage.completion_tokens == whole.usage.completion_tokens
    assert sum(1 for chunk in chunks if chunk.choices and chunk.choices[0].delta.content) > 2  # token by token


def test_completions(oai: OpenAI) -> None:
    options: Any = {"model": MODEL, "prompt": "The capital of France is", "max_tokens": 5, "temperature": 0}
    whole = oai.completions.create(**options)
    assert "Paris" in whole.choices[0].text
    streamed = "".join(chunk.choices[0].text for chunk in oai.completions.create(**options, stream=True))
    assert streamed == whole.choices[0].text


@pytest.mark.parametrize("stream", [False, True])
def test_a_request_with_tools_is_answered(oai: OpenAI, stream: bool) -> None:
    options: Any = {"model": MODEL, "messages": MESSAGES, "max_tokens": 24, "temperature": 0, "tools": TOOLS}
    if stream:
        with oai.chat.completions.stream(**options) as running:
            message: Any = running.get_final_completion().choices[0].message
    else:
        message = oai.chat.completions.create(**options).choices[0].message
    assert message.content or message.tool_calls  # so small a model may well not call


@pytest.mark.parametrize("stream", [False, True])
def test_a_tool_that_must_be_called_is_called(oai: OpenAI, stream: bool) -> None:
    asked: Any = [{"role": "user", "content": "What is the weather in Paris?"}]
    options: Any = {"model": MODEL, "messages": asked, "max_tokens": 48, "temperature": 0, "tools": TOOLS}
    if stream:
        with oai.chat.completions.stream(**options, tool_choice="required") as running:
            message: Any = running.get_final_completion().choices[0].message
    else:
        message = oai.chat.completions.create(**options, tool_choice="required").choices[0].message
    (call,) = message.tool_calls
    assert call.function.name == "weather"
    assert isinstance(json.loads(call.function.arguments)["city"], str)
    results = [{"role": "tool", "tool_call_id": call.id, "content": '{"celsius": 21}'}]
    assert ask(oai, messages=[*asked, message, *results]).choices[0].message.content


def test_json_mode(oai: OpenAI) -> None:
    shape = {
        "name": "place",
        "schema": {
            "type": "object",
            "properties": {"capital": {"type": "string", "maxLength": 20}},
            "required": ["capital"],
            "additionalProperties": False,
        },
    }
    held = ask(oai, max_tokens=40, response_format={"type": "json_schema", "json_schema": shape})
    assert set(json.loads(held.choices[0].message.content)) == {"capital"}


def test_embeddings(oai: OpenAI) -> None:
    answer = oai.embeddings.create(model=MODEL, input=["A cat sat on a mat.", "A cat is on a mat.", "Stocks fell."])
    same, near, far = (item.embedding for item in answer.data)
    assert len(same) == 576
    assert sum(a * b for a, b in zip(same, near, strict=True)) > sum(a * b for a, b in zip(same, far, strict=True))
    assert answer.usage.prompt_tokens > 10


def test_responses(oai: OpenAI) -> None:
    options: Any = {"model": MODEL, "input": "Say hi.", "temperature": 0, "max_output_tokens": 16}
    whole = oai.responses.create(**options)
    assert whole.output_text
    events = list(oai.responses.create(**options, stream=True))
    assert "".join(event.delta for event in events if event.type == "response.output_text.delta") == whole.output_text
    assert events[-1].type == f"response.{whole.status}"


def test_messages_whole_and_streamed(ant: Anthropic) -> None:
    more = {"temperature": 0}
    options: Any = {"model": MODEL, "max_tokens": 12, "messages": MESSAGES, "extra_body": more}
    whole: Any = ant.messages.create(**options, system="Answer briefly.")
    assert whole.content[0].text
    assert whole.usage.output_tokens > 0
    with ant.messages.stream(**options, system="Answer briefly.") as running:
        text = "".join(running.text_stream)
        streamed = running.get_final_message()
    assert text == whole.content[0].text
    assert streamed.usage.output_tokens == whole.usage.output_tokens
    assert streamed.stop_reason == whole.stop_reason


def test_messages_with_tools(ant: Anthropic) -> None:
    tool: Any = {"name": "weather", "description": WEATHER["description"], "input_schema": WEATHER["parameters"]}
    asked: Any = [{"role": "user", "content": "What is the weather in Paris?"}]
    options: Any = {"model": MODEL, "max_tokens": 48, "extra_body": {"temperature": 0}, "tools": [tool]}
    answer: Any = ant.messages.create(**options, messages=asked, tool_choice={"type": "any"})
    assert answer.stop_reason == "tool_use"
    call = answer.content[-1]
    assert (call.name, isinstance(call.input["city"], str)) == ("weather", True)
    result = {"type": "tool_result", "tool_use_id": call.id, "content": "21 degrees"}
    history = [*asked, {"role": "assistant", "content": answer.content}, {"role": "user", "content": [result]}]
    second: Any = ant.messages.create(**options, messages=history)
    assert second.content


def words(count: int) -> str:
    """Nothing that repeats itself: that would be refused before the model sees it."""
    return " ".join(f"{one:x}" for one in range(1000, 1000 + count))


def test_too_long_is_the_clients_mistake(oai: OpenAI, ant: Anthropic) -> None:
    with pytest.raises(openai.BadRequestError):
        ask(oai, messages=[{"role": "user", "content": words(9000)}])
    with pytest.raises(openai.BadRequestError, match="embedding_tokens"):
        oai.embeddings.create(model=MODEL, input=words(4000))
    with pytest.raises(anthropic.BadRequestError):
        ant.messages.create(model=MODEL, max_tokens=5, messages=[{"role": "user", "content": words(9000)}])


def test_a_killed_model_is_back_within_ten_seconds(served: Served, oai: OpenAI) -> None:
    stream = ask(oai, max_tokens=400, stream=True, messages=[{"role": "user", "content": "Tell a long story."}])
    next(stream)
    os.kill(model_process(served), signal.SIGKILL)
    killed = time.monotonic()
    with pytest.raises(openai.APIError):
        list(stream)
    state = ready(served)
    assert not state["ready"]
    assert "local model" in state["reasons"]["local"]
    with pytest.raises(openai.InternalServerError) as caught:
        ask(oai)
    assert caught.value.status_code == 503
    assert int(caught.value.response.headers["retry-after"]) >= 1
    patient = oai.with_options(max_retries=10)  # follows retry-after
    assert ask(patient).choices[0].message.content
    assert time.monotonic() - killed < 10
    assert ready(served)["ready"]


def test_the_records_tell_it_all(served: Served) -> None:
    assert served.stop() == 0
    records = list(RecordReader(served.folder / ".llmctl" / "records").read())
    assert {record.requested_model for record in records} == {MODEL}
    assert {record.state for record in records} == {"ok", "failed"}
    failed = [record.failure.code for record in records if record.failure is not None]
    assert {"unavailable", "upstream_connection_lost"} <= set(failed)
    for record in records:
        if record.state == "ok":
            assert record.usage.source == "provider"
            assert record.usage.input + record.usage.cached_read > 0
