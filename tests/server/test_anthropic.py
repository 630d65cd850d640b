from typing import Any

import msgspec
import pytest
from anthropic.types import Message
from openai.types.chat import ChatCompletionMessageParam
from pydantic import TypeAdapter

from llmctl.errors import (
    BodyTooLarge,
    Forbidden,
    InvalidRequest,
    LlmctlError,
    Unauthorized,
    Unavailable,
    UnknownModel,
    UpstreamStatus,
    UpstreamTimeout,
)
from llmctl.model import chat
from llmctl.model.exchange import Exchange
from llmctl.model.json import encode
from llmctl.model.trace import Trace
from llmctl.providers.anthropic import Anthropic, AnthropicOptions
from llmctl.providers.base import Call
from llmctl.server.anthropic import AnthropicDialect

DIALECT = AnthropicDialect()
CACHED = {"cache_control": {"type": "ephemeral"}}
PNG = {"type": "base64", "media_type": "image/png", "data": "QQ=="}
PDF = {"type": "base64", "media_type": "application/pdf", "data": "QQ=="}
THINKING = {"type": "thinking", "thinking": "hm", "signature": "sig"}
TOOL = {"name": "f", "description": "d", "input_schema": {"type": "object"}, **CACHED}
Json = dict[str, Any]


def request(**fields: Any) -> Json:
    return {"model": "claude", "max_tokens": 10, "messages": [{"role": "user", "content": "hi"}], **fields}


def parse(**fields: Any) -> Json:
    payload, raw = DIALECT.parse(encode(request(**fields)))
    assert raw is None
    return payload


def exchange(payload: Json | None = None) -> Exchange:
    trace = Trace("0" * 32, "0" * 16)
    return Exchange("x1", "chat", "anthropic", payload or {}, None, trace, 0.0, 1.7e9, 9.0, requested_model="claude")


def test_the_least_request() -> None:
    messages = [{"role": "user", "content": "hi"}]
    assert parse() == {"model": "claude", "max_completion_tokens": 10, "messages": messages}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"stream": True}, {"stream": True, "stream_options": {"include_usage": True}}),
        ({"stream": False}, {"stream": False, "stream_options": None}),
        ({"stop_sequences": ["x"]}, {"stop": ["x"], "stop_sequences": None}),
        ({"temperature": 1, "top_k": 5}, {"temperature": 1, "top_k": 5}),
        ({"metadata": {"user_id": "u"}, "brand_new": 1}, {"metadata": {"user_id": "u"}, "brand_new": 1}),
        ({"tool_choice": {"type": "any"}}, {"tool_choice": "required"}),
        ({"tool_choice": {"type": "none"}}, {"tool_choice": "none"}),
        (
            {"tool_choice": {"type": "tool", "name": "f", "disable_parallel_tool_use": True}},
            {"tool_choice": {"type": "function", "function": {"name": "f"}}, "parallel_tool_calls": False},
        ),
        ({"output_config": {"effort": "low", "new": 1}}, {"reasoning_effort": "low", "output_config": {"new": 1}}),
        (
            {"output_config": {"format": {"type": "json_schema", "schema": {"type": "object"}}}},
            {
                "output_config": None,
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {"name": "output", "schema": {"type": "object"}, "strict": True},
                },
            },
        ),
        (
            {"tools": [TOOL, {"type": "web_search_20250305", "name": "web_search"}]},
            {
                "tools": [
                    {
                        "type": "function",
                        "function": {"name": "f", "description": "d", "parameters": {"type": "object"}},
                        **CACHED,
                    },
                    {"type": "web_search_20250305", "name": "web_search"},
                ]
            },
        ),
    ],
)
def test_fields(given: Json, expected: Json) -> None:
    payload = parse(**given)
    assert {key: payload.get(key) for key in expected} == expected


CONVERSATION = [
    {"role": "user", "content": [{"type": "image", "source": PNG}, {"type": "text", "text": "what?"}]},
    {
        "role": "assistant",
        "content": [
            THINKING,
            {"type": "text", "text": "calling"},
            {"type": "tool_use", "id": "t1", "name": "f", "input": {"a": 1}, **CACHED},
            {"type": "tool_use", "id": "t2", "name": "f", "input": {}},
        ],
    },
    {
        "role": "user",
        "content": [
            {"type": "tool_result", "tool_use_id": "t1", "content": "no", "is_error": True},
            {
                "type": "tool_result",
                "tool_use_id": "t2",
                "content": [{"type": "text", "text": "a"}, {"type": "image", "source": PNG}],
                **CACHED,
            },
            {"type": "text", "text": "go on", **CACHED},
        ],
    },
    {
        "role": "assistant",
        "content": [
            {"type": "redacted_thinking", "data": "xx"},
            {"type": "text", "text": "one"},
            THINKING,
            {"type": "text", "text": "two"},
        ],
    },
    {
        "role": "user",
        "content": [
            {"type": "document", "source": PDF, "title": "a.pdf", "citations": {"enabled": True}},
            {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "d"}},
            {"type": "image", "source": {"type": "url", "url": "https://x/y.png"}},
        ],
    },
]
SYSTEM = [{"type": "text", "text": "s1"}, {"type": "text", "text": "s2", **CACHED}]


def test_messages_are_openai_s() -> None:
    messages = parse(system=SYSTEM, messages=CONVERSATION)["messages"]
    assert [message["role"] for message in messages] == [
        "system",
        "user",
        "assistant",
        "tool",
        "tool",
        "user",
        "assistant",
        "assistant",
        "user",
    ]
    assert messages[1]["content"][0] == {"type": "image_url", "image_url": {"url": "data:image/png;base64,QQ=="}}
    assert messages[2] == {
        "role": "assistant",
        "content": "calling",
        "reasoning_content": "hm",
        "thinking_blocks": [THINKING],
        "tool_calls": [
            {"id": "t1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}, **CACHED},
            {"id": "t2", "type": "function", "function": {"name": "f", "arguments": "{}"}},
        ],
    }
    assert messages[3] == {"role": "tool", "tool_call_id": "t1", "content": "no", "is_error": True}
    msgspec.convert({"model": "m", "messages": messages}, chat.ChatRequest)
    plain = [message for position, message in enumerate(messages) if position not in (2, 8)]
    TypeAdapter(list[ChatCompletionMessageParam]).validate_python(plain)


def test_a_round_trip_to_anthropic_keeps_everything() -> None:
    sent = request(
        system=SYSTEM,
        messages=CONVERSATION,
        tools=[{"name": "f", "input_schema": {"type": "object"}, "strict": True, **CACHED}],
        tool_choice={"type": "auto", "disable_parallel_tool_use": True},
        thinking={"type": "enabled", "budget_tokens": 1024},
        output_config={"effort": "high", "format": {"type": "json_schema", "schema": {"type": "object"}}},
        metadata={"user_id": "u"},
        stop_sequences=["x"],
        top_k=3,
        service_tier="auto",
        stream=True,
    )
    payload, _ = DIALECT.parse(encode(sent))
    provider = Anthropic("p", AnthropicOptions())
    again = msgspec.json.decode(provider.request(Call("chat", payload, "claude", True, 0.0)).body)
    assert again == sent


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"model": 3}, "model"),
        ({"max_tokens": None}, "max_tokens"),
        ({"messages": []}, "messages"),
        ({"temperature": 1.5}, "temperature"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages.0.content.0.text"),
        ({"messages": [{"role": "user", "content": [{"text": "a"}]}]}, "messages.0.content.0.type"),
        ({"messages": [{"role": "user", "content": [{"type": "image"}]}]}, "messages.0.content.0.source"),
        (
            {"messages": [{"role": "user", "content": [{"type": "tool_result", "content": "a"}]}]},
            "messages.0.content.0.tool_use_id",
        ),
        (
            {"messages": [{"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "f"}]}]},
            "messages.0.content.0.input",
        ),
        ({"tools": [{"name": "f"}]}, "tools.0.input_schema"),
        ({"tool_choice": {"type": "tool"}}, "tool_choice.name"),
        ({"output_config": {"format": {"type": "xml"}}}, "output_config.format.type"),
    ],
)
def test_what_is_wrong_is_named(fields: Json, param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse(**fields)
    assert caught.value.param == param


def answer(message: Json, finish: str = "stop", usage: Json | None = None, **more: Any) -> Json:
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish, **more}
    raw = encode({"id": "c1", "model": "served", "choices": [choice], "usage": usage})
    found = msgspec.json.decode(DIALECT.answer(exchange(), chat.answer(raw)))
    Message.model_validate(found, strict=True)
    assert isinstance(found, dict)
    return found


def test_an_answer() -> None:
    usage = {"prompt_tokens": 30, "completion_tokens": 9, "prompt_tokens_details": {"cached_tokens": 20}}
    usage["completion_tokens_details"] = {"reasoning_tokens": 4}
    call = {"id": "t1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}
    found = answer({"content": "text", "reasoning_content": "hm", "tool_calls": [call]}, "tool_calls", usage)
    assert found == {
        "id": "c1",
        "type": "message",
        "role": "assistant",
        "model": "served",
        "content": [
            {"type": "thinking", "thinking": "hm", "signature": ""},
            {"type": "text", "text": "text"},
            {"type": "tool_use", "id": "t1", "name": "f", "input": {"a": 1}},
        ],
        "stop_reason": "tool_use",
        "stop_sequence": None,
        "usage": {
            "input_tokens": 10,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 20,
            "output_tokens": 9,
            "output_tokens_details": {"thinking_tokens": 4},
        },
    }


@pytest.mark.parametrize(
    ("finish", "native", "expected"),
    [
        ("stop", None, "end_turn"),
        ("length", None, "max_tokens"),
        ("tool_calls", None, "tool_use"),
        ("content_filter", None, "refusal"),
        ("stop", "pause_turn", "pause_turn"),
        ("stop", "STOP", "end_turn"),
        ("content_filter", "end_turn", "refusal"),
    ],
)
def test_stop_reasons(finish: str, native: str | None, expected: str) -> None:
    assert answer({"content": "a"}, finish, native_finish_reason=native)["stop_reason"] == expected


def test_an_answer_of_anthropic_s_comes_back_as_it_was() -> None:
    usage = {"input_tokens": 1, "cache_creation_input_tokens": 2, "cache_read_input_tokens": 3, "output_tokens": 4}
    content: list[Json] = [
        THINKING,
        {"type": "redacted_thinking", "data": "xx"},
        {"type": "text", "text": "a"},
        {"type": "tool_use", "id": "t1", "name": "f", "input": {"a": [1]}, "caller": {"type": "direct"}},
    ]
    sent: Json = {"id": "m", "type": "message", "role": "assistant", "model": "claude", "content": content}
    sent |= {"stop_reason": "stop_sequence", "stop_sequence": "X"}
    sent["usage"] = {**usage, "output_tokens_details": {"thinking_tokens": 2}}
    provider = Anthropic("p", AnthropicOptions())
    inner = provider.answer(Call("chat", {}, "claude", False, 0.0), encode(sent))
    assert msgspec.json.decode(DIALECT.answer(exchange(), inner)) == sent


def test_odd_answers() -> None:
    assert answer({"content": None})["content"] == []
    assert answer({"content": None, "refusal": "no"})["content"] == [{"type": "text", "text": "no"}]
    call = {"function": {"name": "f", "arguments": "{broken"}}
    used = answer({"content": None, "tool_calls": [call]}, "tool_calls")["content"][0]
    assert (used["id"], used["input"]) == ("toolu_x1_0", {"invalid_arguments": "{broken"})


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (InvalidRequest("m"), "invalid_request_error"),
        (Unauthorized("m"), "authentication_error"),
        (Forbidden("m"), "permission_error"),
        (UnknownModel("m"), "not_found_error"),
        (BodyTooLarge("m"), "request_too_large"),
        (UpstreamStatus("m", status=429), "rate_limit_error"),
        (UpstreamStatus("m", status=500), "api_error"),
        (UpstreamStatus("m", status=401), "api_error"),
        (UpstreamStatus("m", status=529), "overloaded_error"),
        (UpstreamStatus("m", status=422), "invalid_request_error"),
        (UpstreamTimeout("m", phase="idle"), "timeout_error"),
        (Unavailable("m"), "overloaded_error"),
        (LlmctlError("m"), "api_error"),
    ],
)
def test_errors(error: LlmctlError, kind: str) -> None:
    found = msgspec.json.decode(DIALECT.error(error, "r1"))
    assert found == {"type": "error", "error": {"type": kind, "message": "m"}, "request_id": "r1"}
