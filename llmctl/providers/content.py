"""Reading the inner dialect's messages, and writing its answers, for providers that must rewrite both."""

from collections.abc import Iterable
from typing import Any, NamedTuple, TypeVar

import msgspec

from llmctl.errors import UpstreamProtocolError, UpstreamUnsupported
from llmctl.model import chat
from llmctl.model.chat import Answer, Chunk
from llmctl.model.json import UNDECODABLE, JsonObject, decode, encode

T = TypeVar("T")


class DataUrl(NamedTuple):
    """A `data:` URL taken apart; `data` is still base64."""

    media_type: str
    data: str


class Head(NamedTuple):
    """What every chunk of one answer repeats."""

    id: str
    model: str
    created: int = 0


def data_url(url: str) -> DataUrl | None:
    """The parts of a base64 `data:` URL, or None for any other URL."""
    if not url.startswith("data:"):
        return None
    header, comma, data = url[5:].partition(",")
    media_type, *options = header.split(";")
    if not comma or "base64" not in options:
        return None
    return DataUrl(media_type or "application/octet-stream", data)


def parts(content: Any) -> list[JsonObject]:
    """Message content as a list of parts, whichever way it was written; text that is empty is left out."""
    if content is None or content == "":
        return []
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    return [part for part in content if part.get("type") != "text" or part.get("text")]


def text_of(content: Any) -> str:
    """The text of message content, other parts left out."""
    texts = (part.get("text") for part in parts(content))
    return "".join(text for text in texts if isinstance(text, str))


def extras(source: JsonObject, *known: str) -> JsonObject:
    """The fields of `source` that are not `known`: they travel on untouched."""
    return {key: value for key, value in source.items() if key not in known}


def arguments(provider: str, call: JsonObject) -> JsonObject:
    """A tool call's arguments as the object that providers other than OpenAI want."""
    text = word(provider, member(provider, call, "function"), "arguments")
    try:
        found = decode(text or "{}")
    except UNDECODABLE:
        found = None
    if not isinstance(found, dict):
        raise unsupported(
            provider,
            f"the arguments of tool call {call.get('id')!r} are not a JSON object; send them as the model wrote them",
            "messages",
        )
    return found


def member(provider: str, source: JsonObject, key: str) -> JsonObject:
    """The object in field `key`, empty where there is none. Raises UpstreamUnsupported where it is something else."""
    value = source.get(key)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise unsupported(provider, f"{key} must be an object, and is of type {type(value).__name__}", key)
    return value


def word(provider: str, source: JsonObject, key: str) -> str:
    """The string in field `key`, empty where there is none. Raises UpstreamUnsupported where it is something else."""
    value = source.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise unsupported(provider, f"{key} must be a string, and is of type {type(value).__name__}", key)
    return value


def unsupported(provider: str, what: str, param: str) -> UpstreamUnsupported:
    """The error for a request this provider has no way to serve."""
    return UpstreamUnsupported(f"provider {provider}: {what}", param=param)


def refuse(provider: str, payload: JsonObject, fields: Iterable[str]) -> None:
    """Raises where the client asked for something whose absence it would notice in the answer."""
    for field in fields:
        if payload.get(field):
            raise unsupported(provider, f"{field} is not available here; leave it out or choose another model", field)


def read(provider: str, decoder: msgspec.json.Decoder[T], data: bytes) -> T:
    """`data` as the provider's own JSON. Raises UpstreamProtocolError where it is not that."""
    try:
        return decoder.decode(data)
    except UNDECODABLE as error:
        raise UpstreamProtocolError(
            f"provider {provider} sent JSON that is not as its API documents it: {error}"
        ) from None


def completion(head: Head, choices: list[JsonObject], usage: JsonObject | None) -> Answer:
    """A whole answer."""
    body: JsonObject = {"id": head.id, "object": "chat.completion", "created": head.created, "model": head.model}
    body["choices"] = choices
    if usage is not None:
        body["usage"] = usage
    return chat.answer(encode(body))


def delta(head: Head, index: int, change: JsonObject, finish: str | None = None, **more: Any) -> Chunk:
    """A chunk that adds `change` to choice `index`; `more` are further fields of the choice."""
    return _chunk(head, [{"index": index, "delta": change, "finish_reason": finish, **more}], None)


def usage_chunk(head: Head, usage: JsonObject) -> Chunk:
    """The chunk, last of a stream, that carries token counts."""
    return _chunk(head, [], usage)


def _chunk(head: Head, choices: list[JsonObject], usage: JsonObject | None) -> Chunk:
    body: JsonObject = {"id": head.id, "object": "chat.completion.chunk", "created": head.created, "model": head.model}
    body["choices"] = choices
    if usage is not None:
        body["usage"] = usage
    return chat.chunk(encode(body))
