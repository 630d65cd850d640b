"""Writing Anthropic's event stream: https://platform.claude.com/docs/en/build-with-claude/streaming"""

from typing import Any

import msgspec
from msgspec import Struct

from llmctl.errors import LlmctlError
from llmctl.model.chat import AnswerBody, Choice, Chunk, ToolCall, WireUsage
from llmctl.model.exchange import Exchange
from llmctl.model.json import JsonObject, encode
from llmctl.net.sse import frame

STOPS = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use", "function_call": "tool_use"}
STOPS["content_filter"] = "refusal"
NATIVE = (
    "end_turn",
    "max_tokens",
    "stop_sequence",
    "tool_use",
    "pause_turn",
    "refusal",
    "model_context_window_exceeded",
)
ERRORS = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
    529: "overloaded_error",
}
# Only answers that came from Anthropic have any of these.
MARKS = (b'"thinking_blocks"', b'"native_finish_reason"', b'"caller"', b'"toolset_name"')


class _Said(Struct):
    thinking_blocks: list[dict[str, Any]] = []
    tool_calls: list[dict[str, Any]] | None = None


class _Choice(Struct):
    message: _Said | None = None
    delta: _Said | None = None
    native_finish_reason: str | None = None
    stop_sequence: str | None = None


class _Body(Struct):
    choices: list[_Choice] = []


class More(Struct, frozen=True):
    """What an answer from Anthropic has beyond the inner dialect's typed fields."""

    thinking: list[JsonObject] = []
    native: str | None = None
    stop_sequence: str | None = None
    calls: list[JsonObject] = []

    def call(self, position: int) -> JsonObject:
        """The further fields of a tool call."""
        found = self.calls[position] if position < len(self.calls) else {}
        return {key: found[key] for key in ("caller", "toolset_name") if key in found}


NOTHING = More()
_MORE = msgspec.json.Decoder(_Body)


def more_of(raw: bytes) -> More:
    """Reads `raw` again for those fields, if it has any."""
    if not any(mark in raw for mark in MARKS):
        return NOTHING
    choices = _MORE.decode(raw).choices
    if not choices:
        return NOTHING
    choice = choices[0]
    said = choice.message or choice.delta or _Said()
    thinking = [{key: block[key] for key in block if key != "index"} for block in said.thinking_blocks]
    return More(thinking, choice.native_finish_reason, choice.stop_sequence, said.tool_calls or [])


def stop_of(finish: str | None, more: More) -> str:
    """Anthropic's stop reason: its own if it gave one, unless something here has stopped the answer since."""
    if more.native in NATIVE and finish != "content_filter":
        return more.native
    return STOPS.get(finish or "stop", "end_turn")


def usage_of(usage: WireUsage | None) -> JsonObject:
    """Counts as Anthropic writes them: `input_tokens` excludes what the cache read and wrote."""
    if usage is None:
        return {"input_tokens": 0, "output_tokens": 0}
    counts = usage.partition()
    return {
        "input_tokens": counts.input,
        "cache_creation_input_tokens": counts.cached_write,
        "cache_read_input_tokens": counts.cached_read,
        "output_tokens": counts.completion,
        "output_tokens_details": {"thinking_tokens": counts.reasoning},
    }


def message_head(exchange: Exchange, body: AnswerBody) -> JsonObject:
    """The fields that say whose message this is."""
    model = body.model or exchange.served_model or exchange.requested_model
    return {"id": body.id or f"msg_{exchange.id}", "type": "message", "role": "assistant", "model": model}


def envelope(error: LlmctlError, request_id: str) -> bytes:
    """Anthropic's error object."""
    status = error.http_status
    kind = ERRORS.get(status) or ("api_error" if status >= 500 else "invalid_request_error")
    return encode({"type": "error", "error": {"type": kind, "message": error.message}, "request_id": request_id})


def event(name: str, /, **fields: Any) -> bytes:
    """One event, which repeats its name as `type`."""
    return frame(encode({"type": name, **fields}), name)


class AnthropicEncoder:
    """Writes one stream. Blocks follow each other; one is closed when the next begins."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._begun = False
        self._next = 0
        self._open = ""
        self._calls: dict[int, int] = {}
        self._stop: str | None = None
        self._sequence: str | None = None
        self._usage: WireUsage | None = None

    def feed(self, chunks: list[Chunk]) -> bytes:
        """The events these chunks become."""
        out = b""
        for chunk in chunks:
            out += self._begin(chunk.body)
            self._usage = chunk.body.usage or self._usage
            for choice in chunk.body.choices:
                if choice.index == 0:
                    out += self._choice(choice, more_of(chunk.raw))
        return out

    def finish(self) -> bytes:
        """Closes the open block and the message; usage is cumulative and comes here."""
        out = self._begin(AnswerBody()) + self._close()
        stopped = {"stop_reason": self._stop or "end_turn", "stop_sequence": self._sequence}
        return out + event("message_delta", delta=stopped, usage=usage_of(self._usage)) + event("message_stop")

    def error(self, error: LlmctlError, request_id: str) -> bytes:
        """An error event; the message is left open, as it is not complete."""
        return frame(envelope(error, request_id), "error")

    def _begin(self, body: AnswerBody) -> bytes:
        if self._begun:
            return b""
        self._begun = True
        empty: JsonObject = {"content": [], "stop_reason": None, "stop_sequence": None, "usage": usage_of(None)}
        return event("message_start", message={**message_head(self._exchange, body), **empty})

    def _choice(self, choice: Choice, more: More) -> bytes:
        out = b""
        said = choice.delta or choice.message
        if said is not None:
            if said.reasoning_content:
                out += self._switch("thinking", {"type": "thinking", "thinking": "", "signature": ""})
                out += self._delta(type="thinking_delta", thinking=said.reasoning_content)
            for block in more.thinking:
                out += self._thinking(block)
            for text in (said.content, said.refusal):
                if isinstance(text, str) and text:
                    out += self._switch("text", {"type": "text", "text": ""})
                    out += self._delta(type="text_delta", text=text)
            for position, call in enumerate(said.tool_calls or []):
                out += self._call(call, more.call(position))
        if choice.finish_reason is not None:
            self._stop = stop_of(choice.finish_reason, more)
            self._sequence = more.stop_sequence
        return out

    def _thinking(self, block: JsonObject) -> bytes:
        """A complete block: its text has been streamed already, its signature closes it."""
        if block.get("type") != "thinking":
            return self._switch("redacted", block) + self._close()
        out = b""
        if self._open != "thinking":
            out = self._switch("thinking", {"type": "thinking", "thinking": "", "signature": ""})
            if block.get("thinking"):
                out += self._delta(type="thinking_delta", thinking=block["thinking"])
        return out + self._delta(type="signature_delta", signature=block.get("signature") or "") + self._close()

    def _call(self, call: ToolCall, more: JsonObject) -> bytes:
        """A fragment of a call. One for a block that is closed already still goes to that block's index."""
        out, number = b"", call.index or 0
        function = call.function
        if number not in self._calls:
            self._calls[number] = self._next
            identity = call.id or f"toolu_{self._exchange.id}_{number}"
            used = {"type": "tool_use", "id": identity, "name": (function.name if function else None) or ""}
            out = self._switch(f"call {number}", {**used, "input": {}, **more})
        if function is not None and function.arguments:
            fragment = {"type": "input_json_delta", "partial_json": function.arguments}
            out += event("content_block_delta", index=self._calls[number], delta=fragment)
        return out

    def _switch(self, kind: str, block: JsonObject) -> bytes:
        """Makes a block of this kind the open one."""
        if self._open == kind:
            return b""
        out = self._close() + event("content_block_start", index=self._next, content_block=block)
        self._open, self._next = kind, self._next + 1
        return out

    def _delta(self, **change: Any) -> bytes:
        return event("content_block_delta", index=self._next - 1, delta=change)

    def _close(self) -> bytes:
        if not self._open:
            return b""
        self._open = ""
        return event("content_block_stop", index=self._next - 1)
