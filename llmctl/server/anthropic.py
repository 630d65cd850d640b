"""The wire format of Anthropic's `POST /v1/messages`: https://platform.claude.com/docs/en/api/messages"""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from llmctl.errors import LlmctlError
from llmctl.model.chat import Answer, ModelName
from llmctl.model.exchange import Exchange
from llmctl.model.json import JsonObject, decode, encode
from llmctl.server.anthropic_stream import (
    AnthropicEncoder,
    envelope,
    message_head,
    more_of,
    stop_of,
    usage_of,
)
from llmctl.server.dialect import StreamEncoder
from llmctl.server.fields import checked, need, wrong

TOOL_CHOICES = {"auto": "auto", "any": "required", "none": "none"}
# Fields that this dialect names otherwise; every other one travels on under its own name.
RENAMED = ("system", "stop_sequences", "tools", "tool_choice", "output_config", "max_tokens", "messages", "stream")


class _Turn(Struct):
    role: Literal["user", "assistant", "system"]
    content: str | list[dict[str, Any]]


class _ToolChoice(Struct):
    type: Literal["auto", "any", "tool", "none"]
    name: str | None = None
    disable_parallel_tool_use: bool | None = None


class _OutputConfig(Struct):
    effort: str | None = None
    format: dict[str, Any] | None = None


class _Request(Struct):
    model: ModelName
    max_tokens: Annotated[int, Meta(ge=0)]
    messages: Annotated[list[_Turn], Meta(min_length=1)]
    system: str | list[dict[str, Any]] | None = None
    stream: bool | None = None
    temperature: Annotated[float, Meta(ge=0, le=1)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    top_k: Annotated[int, Meta(ge=0)] | None = None
    stop_sequences: list[str] | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: _ToolChoice | None = None
    output_config: _OutputConfig | None = None
    thinking: dict[str, Any] | None = None
    metadata: dict[str, Any] | None = None


_REQUEST = msgspec.json.Decoder(_Request)


class AnthropicDialect:
    """Translates between Anthropic's wire format and the inner one."""

    def parse(self, body: bytes) -> tuple[JsonObject, bytes | None]:
        """The inner payload. Fields nobody here knows are kept, for a provider that does."""
        request, source = checked(_REQUEST, body)
        payload = {key: value for key, value in source.items() if key not in RENAMED}
        payload["messages"] = _messages(request)
        payload["max_completion_tokens"] = request.max_tokens
        if request.stop_sequences:
            payload["stop"] = request.stop_sequences
        if request.tools:
            payload["tools"] = [_tool(tool, f"tools.{position}") for position, tool in enumerate(request.tools)]
        _choose(request, payload)
        _shape(source.get("output_config") or {}, payload)
        if request.stream is not None:
            payload["stream"] = request.stream
        if request.stream:
            payload["stream_options"] = {"include_usage": True}
        return payload, None

    def answer(self, exchange: Exchange, answer: Answer) -> bytes:
        """A `message` object."""
        content: list[JsonObject] = []
        more = more_of(answer.raw)
        choice = answer.body.choices[0] if answer.body.choices else None
        message = choice.message if choice is not None else None
        if message is not None:
            content += more.thinking or _unsigned(message.reasoning_content)
            text = _text(message.content) + (message.refusal or "")
            content += [{"type": "text", "text": text}] if text else []
            for position, call in enumerate(message.tool_calls or []):
                function = call.function
                used = {"type": "tool_use", "id": call.id or f"toolu_{exchange.id}_{position}"}
                used["name"] = (function.name if function else None) or ""
                given = _object(function.arguments if function else None)
                content.append({**used, "input": given, **more.call(position)})
        reason = stop_of(choice.finish_reason if choice else None, more)
        head = message_head(exchange, answer.body)
        stopped = {"stop_reason": reason, "stop_sequence": more.stop_sequence}
        return encode({**head, "content": content, **stopped, "usage": usage_of(answer.body.usage)})

    def encoder(self, exchange: Exchange) -> StreamEncoder:
        """A fresh encoder of Anthropic's events."""
        return AnthropicEncoder(exchange)

    def error(self, error: LlmctlError, request_id: str) -> bytes:
        """Anthropic's error envelope."""
        return envelope(error, request_id)


def _text(content: str | list[Any] | None) -> str:
    if isinstance(content, list):
        return "".join(part.get("text") or "" for part in content if isinstance(part, dict))
    return content or ""


def _unsigned(reasoning: str | None) -> list[JsonObject]:
    """Reasoning of models that do not sign it."""
    return [{"type": "thinking", "thinking": reasoning, "signature": ""}] if reasoning else []


def _object(arguments: str | None) -> JsonObject:
    """A tool's input must be an object here; arguments that are none are shown as what they are."""
    try:
        found = decode(arguments or "{}")
    except msgspec.DecodeError:
        found = None
    return found if isinstance(found, dict) else {"invalid_arguments": arguments}


def _messages(request: _Request) -> list[JsonObject]:
    messages: list[JsonObject] = []
    if request.system:
        messages.append({"role": "system", "content": _content(request.system, "system")})
    for position, turn in enumerate(request.messages):
        where = f"messages.{position}.content"
        if turn.role == "assistant":
            messages += _assistant(turn.content, where)
        elif turn.role == "user":
            messages += _user(turn.content, where)
        else:
            messages.append({"role": turn.role, "content": _content(turn.content, where)})
    return messages


def _content(content: str | list[JsonObject], where: str) -> str | list[JsonObject]:
    """Blocks as parts; one block of nothing but text as that text."""
    if isinstance(content, str):
        return content
    found = [_part(block, f"{where}.{position}") for position, block in enumerate(content)]
    if len(found) == 1 and found[0].keys() == {"type", "text"}:
        return str(found[0]["text"])
    return found


def _rest(block: JsonObject, *known: str) -> JsonObject:
    return {key: value for key, value in block.items() if key not in known}


def _part(block: Any, where: str) -> JsonObject:
    """One block. What OpenAI's format has no word for keeps its own shape."""
    if not isinstance(block, dict):
        wrong(where, "must be an object with a type")
    kind = need(block, "type", str, where)
    if kind == "text":
        need(block, "text", str, where)
    if kind not in ("image", "document"):
        return dict(block)
    source = need(block, "source", dict, where)
    if source.get("type") == "base64":
        data = need(source, "data", str, f"{where}.source")
        url = f"data:{need(source, 'media_type', str, f'{where}.source')};base64,{data}"
    elif source.get("type") == "url" and kind == "image":
        url = need(source, "url", str, f"{where}.source")
    else:
        return dict(block)
    if kind == "image":
        return {"type": "image_url", "image_url": {"url": url}, **_rest(block, "type", "source")}
    named = {"filename": block["title"]} if block.get("title") else {}
    return {"type": "file", "file": {"file_data": url, **named}, **_rest(block, "type", "source", "title")}


def _user(content: str | list[JsonObject], where: str) -> list[JsonObject]:
    """Tool results become messages of their own, before the rest of the turn."""
    if isinstance(content, str):
        return [{"role": "user", "content": content}]
    results: list[JsonObject] = []
    others: list[JsonObject] = []
    for position, block in enumerate(content):
        if block.get("type") != "tool_result":
            others.append(block)
            continue
        at = f"{where}.{position}"
        given = block.get("content")
        if given is not None and not isinstance(given, (str, list)):
            wrong(f"{at}.content", "must be a string or an array of blocks")
        result: JsonObject = {"role": "tool", "tool_call_id": need(block, "tool_use_id", str, at)}
        result["content"] = _content(given or "", f"{at}.content")
        results.append(result | _rest(block, "type", "tool_use_id", "content"))
    if others or not results:
        results.append({"role": "user", "content": _content(others, where)})
    return results


def _assistant(content: str | list[JsonObject], where: str) -> list[JsonObject]:
    """One message; more where thinking follows text, so that a provider can put blocks back in their order."""
    if isinstance(content, str):
        return [{"role": "assistant", "content": content}]
    messages: list[JsonObject] = [{"role": "assistant"}]
    for position, block in enumerate(content):
        at = f"{where}.{position}"
        kind = need(block, "type", str, at)
        last = messages[-1]
        if kind in ("thinking", "redacted_thinking"):
            if "content" in last and "tool_calls" not in last:
                messages.append(last := {"role": "assistant"})
            last.setdefault("thinking_blocks", []).append(block)
        elif kind == "tool_use":
            last.setdefault("tool_calls", []).append(_call(block, at))
        else:
            last.setdefault("content", []).append(_part(block, at))
    for message in messages:
        message["content"] = _content(message["content"], where) if "content" in message else None
        thoughts = (block.get("thinking") for block in message.get("thinking_blocks") or [])
        if reasoning := "".join(thought for thought in thoughts if isinstance(thought, str)):
            message["reasoning_content"] = reasoning
    return messages


def _call(block: JsonObject, where: str) -> JsonObject:
    given = encode(need(block, "input", dict, where)).decode()
    function = {"name": need(block, "name", str, where), "arguments": given}
    identity = need(block, "id", str, where)
    return {"id": identity, "type": "function", "function": function, **_rest(block, "type", "id", "name", "input")}


def _tool(tool: JsonObject, where: str) -> JsonObject:
    """A custom tool becomes a function; Anthropic's own tools keep their shape."""
    if tool.get("type") not in (None, "custom"):
        return tool
    function: JsonObject = {"name": need(tool, "name", str, where)}
    function |= {key: tool[key] for key in ("description", "strict") if tool.get(key) is not None}
    function["parameters"] = need(tool, "input_schema", dict, where)
    rest = _rest(tool, "type", "name", "description", "strict", "input_schema")
    return {"type": "function", "function": function, **rest}


def _choose(request: _Request, payload: JsonObject) -> None:
    choice = request.tool_choice
    if choice is None:
        return
    if choice.type == "tool":
        if choice.name is None:
            wrong("tool_choice.name", "is missing; name the tool to use")
        payload["tool_choice"] = {"type": "function", "function": {"name": choice.name}}
    else:
        payload["tool_choice"] = TOOL_CHOICES[choice.type]
    if choice.disable_parallel_tool_use:
        payload["parallel_tool_calls"] = False


def _shape(config: JsonObject, payload: JsonObject) -> None:
    """`output_config`: effort and format under OpenAI's names, what else it has under its own."""
    if config.get("effort") is not None:
        payload["reasoning_effort"] = config["effort"]
    wanted = config.get("format")
    if wanted is not None:
        if wanted.get("type") != "json_schema":
            wrong("output_config.format.type", "must be json_schema")
        schema = {"name": "output", "schema": need(wanted, "schema", dict, "output_config.format"), "strict": True}
        payload["response_format"] = {"type": "json_schema", "json_schema": schema}
    if rest := _rest(config, "effort", "format"):
        payload["output_config"] = rest
