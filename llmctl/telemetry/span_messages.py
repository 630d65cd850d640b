"""What was asked and answered, in the shape the GenAI conventions give messages: a role and a list of parts.

Source: gen-ai-input-messages.json and gen-ai-output-messages.json of open-telemetry/semantic-conventions-genai. What
has another shape than OpenAI's dialect is passed on as a part of its own type, never guessed at.
"""

from collections.abc import Iterator
from typing import Any

from llmctl.model.json import JsonObject

FINISH = {"tool_calls": "tool_call", "function_call": "tool_call"}


def asked(request: Any) -> list[JsonObject]:
    """The messages of a request: a chat's, or the prompt or input of other operations as its user's."""
    if not isinstance(request, dict):
        return []
    messages = request.get("messages")
    if isinstance(messages, list):
        return [_message(one) for one in messages if isinstance(one, dict)]
    said = request.get("prompt", request.get("input"))
    texts = said if isinstance(said, list) and all(isinstance(one, str) for one in said) else [said]
    return [{"role": "user", "parts": list(_content(one))} for one in texts if one]


def answered(response: Any) -> list[JsonObject]:
    """The messages of an answer, one for each choice."""
    choices = response.get("choices") if isinstance(response, dict) else None
    if not isinstance(choices, list):
        return []
    return [_choice(one) for one in choices if isinstance(one, dict)]


def _choice(choice: JsonObject) -> JsonObject:
    said = choice.get("message")
    message = _message(said if isinstance(said, dict) else {"content": choice.get("text")}, "assistant")
    finish = choice.get("finish_reason")
    return message | {"finish_reason": FINISH.get(finish, finish) if isinstance(finish, str) else "error"}


def _message(message: JsonObject, role: str = "user") -> JsonObject:
    thoughts = (message.get(name) for name in ("reasoning_content", "reasoning"))
    parts: list[JsonObject] = [{"type": "reasoning", "content": one} for one in thoughts if one]
    if message.get("role") == "tool":
        parts.append({"type": "tool_call_response", "id": message.get("tool_call_id"), "response": _plain(message)})
    else:
        parts += _content(message.get("content"))
    if isinstance(refusal := message.get("refusal"), str) and refusal:
        parts.append({"type": "refusal", "content": refusal})
    if isinstance(calls := message.get("tool_calls"), list):
        parts += [_call(one) for one in calls if isinstance(one, dict)]
    said = {"role": message.get("role") or role, "parts": parts}
    return said | ({"name": message["name"]} if isinstance(message.get("name"), str) else {})


def _content(content: Any) -> Iterator[JsonObject]:
    if isinstance(content, str):
        if content:
            yield {"type": "text", "content": content}
    elif isinstance(content, list):
        for part in content:
            yield _part(part)
    elif content is not None:
        yield {"type": "other", "content": content}


def _part(part: Any) -> JsonObject:
    if not isinstance(part, dict):
        return {"type": "other", "content": part}
    if part.get("type") == "text" and isinstance(part.get("text"), str):
        return {"type": "text", "content": part["text"]}
    image = part.get("image_url")
    url = image.get("url") if isinstance(image, dict) else None
    if isinstance(url, str) and not url.startswith("data:"):
        return {"type": "uri", "modality": "image", "uri": url}
    return {"type": "other"} | part


def _call(call: JsonObject) -> JsonObject:
    function = call.get("function")
    function = function if isinstance(function, dict) else {}
    return {
        "type": "tool_call",
        "id": call.get("id"),
        "name": function.get("name") or "",
        "arguments": function.get("arguments"),
    }


def _plain(message: JsonObject) -> Any:
    """A tool's result: its text where that is all there is."""
    parts = list(_content(message.get("content")))
    return "".join(part["content"] for part in parts) if all(part["type"] == "text" for part in parts) else parts
