from typing import Any

import pytest
from anthropic.types import MessageCreateParams
from pydantic import TypeAdapter

from llmctl.errors import UpstreamUnsupported
from llmctl.model.chat import Operation
from llmctl.providers.anthropic_request import body_of
from llmctl.providers.base import Call

HI = [{"role": "user", "content": "hi"}]
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
SPEC: TypeAdapter[Any] = TypeAdapter(MessageCreateParams)


def body(operation: Operation = "chat", stream: bool = False, **payload: Any) -> dict[str, Any]:
    payload = {"messages": HI, **payload}
    made = body_of("p", Call(operation, payload, "claude", stream, 0.0), 4096)
    SPEC.validate_python(made)
    return made


def test_the_least_request() -> None:
    assert body() == {"model": "claude", "messages": HI, "max_tokens": 4096}
    assert body(stream=True)["stream"] is True


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"max_tokens": 5}, {"max_tokens": 5}),
        ({"max_tokens": 5, "max_completion_tokens": 7}, {"max_tokens": 7}),
        ({"thinking": {"type": "enabled", "budget_tokens": 2000}}, {"max_tokens": 6096}),
        ({"stop": "x"}, {"stop_sequences": ["x"]}),
        ({"stop": ["x", "y"]}, {"stop_sequences": ["x", "y"]}),
        ({"temperature": 0, "top_p": 0.5, "top_k": 3}, {"temperature": 0, "top_p": 0.5, "top_k": 3}),
        ({"metadata": {"user_id": "u", "team": "x"}}, {"metadata": {"user_id": "u"}}),
        ({"user": "u"}, {"metadata": {"user_id": "u"}}),
        ({"service_tier": "default"}, {"service_tier": "standard_only"}),
        ({"service_tier": "flex"}, {"service_tier": None}),
        ({"seed": 4, "store": True}, {"seed": None, "store": None}),
        ({"reasoning_effort": "high"}, {"output_config": {"effort": "high"}}),
        ({"reasoning_effort": "minimal"}, {"output_config": {"effort": "low"}}),
        ({"reasoning_effort": "none"}, {"thinking": {"type": "disabled"}}),
        ({"thinking": {"type": "adaptive"}}, {"thinking": {"type": "adaptive"}}),
        ({"response_format": {"type": "text"}}, {"output_config": None}),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}}},
            {"output_config": {"format": {"type": "json_schema", "schema": {"type": "object"}}}},
        ),
        ({"tool_choice": "auto"}, {"tool_choice": None}),
    ],
)
def test_fields(given: dict[str, Any], expected: dict[str, Any]) -> None:
    made = body(**given)
    assert {key: made.get(key) for key in expected} == expected


@pytest.mark.parametrize(
    ("choice", "parallel", "expected"),
    [
        (None, None, None),
        (None, True, None),
        (None, False, {"type": "auto", "disable_parallel_tool_use": True}),
        ("auto", None, {"type": "auto"}),
        ("required", False, {"type": "any", "disable_parallel_tool_use": True}),
        ("none", False, {"type": "none"}),
        ({"type": "function", "function": {"name": "f"}}, None, {"type": "tool", "name": "f"}),
    ],
)
def test_tool_choice(choice: Any, parallel: bool | None, expected: Any) -> None:
    assert body(tools=[TOOL], tool_choice=choice, parallel_tool_calls=parallel).get("tool_choice") == expected


def test_tools() -> None:
    native = {"type": "web_search_20250305", "name": "web_search"}
    function = {"name": "f", "description": "d", "strict": True, "parameters": {"type": "object"}}
    given = [{"type": "function", "function": function, "cache_control": {"type": "ephemeral"}}, native]
    custom, kept = body(tools=given)["tools"]
    assert custom == {
        "name": "f",
        "description": "d",
        "strict": True,
        "input_schema": {"type": "object"},
        "cache_control": {"type": "ephemeral"},
    }
    assert kept == native
    bare = body(tools=[{"type": "function", "function": {"name": "g"}}])["tools"][0]
    assert bare == {"name": "g", "input_schema": {"type": "object", "properties": {}}}


@pytest.mark.parametrize(
    ("given", "param"),
    [
        ({"n": 2}, "n"),
        ({"logprobs": True}, "logprobs"),
        ({"logit_bias": {"1": 2}}, "logit_bias"),
        ({"response_format": {"type": "json_object"}}, "response_format"),
        ({"reasoning_effort": "extreme"}, "reasoning_effort"),
        ({"tools": [{"type": "custom", "custom": {"name": "c"}}]}, "tools"),
        ({"tools": [TOOL], "tool_choice": {"type": "allowed_tools"}}, "tool_choice"),
        ({"operation": "embedding"}, "model"),
        ({"operation": "completion"}, "model"),
        ({"messages": [{"role": "function", "name": "f", "content": "1"}]}, "messages.0"),
        ({"messages": [{"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]}]}, "messages.0"),
    ],
)
def test_what_cannot_be_asked_says_so(given: dict[str, Any], param: str) -> None:
    with pytest.raises(UpstreamUnsupported, match="provider p: ") as caught:
        body(**given)
    assert caught.value.param == param
    assert caught.value.http_status == 400
    assert not caught.value.retryable


def test_system_messages_are_gathered() -> None:
    assert body(messages=[{"role": "system", "content": "a"}, *HI])["system"] == "a"
    cached = {"type": "text", "text": "b", "cache_control": {"type": "ephemeral"}}
    found = body(messages=[{"role": "system", "content": "a"}, *HI, {"role": "developer", "content": [cached]}])
    assert found["system"] == [{"type": "text", "text": "a"}, cached]
    assert found["messages"] == HI


def test_a_tool_conversation() -> None:
    def call(number: int) -> dict[str, Any]:
        function = {"name": "f", "arguments": f'{{"x":{number}}}'}
        return {"id": f"c{number}", "type": "function", "function": function}

    thinking = {"type": "thinking", "thinking": "hm", "signature": "sig"}
    messages = body(
        tools=[TOOL],
        messages=[
            {"role": "user", "content": "a"},
            {"role": "user", "content": "b"},
            {
                "role": "assistant",
                "content": "text",
                "reasoning_content": "hm",
                "thinking_blocks": [{"index": 0, **thinking}],
                "tool_calls": [call(1), {**call(2), "index": 1, "cache_control": {"type": "ephemeral"}}],
            },
            {"role": "tool", "tool_call_id": "c1", "content": "one"},
            {"role": "tool", "tool_call_id": "c2", "content": "", "is_error": True},
            {"role": "user", "content": [{"type": "text", "text": "next"}]},
            {"role": "assistant", "content": ""},
        ],
    )["messages"]
    assert [message["role"] for message in messages] == ["user", "assistant", "user"]
    assert messages[0]["content"] == [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    assert messages[1]["content"] == [
        thinking,
        {"type": "text", "text": "text"},
        {"type": "tool_use", "id": "c1", "name": "f", "input": {"x": 1}},
        {"type": "tool_use", "id": "c2", "name": "f", "input": {"x": 2}, "cache_control": {"type": "ephemeral"}},
    ]
    assert messages[2]["content"] == [
        {"type": "tool_result", "tool_use_id": "c1", "content": "one"},
        {"type": "tool_result", "tool_use_id": "c2", "is_error": True},
        {"type": "text", "text": "next"},
    ]


@pytest.mark.parametrize(
    ("part", "block"),
    [
        (
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,QQ==", "detail": "low"}},
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "QQ=="}},
        ),
        (
            {"type": "image_url", "image_url": {"url": "https://x/y.png"}, "cache_control": {"type": "ephemeral"}},
            {
                "type": "image",
                "source": {"type": "url", "url": "https://x/y.png"},
                "cache_control": {"type": "ephemeral"},
            },
        ),
        (
            {"type": "file", "file": {"file_data": "data:application/pdf;base64,QQ==", "filename": "a.pdf"}},
            {
                "type": "document",
                "source": {"type": "base64", "media_type": "application/pdf", "data": "QQ=="},
                "title": "a.pdf",
            },
        ),
        (
            {"type": "file", "file": {"file_data": "QQ=="}},
            {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "QQ=="}},
        ),
        (
            {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "d"}},
            {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "d"}},
        ),
    ],
)
def test_parts(part: dict[str, Any], block: dict[str, Any]) -> None:
    assert body(messages=[{"role": "user", "content": [part]}])["messages"][0]["content"] == [block]
