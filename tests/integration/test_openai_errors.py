"""What goes wrong, as the official `openai` package shows it, and what the record on disk says of it."""

import time
from typing import Any

import openai
import pytest
from openai import OpenAI

from tests.integration.conftest import Trail, World
from tests.integration.upstreams import MIDWAY, TEXT

MESSAGES: Any = [{"role": "user", "content": "What is it?"}]

# Model, the exception, its status, its code and type.
UPSTREAM = [
    ("e400", openai.BadRequestError, 400, "unsupported_value", "its_type"),
    ("e401", openai.InternalServerError, 502, "upstream_error", "upstream_error"),
    ("e403", openai.InternalServerError, 502, "upstream_error", "upstream_error"),
    ("e404", openai.NotFoundError, 404, "model_not_found", "its_type"),
    ("e413", openai.APIStatusError, 413, "upstream_error", "its_type"),
    ("e422", openai.UnprocessableEntityError, 422, "upstream_error", "its_type"),
    ("e429", openai.RateLimitError, 429, "rate_limit_exceeded", "rate_limit_error"),
    ("e500", openai.InternalServerError, 500, "upstream_error", "its_type"),
    ("e503", openai.InternalServerError, 503, "upstream_error", "its_type"),
    ("hang", openai.InternalServerError, 504, "upstream_timeout", "upstream_error"),
    ("reset", openai.InternalServerError, 502, "upstream_connection_lost", "upstream_error"),
    ("garbage", openai.InternalServerError, 502, "upstream_protocol_error", "upstream_error"),
    ("dead", openai.InternalServerError, 502, "upstream_unreachable", "upstream_error"),
]

CAME = 3  # pieces that went out before the trouble: all arrive, also where they share a read with it


def ask(client: OpenAI, model: str = "plain", **options: Any) -> Any:
    return client.chat.completions.create(model=model, messages=options.pop("messages", MESSAGES), **options)


def told(trail: Trail, error: openai.APIStatusError) -> None:
    """The record and the client say the same."""
    record = trail.record()
    assert (record.state, record.http_status) == ("failed", error.status_code)
    assert record.failure is not None
    assert (record.failure.code, record.failure.type) == (error.code, error.type)
    assert isinstance(error.body, dict)
    assert record.failure.message == error.body["message"]
    assert set(error.body) == {"message", "type", "param", "code"}
    assert error.request_id == trail.id


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("model", "kind", "status", "code", "error_type"), UPSTREAM, ids=[row[0] for row in UPSTREAM])
def test_an_upstreams_error(
    oai: OpenAI, trail: Trail, stream: bool, model: str, kind: type[Exception], status: int, code: str, error_type: str
) -> None:
    with pytest.raises(openai.APIStatusError) as caught:
        ask(oai, model, stream=stream)
    error = caught.value
    assert type(error) is kind
    assert (error.status_code, error.code, error.type) == (status, code, error_type)
    told(trail, error)
    assert len(trail.record().attempts) == 1
    assert "sk-up" not in str(error)


def test_an_upstreams_param_and_retry_after_reach_the_client(oai: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        ask(oai, "e400")
    assert caught.value.param == "temperature"
    with pytest.raises(openai.RateLimitError) as limited:
        ask(oai, "e429")
    assert limited.value.response.headers["retry-after"] == "7"


@pytest.mark.parametrize(
    ("options", "param"),
    [
        ({"temperature": 9}, "temperature"),
        ({"messages": []}, "messages"),
        ({"messages": [{"content": "x"}]}, "messages[0].role"),
        ({"extra_body": {"stream": "yes"}}, "stream"),
        ({"n": 0, "stream": True}, "n"),
    ],
)
def test_a_wrong_field_is_named(oai: OpenAI, trail: Trail, options: dict[str, Any], param: str) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        ask(oai, **options)
    assert caught.value.param == param
    assert param in caught.value.message
    told(trail, caught.value)
    assert trail.record().attempts == []


@pytest.mark.parametrize("key", ["nonsense", "late"])
def test_a_key_that_is_not_known_or_has_expired(world: World, trail: Trail, key: str) -> None:
    with (
        world.openai(key, default_headers={"x-request-id": trail.id}) as client,
        pytest.raises(openai.AuthenticationError) as caught,
    ):
        ask(client)
    assert caught.value.code == ("expired_api_key" if key == "late" else "invalid_api_key")
    told(trail, caught.value)


def test_a_key_that_may_not_use_the_model(world: World, trail: Trail) -> None:
    with world.openai("narrow", default_headers={"x-request-id": trail.id}) as client:
        with pytest.raises(openai.PermissionDeniedError) as caught:
            ask(client, "mem")
        assert caught.value.param == "model"
        told(trail, caught.value)
        assert ask(client, "plain").choices[0].message.content == TEXT


def test_an_unknown_model(oai: OpenAI, trail: Trail) -> None:
    with pytest.raises(openai.NotFoundError, match="'plain'") as caught:
        ask(oai, "plane")
    assert (caught.value.code, caught.value.param) == ("model_not_found", "model")
    told(trail, caught.value)
    with pytest.raises(openai.NotFoundError):
        oai.models.retrieve("plane")


def test_an_unknown_endpoint(oai: OpenAI, trail: Trail) -> None:
    with pytest.raises(openai.NotFoundError):
        oai.moderations.create(input="x")
    assert trail.record().http_status == 404


def test_a_body_over_the_limit(oai: OpenAI, trail: Trail) -> None:
    with pytest.raises(openai.APIStatusError) as caught:
        ask(oai, messages=[{"role": "user", "content": "x" * 70_000}])
    assert (caught.value.status_code, caught.value.code) == (413, "body_too_large")
    told(trail, caught.value)


def test_retry_after_is_honoured(world: World, trail: Trail) -> None:
    with world.openai(default_headers={"x-request-id": trail.id}, max_retries=1) as client:
        began = time.monotonic()
        assert ask(client, "once-a").choices[0].message.content == TEXT
    assert time.monotonic() - began >= 1.0
    assert [(record.state, record.http_status) for record in trail.records(2)] == [("failed", 429), ("ok", 200)]


def test_the_clients_own_timeout(world: World, trail: Trail) -> None:
    with (
        world.openai(default_headers={"x-request-id": trail.id}, timeout=0.3) as client,
        pytest.raises(openai.APITimeoutError),
    ):
        ask(client, "hang")
    record = trail.record()
    assert record.state == "aborted"
    assert [attempt.error for attempt in record.attempts] == ["cancelled"]


@pytest.mark.parametrize("model", MIDWAY)
def test_a_stream_that_breaks_raises_midway(oai: OpenAI, trail: Trail, model: str) -> None:
    stream = ask(oai, model, stream=True)
    pieces: list[str] = []
    with pytest.raises(openai.APIError) as caught:
        pieces.extend(chunk.choices[0].delta.content or "" for chunk in stream)
    text = "".join(pieces)
    assert TEXT.startswith(text)
    assert len(text.split()) == CAME
    record = trail.record()
    assert (record.state, record.http_status) == ("failed", 200)
    assert record.failure is not None
    assert record.failure.code == caught.value.code
    assert record.failure.message == caught.value.message
    assert record.usage.source == "estimated"
    assert record.finish_reason is None


@pytest.mark.parametrize("model", ["cut", "reset-midway", "malformed", "hang-midway", "event"])
def test_an_answer_that_breaks_is_an_ordinary_error(oai: OpenAI, trail: Trail, model: str) -> None:
    with pytest.raises(openai.InternalServerError) as caught:
        ask(oai, model)
    assert caught.value.status_code == {"hang-midway": 504, "event": 500}.get(model, 502)
    told(trail, caught.value)


@pytest.mark.parametrize("model", ["e401", "e422", "e429", "e500", "hang", "dead"])
def test_completions_embeddings_and_responses_fail_alike(oai: OpenAI, trail: Trail, model: str) -> None:
    expected = {row[0]: (row[1], row[2]) for row in UPSTREAM}[model]
    with pytest.raises(openai.APIStatusError) as completion:
        oai.completions.create(model=model, prompt="x")
    with pytest.raises(openai.APIStatusError) as embedding:
        oai.embeddings.create(model=model, input="x")
    with pytest.raises(openai.APIStatusError) as answer:
        oai.responses.create(model=model, input="x")
    for caught in (completion, embedding, answer):
        assert (type(caught.value), caught.value.status_code) == expected
    assert {record.state for record in trail.records(3)} == {"failed"}
