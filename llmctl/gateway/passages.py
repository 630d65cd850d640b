"""The texts of a request: where each comes from, and where it stands, so that it can be replaced."""

import re
from collections.abc import Iterator
from typing import Any

from msgspec import Struct

from llmctl.guards.base import Source
from llmctl.model.chat import Operation
from llmctl.model.json import UNDECODABLE, JsonObject, decode, encode

_SOURCES: dict[str, Source] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
    "tool": "tool",
    "function": "tool",
}
_MEDIA = frozenset({"image_url", "input_audio", "file", "image", "audio", "document", "video_url"})
_ATTACHED = _MEDIA | {"url", "data", "file_data", "file_id"}
_NOT_TEXT = frozenset(
    {"type", "id", "index", "signature", "thought_signature", "cache_control", "media_type", "format"}
    | {"encrypted_content"}
)
_NAMES = _NOT_TEXT | {"name", "$ref", "$schema", "$id", "$anchor", "pattern"}
_ENCRYPTED = ("redacted_thinking", "reasoning.encrypted")
# What is read elsewhere, and what says how to answer rather than anything. All else is read: a server may know it.
_SETTINGS = frozenset(
    {"model", "stream", "stream_options", "n", "temperature", "top_p", "top_k", "max_tokens", "max_completion_tokens"}
    | {"stop", "seed", "logprobs", "top_logprobs", "logit_bias", "presence_penalty", "frequency_penalty", "store"}
    | {"tool_choice", "parallel_tool_calls", "reasoning_effort", "verbosity", "modalities", "audio", "thinking"}
    | {"service_tier", "encoding_format", "dimensions", "mcp_servers", "tools", "functions", "response_format"}
)
_READ: dict[Operation, frozenset[str]] = {
    "chat": _SETTINGS | {"messages"},
    "completion": _SETTINGS | {"prompt"},
    "embedding": _SETTINGS | {"input"},
}
_BESIDE: dict[str, Source] = {"documents": "retrieved"}
_CALL = frozenset({"id", "type", "index", "function"})
_TOLD = ("name", "refusal", "reasoning_content", "reasoning")
_TURN = frozenset({"role", "content", "tool_calls", "function_call", "tool_call_id", "cache_control", *_TOLD})
_WORD = re.compile(r"[A-Za-z_]{0,32}")  # says nothing, and schemas list many
_ESCAPED = re.compile(r"\\u([0-9a-fA-F]{4})")
LONG_NUMBER = 10**6  # from here on a number may be somebody's


class Written(Struct):
    """JSON text whose strings are passages of their own; to be encoded again if one of them changes."""

    function: JsonObject
    value: list[Any]
    changed: bool = False


class Passage(Struct):
    """One text; `holder[key]` is where it stands, within JSON text if `written`."""

    source: Source
    text: str
    holder: Any
    key: Any
    written: Written | None = None


class Texts:
    """All texts of one request, and how many parts of it are no text (images, sound, token numbers)."""

    __slots__ = ("_messages", "_written", "passages", "unreadable")

    def __init__(self, payload: JsonObject, operation: Operation) -> None:
        self.passages: list[Passage] = []
        self._written: list[Written] = []
        self.unreadable = 0
        self._messages = 0
        if operation == "chat":
            for message in payload["messages"]:
                self._message(message)
            self._messages = len(self.passages)
        elif operation == "completion":
            self._content(payload, "prompt", "user")
            self._messages = len(self.passages)
        else:
            # What is embedded is a document more often than somebody's request.
            self._content(payload, "input", "retrieved")
        for key in ("tools", "functions", "response_format"):
            if key in payload:
                self._any(payload, key, "tool", _NAMES)  # examples can be poisoned like what a tool returns
        for key in payload:
            if key not in _READ[operation]:
                self._any(payload, key, _BESIDE.get(key, "user"))

    def replace(self, passage: Passage, text: str) -> None:
        """Put another text in a passage's place."""
        passage.text = text
        passage.holder[passage.key] = text
        if passage.written is not None:
            passage.written.changed = True

    def write_back(self) -> None:
        """Encode the JSON texts that have changed; after `replace`."""
        for one in self._written:
            if one.changed:
                one.function["arguments"] = encode(one.value[0]).decode()

    def of(self, *sources: Source) -> tuple[str, ...]:
        """What the messages from these sources say: no names, no descriptions of tools, nothing beside the messages."""
        messages = self.passages[: self._messages]
        return tuple(passage.text for passage in messages if passage.source in sources and passage.key != "name")

    def _message(self, message: JsonObject) -> None:
        source = _SOURCES[message["role"]]
        content = message.get("content")
        if type(content) is str:
            self.passages.append(Passage(source, content, message, "content"))
        elif content is not None:
            self._content(message, "content", source)
        if len(message) == 2 and "content" in message:
            return
        for key in _TOLD:
            if key in message:
                self._any(message, key, source)
        if message.get("function_call") is not None:
            self._function(message, "function_call", source)
        for call in message.get("tool_calls") or ():
            if call.get("function") is not None:
                self._function(call, "function", source)
            for key in call:
                if key not in _CALL:
                    self._any(call, key, source)
        for key in message:
            if key not in _TURN:
                self._any(message, key, source)

    def _content(self, holder: JsonObject, key: str, source: Source) -> None:
        value = holder.get(key)
        if isinstance(value, str):
            self.passages.append(Passage(source, value, holder, key))
        elif isinstance(value, list):
            for position, part in enumerate(value):
                if isinstance(part, str):
                    self.passages.append(Passage(source, part, value, position))
                elif isinstance(part, dict):
                    self._part(part, source)
                elif isinstance(part, list) and (inner := list(strings(part, source))):
                    self.passages += inner
                elif part is not None:
                    self.unreadable += 1
        elif isinstance(value, dict):
            self._part(value, source)

    def _part(self, part: JsonObject, source: Source) -> None:
        kind = part.get("type")
        if kind == "text" and len(part) == 2 and isinstance(text := part.get("text"), str):
            self.passages.append(Passage(source, text, part, "text"))
            return
        words = [one for one in strings(part, source) if one.key not in _NOT_TEXT]
        if isinstance(kind, str) and kind in _MEDIA:
            told = [one for one in words if one.key not in _ATTACHED or one.holder.get("type") == "text"]
            self.unreadable += len(told) < len(words) or not words
            words = told
        self.passages += words

    def _any(self, holder: JsonObject, key: str, source: Source, names: frozenset[str] = _NOT_TEXT) -> None:
        """Whatever a field says whose shape nobody here knows; not what stands under `names`."""
        value = holder[key]
        if isinstance(value, str):
            self.passages.append(Passage(source, value, holder, key))
        elif isinstance(value, dict | list):
            self.passages += [
                one
                for one in strings(value, source)
                if one.key not in names
                and not (one.key == "data" and one.holder.get("type") in _ENCRYPTED)
                and not (names is _NAMES and one.key != "description" and _WORD.fullmatch(one.text))
            ]

    def _function(self, holder: JsonObject, key: str, source: Source) -> None:
        function = holder[key]
        if not isinstance(function, dict):
            self._any(holder, key, source)
            return
        self._arguments(function, source)
        for beside in function:
            if beside not in ("name", "arguments"):
                self._any(function, beside, source)

    def _arguments(self, function: JsonObject, source: Source) -> None:
        text = function.get("arguments")
        if isinstance(text, dict | list):
            self.passages += strings(text, source)
        if not isinstance(text, str) or not text:
            return
        try:
            value = decode(text)
        except (*UNDECODABLE, UnicodeEncodeError):
            self.passages.append(Passage(source, unescaped(text), function, "arguments"))
            return
        if hides(text, value):
            function["arguments"] = encode(value).decode()
        written = Written(function, [value])
        self._written.append(written)
        for passage in strings(written.value, source):
            passage.written = written
            self.passages.append(passage)


def hides(text: str, value: Any) -> bool:
    """Whether JSON text says more than what it decodes to: of a name given twice only the last value is there."""
    return text.count('"') != encode(value).count(b'"') or "\\u0022" in text


def unescaped(text: str) -> str:
    """Text that is not quite JSON, such as the beginning of it, with letters for what JSON may write as numbers."""

    def plain(match: re.Match[str]) -> str:
        char = chr(int(match[1], 16))
        return char if char.isprintable() and char not in '"\\' else match[0]

    return _ESCAPED.sub(plain, text) if "\\u" in text else text


def strings(value: Any, source: Source) -> Iterator[Passage]:
    """Every string within decoded JSON, at whatever depth, and numbers so long that they may be a card's."""
    below = [iter(_pairs(value))]
    holders = [value]
    while below:
        for key, inner in below[-1]:
            if isinstance(inner, str):
                if inner:
                    yield Passage(source, inner, holders[-1], key)
            elif isinstance(inner, dict | list):
                below.append(iter(_pairs(inner)))
                holders.append(inner)
                break
            elif type(inner) is int and inner >= LONG_NUMBER:
                yield Passage(source, str(inner), holders[-1], key)
        else:
            below.pop()
            holders.pop()


def _pairs(value: Any) -> list[tuple[Any, Any]]:
    return list(value.items() if isinstance(value, dict) else enumerate(value))
