"""The wire format of OpenAI's `POST /v1/responses`, without state: https://platform.openai.com/docs/api-reference/responses"""

from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from llmctl.errors import LlmctlError
from llmctl.model.chat import Answer, ModelName
from llmctl.model.exchange import Exchange
from llmctl.model.json import JsonObject, encode
from llmctl.server.dialect import StreamEncoder
from llmctl.server.fields import checked, need, wrong
from llmctl.server.openai import error_envelope
from llmctl.server.responses_stream import ResponsesEncoder, call_item, item_id, message_item, reasoning_item, response

# Fields that mean the same on both sides.
PASSED = (
    "llmctl",
    "metadata",
    "model",
    "parallel_tool_calls",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "safety_identifier",
    "service_tier",
    "store",
    "temperature",
    "top_p",
    "user",
)
UNSUPPORTED = {
    "previous_response_id": "this gateway keeps no responses; send the whole conversation as input",
    "conversation": "this gateway keeps no conversations; send the whole conversation as input",
    "background": "this gateway answers while the client waits; leave background out",
    "prompt": "this gateway has no stored prompts; send instructions and input",
    "top_logprobs": "log probabilities are not available on this endpoint; use /v1/chat/completions",
    "moderation": "moderation is done by the gateway's own guards; leave it out",
    "context_management": "this gateway does not compact conversations; leave it out",
}


class _Format(Struct):
    type: str
    name: str | None = None
    schema: dict[str, Any] | None = None
    strict: bool | None = None
    description: str | None = None


class _Text(Struct):
    format: _Format | None = None
    verbosity: str | None = None


class _Reasoning(Struct):
    effort: str | None = None


class _Request(Struct):
    model: ModelName
    input: Annotated[str, Meta(min_length=1)] | Annotated[list[dict[str, Any]], Meta(min_length=1)]
    instructions: str | None = None
    stream: bool | None = None
    max_output_tokens: Annotated[int, Meta(ge=1)] | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: str | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    text: _Text | None = None
    reasoning: _Reasoning | None = None
    truncation: str | None = None


_REQUEST = msgspec.json.Decoder(_Request)


class ResponsesDialect:
    """Translates between the Responses format and the inner one."""

    def parse(self, body: bytes) -> tuple[JsonObject, bytes | None]:
        """The inner payload. What needs state or hosted tools is refused, by name."""
        request, source = checked(_REQUEST, body)
        for field, what in UNSUPPORTED.items():
            if source.get(field):
                wrong(field, what)
        if request.truncation == "auto":
            wrong("truncation", "only disabled is available: this gateway does not drop parts of a conversation")
        payload = {key: source[key] for key in PASSED if source.get(key) is not None}
        payload["messages"] = _messages(request)
        if request.max_output_tokens is not None:
            payload["max_completion_tokens"] = request.max_output_tokens
        if request.tools:
            payload["tools"] = [_tool(tool, f"tools.{position}") for position, tool in enumerate(request.tools)]
        if request.tool_choice is not None:
            payload["tool_choice"] = _tool_choice(request.tool_choice)
        if request.reasoning is not None and request.reasoning.effort is not None:
            payload["reasoning_effort"] = request.reasoning.effort
        if request.text is not None:
            _text_config(request.text, payload)
        if request.stream is not None:
            payload["stream"] = request.stream
        if request.stream:
            payload["stream_options"] = {"include_usage": True}
        return payload, None

    def answer(self, exchange: Exchange, answer: Answer) -> bytes:
        """A `response` object."""
        choice = answer.body.choices[0] if answer.body.choices else None
        message = choice.message if choice is not None else None
        finish = choice.finish_reason if choice is not None else None
        status = "incomplete" if finish in ("length", "content_filter") else "completed"
        output: list[JsonObject] = []
        if message is not None:
            if message.reasoning_content:
                output.append(reasoning_item(item_id("rs", exchange, 0), message.reasoning_content))
            content = message.content if isinstance(message.content, str) else None
            if content or message.refusal:
                identity = item_id("msg", exchange, len(output))
                output.append(message_item(identity, content or "", message.refusal or "", status))
            for call in message.tool_calls or []:
                identity, function = item_id("fc", exchange, len(output)), call.function
                name, given = (function.name, function.arguments) if function else (None, None)
                output.append(call_item(identity, call.id or identity, name or "", given or "", "completed"))
        return encode(response(exchange, answer.body.model, output, finish=finish, usage=answer.body.usage))

    def encoder(self, exchange: Exchange) -> StreamEncoder:
        """A fresh encoder of Responses events."""
        return ResponsesEncoder(exchange)

    def error(self, error: LlmctlError, request_id: str) -> bytes:
        """OpenAI's error envelope."""
        return error_envelope(error)


def _messages(request: _Request) -> list[JsonObject]:
    messages: list[JsonObject] = []
    if request.instructions:
        messages.append({"role": "developer", "content": request.instructions})
    if isinstance(request.input, str):
        return [*messages, {"role": "user", "content": request.input}]
    for position, item in enumerate(request.input):
        where = f"input.{position}"
        kind = item.get("type") or ("message" if "role" in item else None)
        if kind == "message":
            messages.append(_message(item, where))
        elif kind == "function_call":
            _append_call(messages, item, where)
        elif kind == "function_call_output":
            messages.append(_output(item, where))
        elif kind != "reasoning":
            what = f"{kind!r} is not supported; send message, function_call, function_call_output or reasoning"
            wrong(f"{where}.type", what)
    return messages


def _message(item: JsonObject, where: str) -> JsonObject:
    role = need(item, "role", str, where)
    if role not in ("user", "assistant", "system", "developer"):
        wrong(f"{where}.role", f"{role!r} is unknown; use user, assistant, system or developer")
    return {"role": role, "content": _content(item.get("content"), f"{where}.content")}


def _append_call(messages: list[JsonObject], item: JsonObject, where: str) -> None:
    """Calls follow the text they were made with, or each other, in one message."""
    function = {"name": need(item, "name", str, where), "arguments": need(item, "arguments", str, where)}
    call = {"id": need(item, "call_id", str, where), "type": "function", "function": function}
    if not messages or messages[-1]["role"] != "assistant":
        messages.append({"role": "assistant", "content": None})
    messages[-1].setdefault("tool_calls", []).append(call)


def _output(item: JsonObject, where: str) -> JsonObject:
    identity = need(item, "call_id", str, where)
    return {"role": "tool", "tool_call_id": identity, "content": _content(item.get("output"), f"{where}.output")}


def _content(content: Any, where: str) -> str | list[JsonObject]:
    """Parts as the inner dialect has them; one of nothing but text as that text."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        wrong(where, "must be a string or an array of parts")
    found = [_part(part, f"{where}.{position}") for position, part in enumerate(content)]
    if len(found) == 1 and found[0].keys() == {"type", "text"}:
        return str(found[0]["text"])
    return found


def _part(part: Any, where: str) -> JsonObject:
    if not isinstance(part, dict):
        wrong(where, "must be an object with a type")
    kind = part.get("type")
    if kind in ("input_text", "output_text", "text"):
        rest = {key: part[key] for key in ("cache_control", "prompt_cache_breakpoint") if key in part}
        return {"type": "text", "text": need(part, "text", str, where), **rest}
    if kind == "refusal":
        return {"type": "refusal", "refusal": need(part, "refusal", str, where)}
    if kind == "input_image":
        if part.get("file_id"):
            wrong(f"{where}.file_id", "this gateway stores no files; send image_url, which may be a data: URL")
        image = {"url": need(part, "image_url", str, where)}
        return {"type": "image_url", "image_url": image | ({"detail": part["detail"]} if part.get("detail") else {})}
    if kind == "input_file":
        file = {key: part[key] for key in ("file_data", "file_id", "filename") if part.get(key)}
        if "file_data" not in file and "file_id" not in file:
            wrong(f"{where}.file_data", "must hold the file; file_url is not supported")
        return {"type": "file", "file": file}
    wrong(f"{where}.type", f"{kind!r} is not supported; send input_text, input_image or input_file")


def _tool(tool: JsonObject, where: str) -> JsonObject:
    if tool.get("type") != "function":
        what = f"{tool.get('type')!r} is a tool that OpenAI hosts; only function tools are supported here"
        wrong(f"{where}.type", what)
    function: JsonObject = {"name": need(tool, "name", str, where)}
    keys = ("description", "parameters", "strict")
    return {"type": "function", "function": function | {key: tool[key] for key in keys if tool.get(key) is not None}}


def _tool_choice(choice: str | JsonObject) -> str | JsonObject:
    if isinstance(choice, str):
        if choice not in ("auto", "none", "required"):
            wrong("tool_choice", f"{choice!r} is unknown; use auto, none, required or a function")
        return choice
    if choice.get("type") == "function":
        return {"type": "function", "function": {"name": need(choice, "name", str, "tool_choice")}}
    if choice.get("type") == "allowed_tools":
        tools = [
            {"type": "function", "function": {"name": need(tool, "name", str, f"tool_choice.tools.{position}")}}
            for position, tool in enumerate(need(choice, "tools", list, "tool_choice"))
            if isinstance(tool, dict)
        ]
        return {"type": "allowed_tools", "allowed_tools": {"mode": choice.get("mode") or "auto", "tools": tools}}
    wrong("tool_choice.type", f"{choice.get('type')!r} is not supported; use function or allowed_tools")


def _text_config(text: _Text, payload: JsonObject) -> None:
    if text.verbosity is not None:
        payload["verbosity"] = text.verbosity
    wanted = text.format
    if wanted is None or wanted.type == "text":
        return
    if wanted.type == "json_object":
        payload["response_format"] = {"type": "json_object"}
        return
    if wanted.type != "json_schema":
        wrong("text.format.type", f"{wanted.type!r} is unknown; use text, json_schema or json_object")
    if wanted.schema is None:
        wrong("text.format.schema", "is missing; it is the JSON schema of the answer")
    schema: JsonObject = {"name": wanted.name or "output", "schema": wanted.schema}
    more = {"strict": wanted.strict, "description": wanted.description}
    schema |= {key: value for key, value in more.items() if value is not None}
    payload["response_format"] = {"type": "json_schema", "json_schema": schema}
