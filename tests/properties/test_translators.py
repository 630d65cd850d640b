"""Whatever a client sends, the translators either translate it or say which field is wrong; they never trip over it."""

import copy
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmctl.errors import InvalidRequest, UpstreamUnsupported
from llmctl.model.chat import ChatRequest
from llmctl.model.json import encode
from llmctl.providers.anthropic import Anthropic, AnthropicOptions
from llmctl.providers.base import Call
from llmctl.providers.gemini import Gemini, GeminiOptions
from llmctl.server.anthropic import AnthropicDialect
from llmctl.server.dialect import Dialect
from llmctl.server.openai import OpenAIDialect
from llmctl.server.responses import ResponsesDialect

PROVIDERS = (Anthropic("a", AnthropicOptions()), Gemini("g", GeminiOptions()))
PNG = {"type": "base64", "media_type": "image/png", "data": "QQ=="}
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}}

CHAT = {
    "model": "m",
    "stream": True,
    "messages": [
        {"role": "system", "content": "s"},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}},
                {"type": "image_url", "image_url": {"url": "https://x/y.png"}},
                {"type": "file", "file": {"file_data": "data:application/pdf;base64,QQ==", "filename": "a"}},
            ],
        },
        {
            "role": "assistant",
            "content": "t",
            "thinking_blocks": [{"index": 0, "type": "thinking", "thinking": "h", "signature": "s"}],
            "extra_content": {"google": {"thought_signature": "s"}},
            "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}],
        },
        {"role": "tool", "tool_call_id": "c", "content": "r", "is_error": True},
    ],
    "tools": [{"type": "function", "function": {"name": "f", "description": "d", "parameters": SCHEMA}}],
    "tool_choice": {"type": "allowed_tools", "allowed_tools": {"tools": [{"function": {"name": "f"}}]}},
    "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA}},
    "thinking": {"type": "enabled", "budget_tokens": 1024},
    "output_config": {"effort": "low"},
    "reasoning_effort": "low",
    "metadata": {"user_id": "u"},
    "service_tier": "auto",
    "stop": ["x"],
}
MESSAGES = {
    "model": "m",
    "max_tokens": 9,
    "system": [{"type": "text", "text": "s"}],
    "messages": [
        {
            "role": "user",
            "content": [{"type": "image", "source": PNG}, {"type": "document", "source": PNG, "title": "t"}],
        },
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "h", "signature": "s"},
                {"type": "text", "text": "t"},
                {"type": "tool_use", "id": "c", "name": "f", "input": {"a": 1}},
            ],
        },
        {
            "role": "user",
            "content": [
                {
                    "type": "tool_result",
                    "tool_use_id": "c",
                    "content": [{"type": "text", "text": "r"}],
                    "is_error": True,
                }
            ],
        },
    ],
    "tools": [{"name": "f", "description": "d", "input_schema": SCHEMA}],
    "tool_choice": {"type": "tool", "name": "f", "disable_parallel_tool_use": True},
    "output_config": {"effort": "low", "format": {"type": "json_schema", "schema": SCHEMA}},
    "thinking": {"type": "enabled", "budget_tokens": 1024},
    "metadata": {"user_id": "u"},
    "stop_sequences": ["x"],
}
RESPONSES = {
    "model": "m",
    "instructions": "i",
    "input": [
        {
            "role": "user",
            "content": [{"type": "input_text", "text": "a"}, {"type": "input_image", "image_url": "https://x"}],
        },
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "t"}]},
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c", "output": [{"type": "input_text", "text": "r"}]},
    ],
    "tools": [{"type": "function", "name": "f", "parameters": SCHEMA}],
    "tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "f"}]},
    "text": {"format": {"type": "json_schema", "name": "n", "schema": SCHEMA}, "verbosity": "low"},
    "reasoning": {"effort": "low"},
}
CASES: list[tuple[Dialect, dict[str, Any]]] = [
    (OpenAIDialect("chat"), CHAT),
    (AnthropicDialect(), MESSAGES),
    (ResponsesDialect(), RESPONSES),
]
JUNK: list[Any] = [None, True, 0, -1, 1.5, "", "x", [], [1], [[]], [None], {}, {"type": "x"}, [{}], ["x"]]


def paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where every node of a JSON value is, its root excepted."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield (*path, key)
        yield from paths(inner, (*path, key))


def replaced(source: dict[str, Any], path: tuple[Any, ...], junk: Any) -> dict[str, Any]:
    made = copy.deepcopy(source)
    at: Any = made
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = junk
    return made


def translate(dialect: Dialect, body: dict[str, Any]) -> None:
    try:
        payload, _ = dialect.parse(encode(body))
    except InvalidRequest as error:
        assert error.message  # noqa: PT017
        return
    msgspec.convert(payload | {"max_completion_tokens": None}, ChatRequest)
    for provider in PROVIDERS:
        try:
            provider.request(Call("chat", payload, "m", bool(payload.get("stream")), 0.0))
        except UpstreamUnsupported as error:
            assert error.param  # noqa: PT017


@pytest.mark.parametrize(("dialect", "body"), CASES, ids=["openai", "anthropic", "responses"])
def test_one_junk_value_anywhere(dialect: Dialect, body: dict[str, Any]) -> None:
    translate(dialect, body)
    for path in paths(body):
        for junk in JUNK:
            translate(dialect, replaced(body, path, junk))


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(CASES), st.data())
def test_several_junk_values(case: tuple[Dialect, dict[str, Any]], data: st.DataObject) -> None:
    dialect, body = case
    for _ in range(data.draw(st.integers(2, 4))):
        places = list(paths(body))
        body = replaced(body, data.draw(st.sampled_from(places)), data.draw(st.sampled_from(JUNK)))
    translate(dialect, body)
