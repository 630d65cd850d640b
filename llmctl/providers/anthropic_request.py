"""The inner request as a body for Anthropic's Messages API: https://platform.claude.com/docs/en/api/messages"""

from typing import Any

from llmctl.model.json import JsonObject
from llmctl.providers.base import Call
from llmctl.providers.content import arguments, data_url, extras, member, parts, refuse, unsupported, word
from llmctl.providers.openai import NATIVE

# Top-level fields that mean the same there as they do here, or that only Anthropic knows.
PASSED = (
    "cache_control",
    "container",
    "context_management",
    "diagnostics",
    "inference_geo",
    "mcp_servers",
    "speed",
    "temperature",
    "thinking",
    "top_k",
    "top_p",
    "user_profile_id",
)
EFFORTS = {"minimal": "low", "low": "low", "medium": "medium", "high": "high", "xhigh": "xhigh", "max": "max"}
TIERS = {"auto": "auto", "default": "standard_only", "standard_only": "standard_only"}
TOOL_CHOICES = {"auto": "auto", "none": "none", "required": "any"}
# What the rest of the body is made of, and what only OpenAI has. A client of Anthropic's dialect means any other field.
TRANSLATED = NATIVE | {"metadata", "output_config", "prompt_cache_options", "prompt_cache_retention", "service_tier"}
REFUSED = ("logprobs", "top_logprobs", "logit_bias", "audio", "functions")


def body_of(provider: str, call: Call, default_max_tokens: int) -> JsonObject:
    """The whole body. Raises UpstreamUnsupported."""
    payload = call.payload
    if call.operation != "chat":
        raise unsupported(provider, f"Anthropic has no {call.operation} API; choose another model", "model")
    if (payload.get("n") or 1) > 1:
        raise unsupported(provider, "Anthropic gives one answer a request; send n requests instead", "n")
    refuse(provider, payload, REFUSED)
    system, messages = conversation(provider, payload.get("messages") or [])
    body: JsonObject = {"model": call.model, "messages": messages}
    if system is not None:
        body["system"] = system
    passed = [key for key in payload if key not in TRANSLATED] if call.foreign else PASSED
    body |= {key: payload[key] for key in passed if payload.get(key) is not None}
    _output(provider, payload, body)
    body["max_tokens"] = _max_tokens(payload, body, default_max_tokens)
    if stop := payload.get("stop"):
        body["stop_sequences"] = [stop] if isinstance(stop, str) else stop
    if tools := payload.get("tools"):
        body["tools"] = [_tool(provider, tool) for tool in tools]
        if choice := _tool_choice(provider, payload):
            body["tool_choice"] = choice
    _account(payload, body)
    if call.stream:
        body["stream"] = True
    return body


def _max_tokens(payload: JsonObject, body: JsonObject, default: int) -> int:
    """Anthropic requires a limit, and that it leaves room beyond the thinking budget."""
    for key in ("max_completion_tokens", "max_tokens"):
        if payload.get(key) is not None:
            return int(payload[key])
    return default + _budget(body.get("thinking"))


def _budget(thinking: Any) -> int:
    budget = thinking.get("budget_tokens") if isinstance(thinking, dict) else None
    return budget if isinstance(budget, int) else 0


def _output(provider: str, payload: JsonObject, body: JsonObject) -> None:
    """`output_config`, from the client's own and from OpenAI's fields, which win; effort `none` turns thinking off."""
    config = dict(member(provider, payload, "output_config"))
    effort = word(provider, payload, "reasoning_effort")
    if effort == "none":
        body.setdefault("thinking", {"type": "disabled"})
    elif effort:
        if effort not in EFFORTS:
            known = ", ".join(("none", *EFFORTS))
            raise unsupported(provider, f"reasoning_effort {effort!r} is unknown; use {known}", "reasoning_effort")
        config["effort"] = EFFORTS[effort]
    wanted = member(provider, payload, "response_format")
    if wanted.get("type") == "json_schema":
        schema = member(provider, wanted, "json_schema")
        config["format"] = {"type": "json_schema", "schema": member(provider, schema, "schema")}
    elif wanted.get("type") == "json_object":
        what = "Anthropic has no JSON mode without a schema; send response_format of type json_schema"
        raise unsupported(provider, what, "response_format")
    if config:
        body["output_config"] = config


def _account(payload: JsonObject, body: JsonObject) -> None:
    """Anthropic's metadata knows one field, the end user's id; its tiers are fewer than OpenAI's."""
    metadata = payload.get("metadata")
    user = metadata.get("user_id") if isinstance(metadata, dict) else None
    user = user or payload.get("safety_identifier") or payload.get("user")
    if user:
        body["metadata"] = {"user_id": user}
    tier = payload.get("service_tier")
    if isinstance(tier, str) and tier in TIERS:
        body["service_tier"] = TIERS[tier]


def conversation(provider: str, messages: list[JsonObject]) -> tuple[str | list[JsonObject] | None, list[JsonObject]]:
    """(system, messages): system messages gathered, tool results made user turns, neighbours of one role joined."""
    system: list[JsonObject] = []
    turns: list[JsonObject] = []
    for position, message in enumerate(messages):
        where = f"messages.{position}"
        role = message.get("role")
        blocks = [_block(provider, part, where) for part in parts(message.get("content"))]
        if role in ("system", "developer"):
            system += blocks
            continue
        if role == "assistant":
            calls = [_tool_use(provider, item) for item in message.get("tool_calls") or []]
            thinking = _thinking(provider, message, where)
            blocks = [*thinking, *blocks, *calls]
        elif role == "tool":
            role, blocks = "user", [_tool_result(message, blocks)]
        elif role != "user":
            raise unsupported(provider, f"{where} has role {role!r}; use tool calls instead of functions", where)
        if turns and turns[-1]["role"] == role:
            turns[-1]["content"] += blocks
        elif blocks:
            turns.append({"role": role, "content": blocks})
    return _shortest(system) if system else None, [{**turn, "content": _shortest(turn["content"])} for turn in turns]


def _thinking(provider: str, message: JsonObject, where: str) -> list[JsonObject]:
    blocks = message.get("thinking_blocks") or []
    if not isinstance(blocks, list) or not all(isinstance(block, dict) for block in blocks):
        raise unsupported(provider, f"{where}.thinking_blocks must be an array of blocks, as they were given", where)
    return [extras(block, "index") for block in blocks]


def _shortest(blocks: list[JsonObject]) -> str | list[JsonObject]:
    """Text alone is written as a string, as people write it."""
    if len(blocks) == 1 and blocks[0].keys() == {"type", "text"} and blocks[0]["type"] == "text":
        return str(blocks[0]["text"])
    return blocks


def _block(provider: str, part: JsonObject, where: str) -> JsonObject:
    """One content part. What is Anthropic's own already, documents say, goes as it is."""
    kind = part.get("type")
    if kind == "refusal":
        return {"type": "text", "text": part.get("refusal") or ""}
    if kind == "image_url":
        url = word(provider, member(provider, part, "image_url"), "url")
        return {"type": "image", "source": _source(url), **extras(part, "type", "image_url")}
    if kind == "file":
        return _document(provider, part)
    if kind in ("input_audio", "audio", "video_url"):
        raise unsupported(provider, f"{where} has a part of type {kind}; Anthropic takes text, images and files", where)
    return part


def _source(url: str) -> JsonObject:
    if found := data_url(url):
        return {"type": "base64", "media_type": found.media_type, "data": found.data}
    return {"type": "url", "url": url}


def _document(provider: str, part: JsonObject) -> JsonObject:
    file = member(provider, part, "file")
    if file.get("file_id"):
        source = {"type": "file", "file_id": file["file_id"]}
    else:
        data = word(provider, file, "file_data")
        source = _source(data if data.startswith(("data:", "http")) else f"data:application/pdf;base64,{data}")
    named = {"title": file["filename"]} if file.get("filename") else {}
    return {"type": "document", "source": source, **named, **extras(part, "type", "file")}


def _tool_use(provider: str, call: JsonObject) -> JsonObject:
    name = member(provider, call, "function").get("name")
    rest = extras(call, "id", "type", "function", "index", "extra_content", "custom")
    return {"type": "tool_use", "id": call.get("id"), "name": name, "input": arguments(provider, call), **rest}


def _tool_result(message: JsonObject, blocks: list[JsonObject]) -> JsonObject:
    rest = extras(message, "role", "content", "tool_call_id", "name")
    result = {"type": "tool_result", "tool_use_id": message.get("tool_call_id"), **rest}
    return {**result, "content": _shortest(blocks)} if blocks else result


def _tool(provider: str, tool: JsonObject) -> JsonObject:
    """A function becomes a custom tool; Anthropic's own tools, told by their dated type, go as they are."""
    if tool.get("type") == "custom" and "input_schema" not in tool:
        raise unsupported(provider, "custom tools with free-form input are OpenAI's; use a function", "tools")
    if tool.get("type") != "function":
        return tool
    function = member(provider, tool, "function")
    schema = member(provider, function, "parameters") or {"type": "object", "properties": {}}
    rest = {key: function[key] for key in ("description", "strict") if function.get(key) is not None}
    return {"name": function.get("name"), **rest, "input_schema": schema, **extras(tool, "type", "function")}


def _tool_choice(provider: str, payload: JsonObject) -> JsonObject | None:
    wanted: Any = payload.get("tool_choice")
    serial = payload.get("parallel_tool_calls") is False
    if wanted is None and not serial:
        return None
    choice: JsonObject
    if isinstance(wanted, dict) and wanted.get("type") == "function":
        choice = {"type": "tool", "name": member(provider, wanted, "function").get("name")}
    elif wanted is None or (isinstance(wanted, str) and wanted in TOOL_CHOICES):
        choice = {"type": TOOL_CHOICES[wanted or "auto"]}
    else:
        what = "tool_choice must be auto, none, required or one function here"
        raise unsupported(provider, what, "tool_choice")
    if serial and choice["type"] != "none":
        choice["disable_parallel_tool_use"] = True
    return choice
