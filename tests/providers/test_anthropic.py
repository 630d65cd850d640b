from typing import Any

import msgspec
import pytest
from pydantic import SecretStr

from llmctl.errors import UpstreamProtocolError, UpstreamStatus
from llmctl.model.usage import Usage
from llmctl.providers.anthropic import Anthropic, AnthropicOptions
from llmctl.providers.base import Call

PROVIDER = Anthropic("claude", AnthropicOptions(api_key=SecretStr("sk-secret"), headers={"anthropic-beta": "x"}))
CALL = Call("chat", {"messages": [{"role": "user", "content": "hi"}]}, "claude-1", False, 9.0, headers=b"a: b\r\n")
USAGE = {
    "input_tokens": 10,
    "output_tokens": 7,
    "cache_read_input_tokens": 100,
    "cache_creation_input_tokens": 20,
    "output_tokens_details": {"thinking_tokens": 3},
    "service_tier": "standard",
}


def answer(content: list[dict[str, Any]], reason: str = "end_turn", **more: Any) -> Any:
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-1-x", "content": content}
    body = msgspec.json.encode({**message, "stop_reason": reason, "stop_sequence": None, "usage": USAGE, **more})
    found = PROVIDER.answer(CALL, body)
    return found, msgspec.json.decode(found.raw)


def test_request_line_and_headers() -> None:
    request = PROVIDER.request(CALL)
    assert request.target == b"/v1/messages"
    assert str(request.origin) == "https://api.anthropic.com:443"
    for line in (b"x-api-key: sk-secret", b"anthropic-version: 2023-06-01", b"anthropic-beta: x", b"a: b"):
        assert line + b"\r\n" in request.headers
    assert msgspec.json.decode(request.body)["model"] == "claude-1"


def test_base_url_may_have_a_path_and_no_key() -> None:
    provider = Anthropic("p", AnthropicOptions(base_url="http://localhost:8080/proxy/"))
    request = provider.request(CALL)
    assert (request.target, request.origin.port) == (b"/proxy/v1/messages", 8080)
    assert b"x-api-key" not in request.headers
    assert (provider.transport, provider.unready()) == (None, None)


def test_a_bad_base_url_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="base_url"):
        Anthropic("p", AnthropicOptions(base_url="ftp://x"))


def test_an_answer() -> None:
    thinking = {"type": "thinking", "thinking": "hm", "signature": "sig"}
    redacted = {"type": "redacted_thinking", "data": "xx"}
    call = {"type": "tool_use", "id": "t1", "name": "f", "input": {"a": 1}, "caller": {"type": "direct"}}
    texts = [{"type": "text", "text": "a"}, {"type": "server_tool_use", "id": "s"}, {"type": "text", "text": "b"}]
    found, raw = answer([thinking, redacted, *texts, call], "tool_use")
    assert raw["choices"] == [
        {
            "index": 0,
            "message": {
                "role": "assistant",
                "content": "ab",
                "tool_calls": [
                    {
                        "id": "t1",
                        "type": "function",
                        "function": {"name": "f", "arguments": '{"a":1}'},
                        "caller": {"type": "direct"},
                    }
                ],
                "thinking_blocks": [thinking, redacted],
                "reasoning_content": "hm",
            },
            "finish_reason": "tool_calls",
            "native_finish_reason": "tool_use",
        }
    ]
    assert (raw["id"], raw["model"], raw["object"]) == ("msg_1", "claude-1-x", "chat.completion")
    assert found.body.choices[0].message.reasoning_content == "hm"


def test_usage_buckets_are_exact() -> None:
    found, raw = answer([{"type": "text", "text": "a"}])
    assert found.usage == Usage(10, 100, 20, 4, 3, "provider")
    assert raw["usage"]["total_tokens"] == 137
    assert answer([], usage=None)[0].usage.source == "none"


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("pause_turn", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("refusal", "content_filter"),
        ("tool_use", "tool_calls"),
        ("something_new", "stop"),
    ],
)
def test_stop_reasons(reason: str, finish: str) -> None:
    choice = answer([{"type": "text", "text": "a"}], reason)[1]["choices"][0]
    assert (choice["finish_reason"], choice["native_finish_reason"]) == (finish, reason)


def test_refusals_and_stop_sequences_are_told() -> None:
    details = {"type": "refusal", "category": "cyber", "explanation": "no"}
    choice = answer([], "refusal", stop_details=details)[1]["choices"][0]
    assert choice["message"] == {"role": "assistant", "content": "", "refusal": "no"}
    assert answer([], "stop_sequence", stop_sequence="X")[1]["choices"][0]["stop_sequence"] == "X"


@pytest.mark.parametrize("body", [b"", b"<html>", b"{}", b'{"content": [{"text": "no type"}]}', b'{"content": "a"}'])
def test_what_is_no_answer(body: bytes) -> None:
    with pytest.raises(UpstreamProtocolError, match="provider claude"):
        PROVIDER.answer(CALL, body)


def test_an_error_in_a_200() -> None:
    body = b'{"type":"error","error":{"type":"overloaded_error","message":"busy"}}'
    with pytest.raises(UpstreamStatus, match="busy") as caught:
        PROVIDER.answer(CALL, body)
    assert caught.value.status == 529


@pytest.mark.parametrize(
    ("status", "kind", "http_status", "retryable"),
    [
        (400, "invalid_request_error", 400, False),
        (401, "authentication_error", 502, False),
        (404, "not_found_error", 404, False),
        (413, "request_too_large", 413, False),
        (429, "rate_limit_error", 429, True),
        (500, "api_error", 500, True),
        (529, "overloaded_error", 529, True),
    ],
)
def test_errors(status: int, kind: str, http_status: int, retryable: bool) -> None:
    body = msgspec.json.encode({"type": "error", "error": {"type": kind, "message": "bad sk-secret"}})
    error = PROVIDER.error(status, {b"retry-after": b"3"}, body)
    assert (error.status, error.http_status, error.retryable) == (status, http_status, retryable)
    if status == 401:
        assert "sk-secret" not in error.message
    else:
        assert "claude" in error.message
        assert error.retry_after == 3
