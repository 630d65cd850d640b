"""Anthropic's event stream and token counts: https://platform.claude.com/docs/en/build-with-claude/streaming"""

from typing import Any

import msgspec
from msgspec import Struct

from llmctl.errors import UpstreamStatus
from llmctl.model.chat import Chunk
from llmctl.model.json import JsonObject, encode
from llmctl.providers.content import Head, delta, read, usage_chunk
from llmctl.providers.events import EventDecoder
from llmctl.providers.http import status_error

FINISH = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "pause_turn": "stop",
    "tool_use": "tool_calls",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "refusal": "content_filter",
}
STATUSES = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}


class OutputTokens(Struct):
    """How many of the output tokens were thinking."""

    thinking_tokens: int | None = None


class AnthropicUsage(Struct):
    """`usage`, whole or a stream's update of it. `input_tokens` excludes what the cache read and wrote."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    output_tokens_details: OutputTokens | None = None


def usage_of(usage: AnthropicUsage) -> JsonObject:
    """The same counts as OpenAI writes them: totals that include their details."""
    read_, written = usage.cache_read_input_tokens or 0, usage.cache_creation_input_tokens or 0
    prompt, output = (usage.input_tokens or 0) + read_ + written, usage.output_tokens or 0
    thinking = usage.output_tokens_details.thinking_tokens if usage.output_tokens_details else None
    counts: JsonObject = {"prompt_tokens": prompt, "completion_tokens": output, "total_tokens": prompt + output}
    counts["prompt_tokens_details"] = {"cached_tokens": read_, "cache_write_tokens": written}
    if thinking is not None:
        counts["completion_tokens_details"] = {"reasoning_tokens": thinking}
    return counts


def finish_of(reason: str | None, sequence: str | None, details: JsonObject | None) -> tuple[str, JsonObject]:
    """(finish reason, further fields): Anthropic's own reason and stop sequence, and why it refused."""
    more: JsonObject = {"native_finish_reason": reason}
    if sequence is not None:
        more["stop_sequence"] = sequence
    if details and details.get("explanation"):
        more["refusal"] = details["explanation"]
    return FINISH.get(reason or "end_turn", "stop"), more


def stream_error(provider: str, error: Any) -> UpstreamStatus:
    """What an error event means: the status that the same error has outside streams."""
    kind = error.get("type") if isinstance(error, dict) else None
    return status_error(provider, STATUSES.get(kind or "", 502), {}, encode({"error": error}))


class _Start(Struct):
    id: str = ""
    model: str = ""
    usage: AnthropicUsage | None = None


class _Delta(Struct):
    type: str = ""
    text: str = ""
    thinking: str = ""
    signature: str = ""
    partial_json: str = ""
    stop_reason: str | None = None
    stop_sequence: str | None = None
    stop_details: dict[str, Any] | None = None


class Block(Struct):
    """A content block: whole, or under way as it started and with what its deltas added."""

    type: str
    text: str = ""
    thinking: str = ""
    signature: str = ""
    data: str = ""
    id: str = ""
    name: str = ""
    input: dict[str, Any] = {}
    caller: dict[str, Any] | None = None
    toolset_name: str | None = None
    call: int = 0
    written: bool = False

    def more(self) -> JsonObject:
        """What a tool call has beyond OpenAI's fields and must have again when it is sent back."""
        found = {"caller": self.caller, "toolset_name": self.toolset_name}
        return {key: value for key, value in found.items() if value is not None}


class _Event(Struct):
    type: str = ""
    index: int = 0
    message: _Start | None = None
    content_block: Block | None = None
    delta: _Delta | None = None
    usage: AnthropicUsage | None = None
    error: Any = None


_EVENT = msgspec.json.Decoder(_Event)


class AnthropicStream(EventDecoder):
    """Decodes one stream. `message_stop` completes it; pings and blocks of server tools give no chunks."""

    def __init__(self, provider: str, model: str, created: int = 0) -> None:
        super().__init__()
        self._provider = provider
        self._head = Head("", model, created)
        self._blocks: dict[int, Block] = {}
        self._calls = 0
        self._thoughts = 0
        self._usage = AnthropicUsage()

    def _event(self, data: bytes, chunks: list[Chunk]) -> None:
        chunks += self._chunks(read(self._provider, _EVENT, data))

    def _chunks(self, event: _Event) -> list[Chunk]:
        match event.type:
            case "message_start" if event.message is not None:
                self._head = Head(event.message.id, event.message.model or self._head.model, self._head.created)
                self._count(event.message.usage)
                return [self._add({"role": "assistant", "content": ""})]
            case "content_block_start" if event.content_block is not None:
                return self._open(event.index, event.content_block)
            case "content_block_delta" if event.delta is not None and event.index in self._blocks:
                return self._extend(self._blocks[event.index], event.delta)
            case "content_block_stop" if event.index in self._blocks:
                return self._close(self._blocks.pop(event.index))
            case "message_delta":
                return self._finish(event.delta or _Delta(), event.usage)
            case "message_stop":
                self.done = True
            case "error":
                raise stream_error(self._provider, event.error)
        return []

    def _add(self, change: JsonObject) -> Chunk:
        return delta(self._head, 0, change)

    def _count(self, usage: AnthropicUsage | None) -> None:
        """Counts are totals so far; one that an event leaves out keeps its value."""
        for field in AnthropicUsage.__struct_fields__:
            if (value := getattr(usage, field, None)) is not None:
                setattr(self._usage, field, value)

    def _open(self, index: int, block: Block) -> list[Chunk]:
        self._blocks[index] = block
        if block.type == "text" and block.text:
            return [self._add({"content": block.text})]
        if block.type == "thinking" and block.thinking:
            return [self._add({"reasoning_content": block.thinking})]
        if block.type == "redacted_thinking":
            return [self._thought({"type": block.type, "data": block.data})]
        if block.type == "tool_use":
            block.call, self._calls = self._calls, self._calls + 1
            function = {"name": block.name, "arguments": ""}
            call = {"index": block.call, "id": block.id, "type": "function", "function": function, **block.more()}
            return [self._add({"tool_calls": [call]})]
        return []

    def _extend(self, block: Block, change: _Delta) -> list[Chunk]:
        match change.type, block.type:
            case "text_delta", "text" if change.text:
                return [self._add({"content": change.text})]
            case "thinking_delta", "thinking" if change.thinking:
                block.thinking += change.thinking
                return [self._add({"reasoning_content": change.thinking})]
            case "signature_delta", "thinking":
                block.signature += change.signature
            case "input_json_delta", "tool_use" if change.partial_json:
                block.written = True
                return [self._arguments(block, change.partial_json)]
        return []

    def _arguments(self, block: Block, text: str) -> Chunk:
        return self._add({"tool_calls": [{"index": block.call, "function": {"arguments": text}}]})

    def _close(self, block: Block) -> list[Chunk]:
        """A thinking block is given whole, signature and all, so that the client can send it back."""
        if block.type == "thinking":
            return [self._thought({"type": block.type, "thinking": block.thinking, "signature": block.signature})]
        if block.type == "tool_use" and not block.written:
            return [self._arguments(block, encode(block.input).decode())]
        return []

    def _thought(self, block: JsonObject) -> Chunk:
        """Official clients put list items of deltas together by their `index`, and fail without one."""
        self._thoughts += 1
        return self._add({"thinking_blocks": [{"index": self._thoughts - 1, **block}]})

    def _finish(self, change: _Delta, usage: AnthropicUsage | None) -> list[Chunk]:
        self._count(usage)
        if change.stop_reason is None:
            return []
        reason, more = finish_of(change.stop_reason, change.stop_sequence, change.stop_details)
        refusal = {"refusal": more.pop("refusal")} if "refusal" in more else {}
        chunks = [delta(self._head, 0, refusal, reason, **more)]
        if self._usage != AnthropicUsage():
            chunks.append(usage_chunk(self._head, usage_of(self._usage)))
        return chunks
