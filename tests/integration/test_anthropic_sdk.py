"""The official `anthropic` package against `llmctl serve`: messages, streams, tools, errors."""

import time
from typing import Any

import anthropic
import pytest
from anthropic import Anthropic

from tests.integration.conftest import Trail, World
from tests.integration.test_openai_errors import CAME
from tests.integration.upstreams import MIDWAY, TEXT, THOUGHT

MESSAGES: Any = [{"role": "user", "content": "What is it?"}]
TOOLS: Any = [{"name": "weather", "description": "Weather.", "input_schema": {"type": "object", "properties": {}}}]
EVERY = pytest.mark.parametrize("model", ["plain", "mem", "claude", "gemini"])
OSLO = {"city": "Oslo", "unit": "°C"}


def ask(client: Anthropic, model: str = "plain", **options: Any) -> Any:
    return client.messages.create(model=model, max_tokens=99, messages=options.pop("messages", MESSAGES), **options)


@EVERY
def test_a_message(ant: Anthropic, trail: Trail, model: str) -> None:
    answer = ask(ant, model)
    assert [block.text for block in answer.content] == [TEXT]
    assert (answer.role, answer.type, answer.stop_reason) == ("assistant", "message", "end_turn")
    record = trail.record()
    assert (record.state, record.dialect, record.http_status) == ("ok", "anthropic", 200)
    assert answer.usage.output_tokens == record.usage.completion > 0
    assert answer.usage.input_tokens == record.usage.input
    assert (answer.usage.cache_read_input_tokens or 0) == record.usage.cached_read


@EVERY
def test_a_stream(ant: Anthropic, trail: Trail, model: str) -> None:
    with ant.messages.stream(model=model, max_tokens=99, messages=MESSAGES) as stream:
        text = "".join(stream.text_stream)
        answer = stream.get_final_message()
    assert text == TEXT
    assert [block.text for block in answer.content if block.type == "text"] == [TEXT]
    assert answer.stop_reason == "end_turn"
    record = trail.record()
    assert (record.state, record.stream) == ("ok", True)
    assert answer.usage.output_tokens == record.usage.completion > 0
    assert answer.usage.input_tokens == record.usage.input


@EVERY
def test_raw_events_are_in_order(ant: Anthropic, model: str) -> None:
    kinds = [event.type for event in ask(ant, model, stream=True)]
    assert kinds[:2] == ["message_start", "content_block_start"]
    assert kinds[-3:] == ["content_block_stop", "message_delta", "message_stop"]
    assert set(kinds[2:-3]) == {"content_block_delta"}


@pytest.mark.parametrize("model", ["tools", "mem-tools", "claude"])
@pytest.mark.parametrize("stream", [False, True])
def test_a_round_of_tools(ant: Anthropic, world: World, trail: Trail, model: str, stream: bool) -> None:
    if stream:
        with ant.messages.stream(model=model, max_tokens=99, messages=MESSAGES, tools=TOOLS) as running:
            first: Any = running.get_final_message()
    else:
        first = ask(ant, model, tools=TOOLS)
    assert first.stop_reason == "tool_use"
    calls = [block for block in first.content if block.type == "tool_use"]
    expected = [OSLO] if model == "claude" else [OSLO, {"city": "Rome"}]
    assert [(call.name, call.input) for call in calls] == [("weather", given) for given in expected]
    results = [{"type": "tool_result", "tool_use_id": call.id, "content": "21"} for call in calls]
    history = [*MESSAGES, {"role": "assistant", "content": first.content}, {"role": "user", "content": results}]
    second = ask(ant, model, messages=history, tools=TOOLS, tool_choice={"type": "auto"})
    assert second.content[0].text == (TEXT if model == "claude" else "It is 21 degrees.")
    assert {record.state for record in trail.records(2)} == {"ok"}
    if model == "tools":
        sent = world.scripted.request()
        assert [message["role"] for message in sent["messages"]] == ["user", "assistant", "tool", "tool"]
        assert sent["messages"][2]["tool_call_id"] == sent["messages"][1]["tool_calls"][0]["id"]
    if model == "claude":
        sent = world.fake.requests[-1]["body"]
        assert sent["messages"][-1]["content"] == results
        assert sent["tools"] == TOOLS


def test_system_and_settings_reach_an_openai_upstream(ant: Anthropic, world: World) -> None:
    more = {"temperature": 0.5, "top_p": 0.9}  # no longer in the client's signature, still in the API
    ask(ant, system="Be brief.", stop_sequences=["END"], metadata={"user_id": "u1"}, extra_body=more)
    sent = world.scripted.request()
    assert sent["messages"] == [{"role": "system", "content": "Be brief."}, *MESSAGES]
    assert (sent["model"], sent["temperature"], sent["top_p"], sent["stop"]) == ("plain-upstream", 0.5, 0.9, ["END"])
    assert sent["max_completion_tokens"] == 99


def test_an_image_reaches_an_openai_upstream(ant: Anthropic, world: World) -> None:
    source = {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}
    content = [{"type": "image", "source": source}, {"type": "text", "text": "what?"}]
    ask(ant, messages=[{"role": "user", "content": content}])
    image, text = world.scripted.request()["messages"][0]["content"]
    assert image == {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
    assert text == {"type": "text", "text": "what?"}


def test_a_request_reaches_an_anthropic_upstream_as_it_was(ant: Anthropic, world: World) -> None:
    cached = {"cache_control": {"type": "ephemeral"}}
    asked: dict[str, Any] = {
        "system": [{"type": "text", "text": "Be brief.", **cached}],
        "messages": [{"role": "user", "content": [{"type": "text", "text": "What? 🦙", **cached}]}],
        "tools": [{**TOOLS[0], **cached}],
        "thinking": {"type": "enabled", "budget_tokens": 1024},
        "metadata": {"user_id": "u1"},
        "stop_sequences": ["END"],
        "service_tier": "auto",
    }
    more = {"top_k": 5, "new_field": {"é": [1, None]}}
    ask(ant, "claude", **asked, extra_body=more)
    sent = world.fake.requests[-1]
    assert sent["body"] == {"model": "claude", "max_tokens": 99, **asked, **more}
    assert (sent["headers"]["x-api-key"], sent["headers"]["anthropic-version"]) == ("sk-ant", "2023-06-01")
    assert world.keys["full"] not in str(sent)


@pytest.mark.parametrize("stream", [False, True])
def test_thinking_comes_back_signed(ant: Anthropic, world: World, stream: bool) -> None:
    if stream:
        with ant.messages.stream(model="claude-thinks", max_tokens=99, messages=MESSAGES) as running:
            answer: Any = running.get_final_message()
    else:
        answer = ask(ant, "claude-thinks")
    thought, text = answer.content
    assert thought.model_dump(include=set(THOUGHT)) == THOUGHT
    assert text.text == TEXT
    history = [*MESSAGES, {"role": "assistant", "content": answer.content}, *MESSAGES]
    ask(ant, "claude-thinks", messages=history)
    assert world.fake.requests[-1]["body"]["messages"][1]["content"][0] == THOUGHT


def test_headers(ant: Anthropic, trail: Trail) -> None:
    raw: Any = ant.messages.with_raw_response.create(model="mem", max_tokens=9, messages=MESSAGES)
    assert raw.headers["x-llmctl-request-id"] == trail.id
    assert raw.headers["x-llmctl-model"] == "mem"


def test_the_clients_request_id_is_ours(ant: Anthropic, trail: Trail) -> None:
    assert ask(ant, "mem")._request_id == trail.id
    with pytest.raises(anthropic.BadRequestError) as caught:
        ask(ant, "e400")
    assert caught.value.request_id == trail.id


UPSTREAM = [
    ("e400", anthropic.BadRequestError, 400, "invalid_request_error"),
    ("e401", anthropic.InternalServerError, 502, "api_error"),
    ("e403", anthropic.InternalServerError, 502, "api_error"),
    ("e404", anthropic.NotFoundError, 404, "not_found_error"),
    ("e413", anthropic.RequestTooLargeError, 413, "request_too_large"),
    ("e422", anthropic.UnprocessableEntityError, 422, "invalid_request_error"),
    ("e429", anthropic.RateLimitError, 429, "rate_limit_error"),
    ("e500", anthropic.InternalServerError, 500, "api_error"),
    ("e503", anthropic.ServiceUnavailableError, 503, "overloaded_error"),
    ("e529", anthropic.OverloadedError, 529, "overloaded_error"),
    ("hang", anthropic.DeadlineExceededError, 504, "timeout_error"),
    ("garbage", anthropic.InternalServerError, 502, "api_error"),
    ("dead", anthropic.InternalServerError, 502, "api_error"),
    ("claude-e400", anthropic.BadRequestError, 400, "invalid_request_error"),
    ("claude-e401", anthropic.InternalServerError, 502, "api_error"),
    ("claude-e429", anthropic.RateLimitError, 429, "rate_limit_error"),
    ("claude-e529", anthropic.OverloadedError, 529, "overloaded_error"),
]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("model", "kind", "status", "error_type"), UPSTREAM, ids=[row[0] for row in UPSTREAM])
def test_an_upstreams_error(
    ant: Anthropic, trail: Trail, stream: bool, model: str, kind: type[Exception], status: int, error_type: str
) -> None:
    with pytest.raises(anthropic.APIStatusError) as caught:
        ask(ant, model, stream=stream)
    error = caught.value
    assert isinstance(error, kind), type(error)
    assert error.status_code == status
    body: Any = error.body
    assert (body["type"], body["error"]["type"], body["request_id"]) == ("error", error_type, trail.id)
    record = trail.record()
    assert (record.state, record.http_status) == ("failed", status)
    assert record.failure is not None
    assert record.failure.message == body["error"]["message"]
    assert "sk-" not in str(error)
    if status == 429:
        assert error.response.headers["retry-after"] == "7"


def test_a_wrong_field_is_named(ant: Anthropic, trail: Trail) -> None:
    with pytest.raises(anthropic.BadRequestError, match="temperature"):
        ask(ant, extra_body={"temperature": 1.5})
    assert (trail.record().state, trail.record().attempts) == ("failed", [])


@pytest.mark.parametrize("key", ["nonsense", "late"])
def test_a_key_that_is_not_known_or_has_expired(world: World, key: str) -> None:
    with world.anthropic(key) as client, pytest.raises(anthropic.AuthenticationError):
        ask(client)


def test_a_key_that_may_not_use_the_model(world: World) -> None:
    with world.anthropic("narrow") as client:
        with pytest.raises(anthropic.PermissionDeniedError):
            ask(client, "mem")
        assert ask(client, "plain").content[0].text == TEXT


def test_an_unknown_model_and_endpoint(ant: Anthropic) -> None:
    with pytest.raises(anthropic.NotFoundError, match="'plain'"):
        ask(ant, "plane")
    with pytest.raises(anthropic.NotFoundError):
        ant.messages.count_tokens(model="plain", messages=MESSAGES)


def test_a_body_over_the_limit(ant: Anthropic) -> None:
    with pytest.raises(anthropic.RequestTooLargeError):
        ask(ant, messages=[{"role": "user", "content": "x" * 70_000}])


def test_retry_after_is_honoured(world: World, trail: Trail) -> None:
    with world.anthropic(default_headers={"x-request-id": trail.id}, max_retries=1) as client:
        began = time.monotonic()
        assert ask(client, "once-b").content[0].text == TEXT
    assert time.monotonic() - began >= 1.0
    assert [(record.state, record.http_status) for record in trail.records(2)] == [("failed", 429), ("ok", 200)]


@pytest.mark.parametrize("model", [*MIDWAY, "claude-overloads"])
def test_a_stream_that_breaks_raises_midway(ant: Anthropic, trail: Trail, model: str) -> None:
    pieces: list[str] = []
    manager = ant.messages.stream(model=model, max_tokens=99, messages=MESSAGES)
    with manager as stream, pytest.raises(anthropic.APIStatusError) as caught:
        pieces.extend(stream.text_stream)
    text = "".join(pieces)
    assert text
    assert TEXT.startswith(text)
    if model in MIDWAY:
        assert len(text.split()) == CAME
    record = trail.record()
    assert (record.state, record.http_status) == ("failed", 200)
    assert record.failure is not None
    assert record.failure.message in str(caught.value)


def test_a_client_that_leaves_a_stream(ant: Anthropic, world: World, trail: Trail) -> None:
    stream = ask(ant, "slow", stream=True)
    next(iter(stream))
    stream.close()
    assert trail.record().state == "aborted"
    assert world.scripted.server.requests[-1].outcome == "dropped"
