import base64
import struct
from typing import Any

import msgspec
import pytest
from pydantic import SecretStr

from llmctl.errors import UpstreamProtocolError, UpstreamUnsupported
from llmctl.model.chat import Operation
from llmctl.model.usage import Usage
from llmctl.providers.base import Call
from llmctl.providers.gemini import Gemini, GeminiOptions

PROVIDER = Gemini("g", GeminiOptions(api_key=SecretStr("secret")))
META = {
    "promptTokenCount": 100,
    "cachedContentTokenCount": 60,
    "candidatesTokenCount": 7,
    "thoughtsTokenCount": 5,
    "toolUsePromptTokenCount": 3,
    "totalTokenCount": 115,
}


def call(operation: Operation = "chat", stream: bool = False, model: str = "gemini-3", **payload: Any) -> Call:
    return Call(operation, {"messages": [{"role": "user", "content": "hi"}], **payload}, model, stream, 1.0)


def answer(candidates: list[dict[str, Any]], **more: Any) -> Any:
    body = {"candidates": candidates, "usageMetadata": META, "modelVersion": "gemini-3-001", "responseId": "r1", **more}
    found = PROVIDER.answer(call(), msgspec.json.encode(body))
    return found, msgspec.json.decode(found.raw)


def test_requests() -> None:
    request = PROVIDER.request(call())
    assert request.target == b"/v1beta/models/gemini-3:generateContent"
    assert b"x-goog-api-key: secret\r\n" in request.headers
    assert PROVIDER.request(call(stream=True)).target == b"/v1beta/models/gemini-3:streamGenerateContent?alt=sse"
    assert PROVIDER.request(call(model="tunedModels/a b")).target == b"/v1beta/tunedModels/a%20b:generateContent"
    target = PROVIDER.request(call("embedding", input="a", model="e-1")).target
    assert target == b"/v1beta/models/e-1:batchEmbedContents"
    with pytest.raises(UpstreamUnsupported, match="completion"):
        PROVIDER.request(call("completion"))


def test_an_answer() -> None:
    parts = [
        {"text": "hm", "thought": True},
        {"text": "a"},
        {"text": "b", "thoughtSignature": "s1"},
        {"functionCall": {"name": "f", "args": {"x": 1}}, "thoughtSignature": "s2"},
        {"functionCall": {"id": "given", "name": "g"}},
    ]
    found, raw = answer([{"content": {"role": "model", "parts": parts}, "finishReason": "STOP"}])
    assert raw["choices"] == [
        {
            "index": 0,
            "message": {
                "role": "assistant",
                "content": "ab",
                "reasoning_content": "hm",
                "extra_content": {"google": {"thought_signature": "s1"}},
                "tool_calls": [
                    {
                        "id": "call_r1_0",
                        "type": "function",
                        "function": {"name": "f", "arguments": '{"x":1}'},
                        "extra_content": {"google": {"thought_signature": "s2"}},
                    },
                    {"id": "given", "type": "function", "function": {"name": "g", "arguments": "{}"}},
                ],
            },
            "finish_reason": "tool_calls",
            "native_finish_reason": "STOP",
        }
    ]
    assert (raw["id"], raw["model"]) == ("r1", "gemini-3-001")
    assert found.usage == Usage(43, 60, 0, 7, 5, "provider")
    assert raw["usage"]["total_tokens"] == META["totalTokenCount"]


@pytest.mark.parametrize(
    ("native", "finish"),
    [
        ("STOP", "stop"),
        ("MAX_TOKENS", "length"),
        ("SAFETY", "content_filter"),
        ("RECITATION", "content_filter"),
        ("PROHIBITED_CONTENT", "content_filter"),
        ("OTHER", "content_filter"),
    ],
)
def test_finish_reasons(native: str, finish: str) -> None:
    choice = answer([{"content": {"parts": [{"text": "a"}]}, "finishReason": native}])[1]["choices"][0]
    assert (choice["finish_reason"], choice["native_finish_reason"]) == (finish, native)


def test_several_candidates() -> None:
    texts = [
        {"content": {"parts": [{"text": text}]}, "finishReason": "STOP", "index": i} for i, text in enumerate("ab")
    ]
    choices = answer(texts)[1]["choices"]
    assert [(choice["index"], choice["message"]["content"]) for choice in choices] == [(0, "a"), (1, "b")]


def test_a_blocked_prompt_is_an_answer() -> None:
    choice = answer([], promptFeedback={"blockReason": "SAFETY"})[1]["choices"][0]
    assert choice["finish_reason"] == "content_filter"
    assert "SAFETY" in choice["message"]["refusal"]


def test_what_is_no_answer() -> None:
    for body in (b"", b"{}", b"[]", b'{"candidates": [{"content": []}]}'):
        with pytest.raises(UpstreamProtocolError, match="provider g"):
            PROVIDER.answer(call(), body)
    with pytest.raises(UpstreamProtocolError, match="MALFORMED_FUNCTION_CALL") as caught:
        answer([{"finishReason": "MALFORMED_FUNCTION_CALL"}])
    assert caught.value.retryable


def test_embeddings() -> None:
    body = msgspec.json.encode({"embeddings": [{"values": [1.0, 0.5]}, {"values": [2.0, -1.0]}]})
    found = PROVIDER.answer(call("embedding", input=["a", "b"], model="e-1"), body)
    raw = msgspec.json.decode(found.raw)
    assert [item["embedding"] for item in raw["data"]] == [[1.0, 0.5], [2.0, -1.0]]
    assert found.usage.source == "none"
    packed = PROVIDER.answer(call("embedding", input="a", encoding_format="base64"), body)
    text = msgspec.json.decode(packed.raw)["data"][1]["embedding"]
    assert struct.unpack("<2f", base64.b64decode(text)) == (2.0, -1.0)
    counted = msgspec.json.encode({"embeddings": [{"values": [1.0]}], "usageMetadata": {"promptTokenCount": 4}})
    assert PROVIDER.answer(call("embedding", input="a"), counted).usage == Usage(4, source="provider")


def test_errors() -> None:
    body = b'{"error": {"code": 429, "message": "slow down", "status": "RESOURCE_EXHAUSTED"}}'
    error = PROVIDER.error(429, {b"retry-after": b"2"}, body)
    assert (error.http_status, error.retry_after, error.retryable) == (429, 2.0, True)
    assert "slow down" in error.message
    key = b'{"error": {"code": 400, "message": "API key secret not valid", "details": [{"reason": "API_KEY_INVALID"}]}}'
    error = PROVIDER.error(400, {}, key)
    assert error.http_status == 502
    assert "secret" not in error.message
