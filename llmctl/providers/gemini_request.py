"""The inner request as bodies for Google's Gemini API: https://ai.google.dev/api/generate-content"""

from typing import Any

import msgspec

from llmctl.model.json import JsonObject, decode
from llmctl.providers.base import Call
from llmctl.providers.content import arguments, data_url, extras, member, parts, refuse, text_of, unsupported, word

REFUSED = ("logprobs", "top_logprobs", "logit_bias", "audio", "functions")
# generationConfig's names for OpenAI's fields.
SAMPLING = {
    "temperature": "temperature",
    "top_p": "topP",
    "top_k": "topK",
    "n": "candidateCount",
    "seed": "seed",
    "presence_penalty": "presencePenalty",
    "frequency_penalty": "frequencyPenalty",
}
# Top-level fields that only Gemini knows, in both of the spellings its API accepts.
PASSED = {
    "safety_settings": "safetySettings",
    "safetySettings": "safetySettings",
    "cached_content": "cachedContent",
    "cachedContent": "cachedContent",
    "labels": "labels",
}
# Token budgets and levels that Google's own OpenAI endpoint gives these words.
BUDGETS = {"none": 0, "minimal": 1024, "low": 1024, "medium": 8192, "high": 24576, "xhigh": 24576, "max": 24576}
LEVELS = {"none": "minimal", "minimal": "minimal", "low": "low", "medium": "medium", "xhigh": "high", "max": "high"}
LEVELS["high"] = "high"
MODES = {"auto": "AUTO", "none": "NONE", "required": "ANY"}
MEDIA = {"pdf": "application/pdf", "mp4": "video/mp4", "mp3": "audio/mp3", "wav": "audio/wav"}
MEDIA |= {"png": "image/png", "webp": "image/webp", "heic": "image/heic", "heif": "image/heif", "gif": "image/gif"}
MEDIA |= {"jpg": "image/jpeg", "jpeg": "image/jpeg"}
# What Google documents for a history whose tool calls came from another model: newer models demand a signature.
UNSIGNED = "skip_thought_signature_validator"


def body_of(provider: str, call: Call) -> JsonObject:
    """The body of generateContent. Raises UpstreamUnsupported."""
    payload = call.payload
    refuse(provider, payload, REFUSED)
    if payload.get("parallel_tool_calls") is False and payload.get("tools"):
        what = "Gemini cannot be kept to one tool call at a time; leave parallel_tool_calls out"
        raise unsupported(provider, what, "parallel_tool_calls")
    system, contents = _conversation(provider, call)
    body: JsonObject = {"contents": contents}
    if system:
        body["systemInstruction"] = {"parts": system}
    if config := _generation(provider, call):
        body["generationConfig"] = config
    if tools := payload.get("tools"):
        body["tools"] = _tools(provider, tools)
        if payload.get("tool_choice") is not None:
            body["toolConfig"] = {"functionCallingConfig": _tool_choice(provider, payload["tool_choice"])}
    return body | {there: payload[here] for here, there in PASSED.items() if payload.get(here) is not None}


def embedding_body(provider: str, call: Call) -> JsonObject:
    """The body of batchEmbedContents. Raises UpstreamUnsupported."""
    wanted = call.payload.get("input")
    texts = [wanted] if isinstance(wanted, str) else wanted or []
    if not all(isinstance(text, str) for text in texts):
        raise unsupported(provider, "Gemini embeds text, not token numbers; send strings", "input")
    more = {}
    for here, there in (("dimensions", "outputDimensionality"), ("task_type", "taskType"), ("title", "title")):
        if call.payload.get(here) is not None:
            more[there] = call.payload[here]
    model = resource(call.model)
    return {"requests": [{"model": model, "content": {"parts": [{"text": text}]}, **more} for text in texts]}


def resource(model: str) -> str:
    """The model's resource name: `models/…` unless it says what it is."""
    return model if model.startswith(("models/", "tunedModels/")) else f"models/{model}"


def _generation(provider: str, call: Call) -> JsonObject:
    payload = call.payload
    config: JsonObject = {there: payload[here] for here, there in SAMPLING.items() if payload.get(here) is not None}
    limit = payload.get("max_completion_tokens")
    if (limit := limit if limit is not None else payload.get("max_tokens")) is not None:
        config["maxOutputTokens"] = limit
    if stop := payload.get("stop"):
        config["stopSequences"] = [stop] if isinstance(stop, str) else stop
    wanted = member(provider, payload, "response_format")
    if wanted.get("type") in ("json_object", "json_schema"):
        config["responseMimeType"] = "application/json"
    if wanted.get("type") == "json_schema":
        config["responseJsonSchema"] = member(provider, member(provider, wanted, "json_schema"), "schema")
    if thinking := _thinking(provider, call):
        config["thinkingConfig"] = thinking
    return config


def _thinking(provider: str, call: Call) -> JsonObject:
    """`thinkingConfig`: Gemini's own where the client wrote it, else from Anthropic's `thinking` or OpenAI's effort."""
    payload = call.payload
    own = payload.get("thinking_config") or payload.get("thinkingConfig")
    if isinstance(own, dict):
        return own
    found: JsonObject = {}
    effort, thinking = word(provider, payload, "reasoning_effort"), payload.get("thinking")
    if isinstance(thinking, dict):
        if thinking.get("type") == "disabled":
            return {"thinkingBudget": 0}
        found["includeThoughts"] = True
        if thinking.get("budget_tokens") is not None:
            return {**found, "thinkingBudget": thinking["budget_tokens"]}
    if effort:
        if effort not in BUDGETS:
            what = f"reasoning_effort {effort!r} is unknown; use {', '.join(BUDGETS)}"
            raise unsupported(provider, what, "reasoning_effort")
        found |= {"thinkingBudget": BUDGETS[effort]} if _by_budget(call.model) else {"thinkingLevel": LEVELS[effort]}
    return found


def _by_budget(model: str) -> bool:
    """Up to 2.5, thinking was set in tokens and tool calls needed no signature."""
    return resource(model).startswith(("models/gemini-1", "models/gemini-2"))


def _conversation(provider: str, call: Call) -> tuple[list[JsonObject], list[JsonObject]]:
    """(system parts, contents): tool results made user turns, neighbours of one role joined."""
    system: list[JsonObject] = []
    turns: list[JsonObject] = []
    names: dict[str, str] = {}
    for position, message in enumerate(call.payload.get("messages") or []):
        where = f"messages.{position}"
        role = message.get("role")
        if role == "tool":
            role, found = "user", [_result(provider, message, names, where)]
        else:
            found = [_part(provider, part, where) for part in parts(message.get("content"))]
        if role in ("system", "developer"):
            system += found
            continue
        if role == "assistant":
            role, found = "model", _signed(message, found) + _calls(provider, call.model, message, names)
        elif role != "user":
            raise unsupported(provider, f"{where} has role {role!r}; use tool calls instead of functions", where)
        if turns and turns[-1]["role"] == role:
            turns[-1]["parts"] += found
        elif found:
            turns.append({"role": role, "parts": found})
    return system, turns


def signature_of(source: JsonObject) -> str | None:
    """The thought signature kept where Google's own OpenAI endpoint keeps it."""
    found: Any = source
    for key in ("extra_content", "google", "thought_signature"):
        found = found.get(key) if isinstance(found, dict) else None
    return found if isinstance(found, str) else None


def _signed(message: JsonObject, found: list[JsonObject]) -> list[JsonObject]:
    if found and (signature := signature_of(message)):
        found[-1]["thoughtSignature"] = signature
    return found


def _calls(provider: str, model: str, message: JsonObject, names: dict[str, str]) -> list[JsonObject]:
    """Tool calls as parts. Of parallel calls only the first has to be signed."""
    found: list[JsonObject] = []
    for call in message.get("tool_calls") or []:
        identity, name = str(call.get("id") or ""), word(provider, member(provider, call, "function"), "name")
        names[identity] = name
        part: JsonObject = {"functionCall": {"id": identity, "name": name, "args": arguments(provider, call)}}
        signature = signature_of(call)
        if signature is None and not found and not _by_budget(model):
            signature = UNSIGNED
        found.append(part if signature is None else {**part, "thoughtSignature": signature})
    return found


def _result(provider: str, message: JsonObject, names: dict[str, str], where: str) -> JsonObject:
    """A tool's result; Gemini wants its name, which only the call it answers tells, and an object."""
    identity = str(message.get("tool_call_id") or "")
    name = names.get(identity) or word(provider, message, "name")
    if not name:
        what = f"{where} answers tool call {identity!r}, which no earlier message makes; send that message too"
        raise unsupported(provider, what, where)
    text = text_of(message.get("content"))
    try:
        value = decode(text)
    except msgspec.MsgspecError:
        value = text
    if message.get("is_error"):
        value = {"error": value}
    elif not isinstance(value, dict):
        value = {"output": value}
    response: JsonObject = {"id": identity, "name": name, "response": value}
    media = [part for part in parts(message.get("content")) if part.get("type") != "text"]
    if media:
        response["parts"] = [_part(provider, part, where) for part in media]
    return {"functionResponse": response}


def _part(provider: str, part: JsonObject, where: str) -> JsonObject:
    kind = part.get("type")
    if kind in ("text", "refusal"):
        return {"text": part.get(str(kind)) or ""}
    if kind in ("image_url", "video_url"):
        return _media(word(provider, member(provider, part, str(kind)), "url"))
    if kind == "input_audio":
        audio = member(provider, part, "input_audio")
        return {"inlineData": {"mimeType": f"audio/{audio.get('format') or 'wav'}", "data": audio.get("data") or ""}}
    file = member(provider, part, "file") if kind == "file" else {}
    for key in ("file_data", "file_url", "file_id"):
        if url := word(provider, file, key):
            return _media(url)
    what = f"{where} has a part of type {kind!r}; Gemini takes text, image_url, video_url, input_audio and file"
    raise unsupported(provider, what, where)


def _media(url: str) -> JsonObject:
    if found := data_url(url):
        return {"inlineData": {"mimeType": found.media_type, "data": found.data}}
    path = url.partition("?")[0]
    media_type = MEDIA.get(path.rpartition(".")[2].lower())
    return {"fileData": {"fileUri": url, **({"mimeType": media_type} if media_type else {})}}


def _tools(provider: str, tools: list[JsonObject]) -> list[JsonObject]:
    """Functions in one declaration; Gemini's own tools (`{"googleSearch": {}}`), which have no `type`, as they are."""
    functions, own = [], []
    for tool in tools:
        if tool.get("type") == "function":
            function = member(provider, tool, "function")
            declared = {key: function[key] for key in ("name", "description") if function.get(key) is not None}
            if function.get("parameters") is not None:
                declared["parametersJsonSchema"] = function["parameters"]
            functions.append(declared)
        elif "type" in tool:
            raise unsupported(provider, f"tools of type {tool['type']!r} are not Gemini's; use functions", "tools")
        else:
            own.append(extras(tool))
    return [*([{"functionDeclarations": functions}] if functions else []), *own]


def _tool_choice(provider: str, wanted: Any) -> JsonObject:
    if isinstance(wanted, str) and wanted in MODES:
        return {"mode": MODES[wanted]}
    if isinstance(wanted, dict) and wanted.get("type") == "function":
        return {"mode": "ANY", "allowedFunctionNames": [member(provider, wanted, "function").get("name")]}
    if isinstance(wanted, dict) and wanted.get("type") == "allowed_tools":
        allowed = member(provider, wanted, "allowed_tools")
        tools = allowed.get("tools")
        listed = [tool for tool in tools if isinstance(tool, dict)] if isinstance(tools, list) else []
        names = [member(provider, tool, "function").get("name") for tool in listed]
        return {"mode": "ANY" if allowed.get("mode") == "required" else "VALIDATED", "allowedFunctionNames": names}
    raise unsupported(provider, "tool_choice must be auto, none, required, a function or allowed_tools", "tool_choice")
