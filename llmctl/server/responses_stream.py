"""Writing the event stream of OpenAI's Responses API, and the objects that both its forms are made of."""

from dataclasses import dataclass, field
from typing import Any

from llmctl.errors import LlmctlError
from llmctl.model.chat import Choice, Chunk, ToolCall, WireUsage
from llmctl.model.exchange import Exchange
from llmctl.model.json import JsonObject, encode
from llmctl.net.sse import frame

INCOMPLETE = {"length": "max_output_tokens", "content_filter": "content_filter"}


def item_id(prefix: str, exchange: Exchange, position: int) -> str:
    """An id that is the same each time the same answer is written."""
    return f"{prefix}_{exchange.id}_{position}"


def reasoning_item(identity: str, text: str) -> JsonObject:
    """What the model thought."""
    summary = [{"type": "summary_text", "text": text}] if text else []
    return {"type": "reasoning", "id": identity, "summary": summary}


def message_item(identity: str, text: str, refusal: str, status: str) -> JsonObject:
    """What the model said."""
    content: list[JsonObject] = [_text_part(text)] if text else []
    if refusal:
        content.append({"type": "refusal", "refusal": refusal})
    return {"type": "message", "id": identity, "role": "assistant", "status": status, "content": content}


def call_item(identity: str, call_id: str, name: str, arguments: str, status: str) -> JsonObject:
    """A function the model calls."""
    call = {"type": "function_call", "id": identity, "call_id": call_id, "name": name}
    return {**call, "arguments": arguments, "status": status}


def response(
    exchange: Exchange,
    model: str | None,
    output: list[JsonObject],
    *,
    finish: str | None = None,
    usage: WireUsage | None = None,
    status: str | None = None,
    error: JsonObject | None = None,
) -> JsonObject:
    """The `response` object. Its status follows from the finish reason unless one is given."""
    payload = exchange.payload
    reason = INCOMPLETE.get(finish or "") if status is None else None
    return {
        "id": f"resp_{exchange.id}",
        "object": "response",
        "created_at": int(exchange.wall),
        "status": status or ("incomplete" if reason else "completed"),
        "background": False,
        "error": error,
        "incomplete_details": {"reason": reason} if reason else None,
        "instructions": None,
        "max_output_tokens": payload.get("max_completion_tokens"),
        "metadata": payload.get("metadata") or {},
        "model": model or exchange.served_model or exchange.requested_model,
        "output": output,
        "parallel_tool_calls": payload.get("parallel_tool_calls") is not False,
        "previous_response_id": None,
        "reasoning": {"effort": payload.get("reasoning_effort"), "summary": None},
        "temperature": payload.get("temperature"),
        "text": {"format": _format(payload.get("response_format"))},
        "tool_choice": _choice(payload.get("tool_choice")),
        "tools": [_tool(tool) for tool in payload.get("tools") or []],
        "top_p": payload.get("top_p"),
        "truncation": "disabled",
        "usage": usage_of(usage),
    }


def usage_of(usage: WireUsage | None) -> JsonObject | None:
    """Counts under the names of this API."""
    if usage is None:
        return None
    counts = usage.partition()
    return {
        "input_tokens": counts.prompt,
        "input_tokens_details": {"cached_tokens": counts.cached_read, "cache_write_tokens": counts.cached_write},
        "output_tokens": counts.completion,
        "output_tokens_details": {"reasoning_tokens": counts.reasoning},
        "total_tokens": counts.prompt + counts.completion,
    }


def _text_part(text: str) -> JsonObject:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _format(wanted: JsonObject | None) -> JsonObject:
    if wanted and wanted.get("type") == "json_schema":
        return {"type": "json_schema", **wanted["json_schema"]}
    return wanted or {"type": "text"}


def _choice(choice: Any) -> Any:
    if isinstance(choice, dict) and choice.get("type") == "function":
        return {"type": "function", "name": choice["function"]["name"]}
    if isinstance(choice, dict) and choice.get("type") == "allowed_tools":
        allowed = choice["allowed_tools"]
        tools = [{"type": "function", "name": tool["function"]["name"]} for tool in allowed["tools"]]
        return {"type": "allowed_tools", "mode": allowed["mode"], "tools": tools}
    return choice or "auto"


def _tool(tool: JsonObject) -> JsonObject:
    return {"type": "function", "parameters": None, "strict": None, **tool["function"]}


@dataclass(slots=True)
class _Item:
    """An output item under way. `parts` are a message's content parts, opened in the order they came."""

    kind: str
    id: str
    index: int
    call_id: str = ""
    name: str = ""
    texts: list[str] = field(default_factory=list)
    parts: list[str] = field(default_factory=list)
    done: bool = False

    def whole(self, status: str) -> JsonObject:
        """The item with everything that came so far."""
        if self.kind == "reasoning":
            return reasoning_item(self.id, "".join(self.texts))
        if self.kind == "call":
            return call_item(self.id, self.call_id, self.name, "".join(self.texts), status)
        item = message_item(self.id, "", "", status)
        return {**item, "content": [_part(kind, text) for kind, text in zip(self.parts, self.texts, strict=True)]}


def _part(kind: str, text: str) -> JsonObject:
    return _text_part(text) if kind == "output_text" else {"type": "refusal", "refusal": text}


class ResponsesEncoder:
    """Writes one stream. Items follow each other; one is closed when the next begins."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._model: str | None = None
        self._number = 0
        self._items: list[_Item] = []
        self._calls: dict[int, _Item] = {}
        self._open: _Item | None = None
        self._late: list[_Item] = []
        self._finish: str | None = None
        self._usage: WireUsage | None = None

    def feed(self, chunks: list[Chunk]) -> bytes:
        """The events these chunks become."""
        out = b""
        for chunk in chunks:
            self._model = self._model or chunk.body.model
            self._usage = chunk.body.usage or self._usage
            out += self._begin()
            for choice in chunk.body.choices:
                if choice.index == 0:
                    out += self._choice(choice)
        return out

    def finish(self) -> bytes:
        """Closes what is open and gives the whole response again."""
        last = "incomplete" if self._finish in INCOMPLETE else "completed"
        out = self._begin() + self._close(last)
        for item in self._late:
            out += self._end(item, "completed")
        output = self._output(last)
        whole = response(self._exchange, self._model, output, finish=self._finish, usage=self._usage)
        return out + self._event(f"response.{whole['status']}", response=whole)

    def error(self, error: LlmctlError, request_id: str) -> bytes:
        """`response.failed`, with what had been said until then."""
        out = self._begin()
        code = "rate_limit_exceeded" if error.http_status == 429 else "server_error"
        detail = {"code": code, "message": error.message}
        output = self._output("incomplete")
        failed = response(self._exchange, self._model, output, usage=self._usage, status="failed", error=detail)
        return out + self._event("response.failed", response=failed)

    def _output(self, last: str) -> list[JsonObject]:
        final = self._items[-1:]
        return [item.whole(last if item in final and item.kind == "message" else "completed") for item in self._items]

    def _event(self, name: str, /, **fields: Any) -> bytes:
        self._number += 1
        return frame(encode({"type": name, "sequence_number": self._number - 1, **fields}), name)

    def _begin(self) -> bytes:
        if self._number:
            return b""
        begun = response(self._exchange, self._model, [], status="in_progress")
        return self._event("response.created", response=begun) + self._event("response.in_progress", response=begun)

    def _choice(self, choice: Choice) -> bytes:
        out = b""
        said = choice.delta or choice.message
        if said is not None:
            if said.reasoning_content:
                out += self._reasoning(said.reasoning_content)
            if isinstance(said.content, str) and said.content:
                out += self._say("output_text", said.content)
            if said.refusal:
                out += self._say("refusal", said.refusal)
            for call in said.tool_calls or []:
                out += self._call(call)
        self._finish = choice.finish_reason or self._finish
        return out

    def _start(self, item: _Item) -> bytes:
        out = self._close("completed")
        self._items.append(item)
        self._open = item
        return out + self._event("response.output_item.added", output_index=item.index, item=item.whole("in_progress"))

    def _new(self, kind: str, prefix: str) -> _Item:
        position = len(self._items)
        return _Item(kind, item_id(prefix, self._exchange, position), position)

    def _at(self, item: _Item) -> JsonObject:
        return {"item_id": item.id, "output_index": item.index}

    def _reasoning(self, text: str) -> bytes:
        out, item = b"", self._open
        if item is None or item.kind != "reasoning":
            item = self._new("reasoning", "rs")
            out = self._start(item)
            part = {"type": "summary_text", "text": ""}
            out += self._event("response.reasoning_summary_part.added", **self._at(item), summary_index=0, part=part)
        item.texts.append(text)
        at = {**self._at(item), "summary_index": 0}
        return out + self._event("response.reasoning_summary_text.delta", **at, delta=text)

    def _say(self, kind: str, text: str) -> bytes:
        """Text or refusal: a part of the message that is open, or of a new one."""
        out, item = b"", self._open
        if item is None or item.kind != "message":
            item = self._new("message", "msg")
            out = self._start(item)
        if not item.parts or item.parts[-1] != kind:
            out += self._end_part(item)
            item.parts.append(kind)
            item.texts.append("")
            at = {**self._at(item), "content_index": len(item.parts) - 1}
            out += self._event("response.content_part.added", **at, part=_part(kind, ""))
        item.texts[-1] += text
        at = {**self._at(item), "content_index": len(item.parts) - 1, "delta": text}
        if kind == "output_text":
            return out + self._event("response.output_text.delta", **at, logprobs=[])
        return out + self._event("response.refusal.delta", **at)

    def _call(self, call: ToolCall) -> bytes:
        """A fragment of a call. A closed call that gets one more is closed once more at the end."""
        out, number, function = b"", call.index or 0, call.function
        item = self._calls.get(number)
        if item is None:
            item = self._calls[number] = self._new("call", "fc")
            item.call_id = call.id or item.id
            item.name = (function.name if function else None) or ""
            out = self._start(item)
        if function is not None and function.arguments:
            item.texts.append(function.arguments)
            delta = function.arguments
            out += self._event("response.function_call_arguments.delta", **self._at(item), delta=delta)
            if item.done and item not in self._late:
                self._late.append(item)
        return out

    def _close(self, status: str) -> bytes:
        item, self._open = self._open, None
        return b"" if item is None else self._end(item, status if item.kind == "message" else "completed")

    def _end(self, item: _Item, status: str) -> bytes:
        item.done = True
        at, text = self._at(item), "".join(item.texts)
        out = b""
        if item.kind == "reasoning":
            part = {"type": "summary_text", "text": text}
            out += self._event("response.reasoning_summary_text.done", **at, summary_index=0, text=text)
            out += self._event("response.reasoning_summary_part.done", **at, summary_index=0, part=part)
        elif item.kind == "call":
            done = {**at, "name": item.name, "arguments": text}
            out += self._event("response.function_call_arguments.done", **done)
        else:
            out += self._end_part(item)
        return out + self._event("response.output_item.done", output_index=item.index, item=item.whole(status))

    def _end_part(self, item: _Item) -> bytes:
        if not item.parts:
            return b""
        kind, text = item.parts[-1], item.texts[-1]
        at = {**self._at(item), "content_index": len(item.parts) - 1}
        if kind == "output_text":
            out = self._event("response.output_text.done", **at, text=text, logprobs=[])
        else:
            out = self._event("response.refusal.done", **at, refusal=text)
        return out + self._event("response.content_part.done", **at, part=_part(kind, text))
