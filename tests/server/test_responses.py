from typing import Any

import msgspec
import pytest
from openai.types.chat import ChatCompletionMessageParam
from openai.types.responses import Response
from pydantic import TypeAdapter

from llmctl.errors import InvalidRequest, Unavailable
from llmctl.model import chat
from llmctl.model.exchange import Exchange
from llmctl.model.json import encode
from llmctl.model.trace import Trace
from llmctl.server.responses import UNSUPPORTED, ResponsesDialect

DIALECT = ResponsesDialect()
Json = dict[str, Any]


def parse(**fields: Any) -> Json:
    payload, raw = DIALECT.parse(encode({"model": "m", "input": "hi", **fields}))
    assert raw is None
    return payload


def exchange(payload: Json | None = None) -> Exchange:
    trace = Trace("0" * 32, "0" * 16)
    return Exchange("x1", "chat", "responses", payload or {}, None, trace, 0.0, 1.7e9, 9.0, requested_model="m")


def test_the_least_request() -> None:
    assert parse() == {"model": "m", "messages": [{"role": "user", "content": "hi"}]}


FUNCTION = {"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": True}
INNER_FUNCTION = {"name": "f", "parameters": {"type": "object"}, "strict": True}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"stream": True}, {"stream": True, "stream_options": {"include_usage": True}}),
        ({"max_output_tokens": 5}, {"max_completion_tokens": 5, "max_output_tokens": None}),
        ({"temperature": 0, "top_p": 1, "user": "u"}, {"temperature": 0, "top_p": 1, "user": "u"}),
        ({"reasoning": {"effort": "low", "summary": "auto"}}, {"reasoning_effort": "low", "reasoning": None}),
        ({"text": {"format": {"type": "text"}, "verbosity": "low"}}, {"response_format": None, "verbosity": "low"}),
        ({"text": {"format": {"type": "json_object"}}}, {"response_format": {"type": "json_object"}}),
        (
            {"text": {"format": {"type": "json_schema", "name": "n", "schema": {"type": "object"}, "strict": True}}},
            {
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {"name": "n", "schema": {"type": "object"}, "strict": True},
                }
            },
        ),
        ({"tools": [FUNCTION]}, {"tools": [{"type": "function", "function": INNER_FUNCTION}]}),
        ({"tool_choice": "required", "parallel_tool_calls": False}, {"tool_choice": "required"}),
        (
            {"tool_choice": {"type": "function", "name": "f"}},
            {"tool_choice": {"type": "function", "function": {"name": "f"}}},
        ),
        (
            {"tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "f"}]}},
            {
                "tool_choice": {
                    "type": "allowed_tools",
                    "allowed_tools": {"mode": "auto", "tools": [{"type": "function", "function": {"name": "f"}}]},
                }
            },
        ),
        ({"store": False, "include": ["reasoning.encrypted_content"]}, {"store": False, "include": None}),
        ({"truncation": "disabled", "previous_response_id": None}, {"truncation": None, "previous_response_id": None}),
    ],
)
def test_fields(given: Json, expected: Json) -> None:
    payload = parse(**given)
    assert {key: payload.get(key) for key in expected} == expected


def test_items() -> None:
    call = {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}", "id": "fc_1"}
    messages = parse(
        instructions="be brief",
        input=[
            {"role": "system", "content": "s"},
            {
                "type": "message",
                "role": "user",
                "content": [
                    {"type": "input_text", "text": "a"},
                    {"type": "input_image", "image_url": "data:image/png;base64,QQ==", "detail": "low"},
                    {"type": "input_file", "file_data": "data:application/pdf;base64,QQ==", "filename": "a.pdf"},
                ],
            },
            {"type": "reasoning", "id": "rs_1", "summary": []},
            {"role": "assistant", "content": [{"type": "output_text", "text": "calling", "annotations": []}]},
            call,
            {**call, "call_id": "c2"},
            {"type": "function_call_output", "call_id": "c1", "output": "one"},
            {"type": "function_call_output", "call_id": "c2", "output": [{"type": "input_text", "text": "two"}]},
            {**call, "call_id": "c3"},
        ],
    )["messages"]

    def inner(identity: str) -> Json:
        return {"id": identity, "type": "function", "function": {"name": "f", "arguments": "{}"}}

    assert messages == [
        {"role": "developer", "content": "be brief"},
        {"role": "system", "content": "s"},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "a"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,QQ==", "detail": "low"}},
                {"type": "file", "file": {"file_data": "data:application/pdf;base64,QQ==", "filename": "a.pdf"}},
            ],
        },
        {"role": "assistant", "content": "calling", "tool_calls": [inner("c1"), inner("c2")]},
        {"role": "tool", "tool_call_id": "c1", "content": "one"},
        {"role": "tool", "tool_call_id": "c2", "content": "two"},
        {"role": "assistant", "content": None, "tool_calls": [inner("c3")]},
    ]
    TypeAdapter(list[ChatCompletionMessageParam]).validate_python(messages)
    msgspec.convert({"model": "m", "messages": messages}, chat.ChatRequest)


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"model": 1}, "model"),
        ({"input": []}, "input"),
        ({"max_output_tokens": 0}, "max_output_tokens"),
        ({"truncation": "auto"}, "truncation"),
        ({"input": [{"type": "item_reference", "id": "a"}]}, "input.0.type"),
        ({"input": [{"content": "a"}]}, "input.0.type"),
        ({"input": [{"role": "robot", "content": "a"}]}, "input.0.role"),
        ({"input": [{"role": "user"}]}, "input.0.content"),
        ({"input": [{"role": "user", "content": [{"type": "input_audio"}]}]}, "input.0.content.0.type"),
        ({"input": [{"role": "user", "content": ["a"]}]}, "input.0.content.0"),
        (
            {"input": [{"role": "user", "content": [{"type": "input_image", "file_id": "f"}]}]},
            "input.0.content.0.file_id",
        ),
        ({"input": [{"type": "function_call", "call_id": "c", "name": "f"}]}, "input.0.arguments"),
        ({"tools": [{"type": "web_search"}]}, "tools.0.type"),
        ({"tools": [FUNCTION, {"type": "mcp"}]}, "tools.1.type"),
        ({"tool_choice": {"type": "file_search"}}, "tool_choice.type"),
        ({"tool_choice": "maybe"}, "tool_choice"),
        ({"text": {"format": {"type": "json_schema", "name": "n"}}}, "text.format.schema"),
        *(({field: "x"}, field) for field in UNSUPPORTED),
    ],
)
def test_what_is_wrong_or_missing_here_is_named(fields: Json, param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse(**fields)
    assert caught.value.param == param
    assert param in caught.value.message


def answer(message: Json, finish: str = "stop", payload: Json | None = None, usage: Json | None = None) -> Json:
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish}
    raw = encode({"id": "c1", "model": "served", "choices": [choice], "usage": usage})
    found = msgspec.json.decode(DIALECT.answer(exchange(payload), chat.answer(raw)))
    Response.model_validate(found)
    assert isinstance(found, dict)
    return found


def test_an_answer() -> None:
    usage = {"prompt_tokens": 30, "completion_tokens": 9, "prompt_tokens_details": {"cached_tokens": 20}}
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}
    payload = parse(
        tools=[FUNCTION],
        tool_choice={"type": "function", "name": "f"},
        parallel_tool_calls=False,
        max_output_tokens=7,
        metadata={"a": "b"},
        text={"format": {"type": "json_schema", "name": "n", "schema": {"type": "object"}}},
    )
    message = {"content": "text", "reasoning_content": "hm", "tool_calls": [call]}
    found = answer(message, "tool_calls", payload, usage)
    assert [(item["type"], item["id"]) for item in found["output"]] == [
        ("reasoning", "rs_x1_0"),
        ("message", "msg_x1_1"),
        ("function_call", "fc_x1_2"),
    ]
    assert found["output"][2] | {"id": ""} == {
        "type": "function_call",
        "id": "",
        "call_id": "c1",
        "name": "f",
        "arguments": '{"a":1}',
        "status": "completed",
    }
    assert (found["id"], found["status"], found["model"], found["created_at"]) == (
        "resp_x1",
        "completed",
        "served",
        1_700_000_000,
    )
    assert found["usage"] == {
        "input_tokens": 30,
        "input_tokens_details": {"cached_tokens": 20, "cache_write_tokens": 0},
        "output_tokens": 9,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 39,
    }
    assert found["tools"] == [FUNCTION]
    assert found["tool_choice"] == {"type": "function", "name": "f"}
    assert found["text"] == {"format": {"type": "json_schema", "name": "n", "schema": {"type": "object"}}}
    assert (found["parallel_tool_calls"], found["max_output_tokens"], found["metadata"]) == (False, 7, {"a": "b"})


@pytest.mark.parametrize(
    ("finish", "status", "reason"),
    [
        ("stop", "completed", None),
        ("length", "incomplete", {"reason": "max_output_tokens"}),
        ("content_filter", "incomplete", {"reason": "content_filter"}),
    ],
)
def test_status(finish: str, status: str, reason: Json | None) -> None:
    found = answer({"content": "a"}, finish)
    assert (found["status"], found["incomplete_details"]) == (status, reason)
    assert found["output"][0]["status"] == status


def test_a_refusal() -> None:
    content = answer({"content": None, "refusal": "no"})["output"][0]["content"]
    assert content == [{"type": "refusal", "refusal": "no"}]


def test_errors_are_openai_s() -> None:
    found = msgspec.json.decode(DIALECT.error(Unavailable("m"), "r1"))
    assert found == {"error": {"message": "m", "type": "overloaded_error", "param": None, "code": "unavailable"}}
