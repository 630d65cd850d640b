"""A stream as the complete answer that the same request would have got without streaming."""

from typing import Any

from llmctl.gateway.replayed import ENDS
from llmctl.gateway.tally import Tally
from llmctl.model import chat
from llmctl.model.chat import Answer, Chunk
from llmctl.model.json import JsonObject, decode, encode

KNOWN = frozenset({"role", "content", "refusal", "reasoning_content", "reasoning"})
CALL = frozenset({"index", "id", "type", "function", "custom"})
"""What of a delta, and of a tool call in it, can be put together again."""
AROUND = frozenset({"index", "delta", "text", "finish_reason", *ENDS})

DROPPED = frozenset({"object", "choices", "usage", "obfuscation"})
"""What of a chunk is not the answer's."""


class Gathered:
    """Collects chunks. A stream that says more than we know how to put together gives no answer."""

    def __init__(self) -> None:
        self._tally = Tally(keep_content=True)
        self._head: JsonObject | None = None
        self._ends: dict[int, JsonObject] = {}
        self._usage: Any = None
        self._legacy = False
        self._lossy = False

    def add(self, batch: list[Chunk]) -> None:
        """Take note of chunks that pass by."""
        self._tally.add(batch)
        for chunk in batch:
            body: JsonObject = decode(chunk.raw)
            if self._head is None:
                self._head = body
            elif body.keys() - self._head.keys():
                self._head = {**body, **self._head}  # said once, late: sources, say
            if body.get("usage") is not None:
                self._usage = body["usage"]
            for choice in body.get("choices", ()):
                self._look(choice)

    def answer(self) -> Answer | None:
        """The complete answer, once the stream has ended."""
        if self._head is None or self._lossy:
            return None
        choices = [self._choice(decode(encode(choice))) for choice in self._tally.choices()]
        kept = {name: value for name, value in self._head.items() if name not in DROPPED}
        body = kept | {"object": "text_completion" if self._legacy else "chat.completion", "choices": choices}
        return chat.answer(encode(body if self._usage is None else body | {"usage": self._usage}))

    def _look(self, choice: JsonObject) -> None:
        delta = choice.get("delta")
        self._legacy = self._legacy or (delta is None and "text" in choice)
        more = [name for name, value in choice.items() if name not in AROUND and value is not None]
        self._lossy = self._lossy or bool(more) or _strange(delta or {})
        if choice.get("finish_reason") is not None:
            end = {name: choice[name] for name in ENDS if choice.get(name) is not None}
            self._ends.setdefault(choice.get("index", 0), {}).update(end)

    def _choice(self, said: JsonObject) -> JsonObject:
        index = said.get("index", 0)
        message: JsonObject = {"role": "assistant", "content": None} | said.get("message", {})
        for call in message.get("tool_calls", ()):
            call.pop("index", None)
        what: JsonObject = {"text": message["content"] or ""} if self._legacy else {"message": message}
        return {"index": index, **what, "finish_reason": None, **self._ends.get(index, {})}


def _strange(delta: JsonObject) -> bool:
    """Whether it says what cannot be put together: fields we do not know, parts in the place of a text."""
    for name, value in delta.items():
        if name == "tool_calls":
            if any(call.keys() - CALL for call in value or ()):
                return True
        elif value is not None and not (name in KNOWN and isinstance(value, str)):
            return True
    return False
