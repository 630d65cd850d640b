"""What a stream amounts to: its text, tool calls, tokens and end, gathered while it passes."""

from llmctl.model.chat import Choice, Chunk, FunctionCall, Message, ToolCall, WireUsage
from llmctl.model.exchange import Exchange
from llmctl.model.json import encode
from llmctl.model.usage import Usage

BYTES_PER_TOKEN = 4  # the usual rule of thumb for English; the ledger marks what rests on it as estimated
SAID = ("content", "reasoning_content", "refusal")


def estimate(exchange: Exchange, written: int) -> Usage:
    """Tokens of an exchange whose provider gave no counts, from the bytes of its request and answer."""
    asked = len(exchange.raw) if exchange.raw is not None else len(encode(exchange.payload))
    return Usage(-(-asked // BYTES_PER_TOKEN), output=-(-written // BYTES_PER_TOKEN), source="estimated")


def written(choices: list[Choice]) -> int:
    """Characters the model wrote in a whole answer."""
    total = 0
    for choice in choices:
        message = choice.message or Message()
        texts = [choice.text, message.content, message.reasoning_content, message.refusal]
        texts += [call.function.arguments for call in message.tool_calls or () if call.function]
        total += sum(len(text) for text in texts if isinstance(text, str))
    return total


class Tally:
    """Adds up one stream."""

    def __init__(self, *, keep_content: bool) -> None:
        self._keep_content = keep_content
        self._chunks = 0
        self._model: str | None = None
        self._usage: WireUsage | None = None
        self._said: dict[str, dict[int, list[str]]] = {field: {} for field in SAID}
        self._tools: dict[tuple[int, int], ToolCall] = {}
        self._arguments: dict[tuple[int, int], list[str]] = {}
        self._finish: dict[int, str] = {}
        self._written = 0

    def add(self, batch: list[Chunk]) -> None:
        """Take note of chunks on their way out."""
        self._chunks += len(batch)
        for chunk in batch:
            body = chunk.body
            if body.usage is not None:
                self._usage = body.usage
            if self._model is None:
                self._model = body.model
            for choice in body.choices:
                if choice.finish_reason is not None:
                    self._finish[choice.index] = choice.finish_reason
                delta = choice.delta
                if delta is None:
                    self._add_text("content", choice.index, choice.text)
                    continue
                self._add_text("content", choice.index, delta.content)
                if delta.reasoning_content or delta.refusal:
                    self._add_text("reasoning_content", choice.index, delta.reasoning_content)
                    self._add_text("refusal", choice.index, delta.refusal)
                if delta.tool_calls:
                    self._add_tools(choice.index, delta.tool_calls)

    def _add_text(self, field: str, choice: int, text: object) -> None:
        if text and isinstance(text, str):
            self._written += len(text)
            if self._keep_content:
                self._said[field].setdefault(choice, []).append(text)

    def _add_tools(self, choice: int, calls: list[ToolCall]) -> None:
        for position, call in enumerate(calls):
            key = (choice, call.index if call.index is not None else position)
            function = call.function or FunctionCall()
            if key not in self._tools:
                self._tools[key] = ToolCall(id=call.id, type=call.type or "function", function=function)
            self._arguments.setdefault(key, []).append(function.arguments or "")
            self._written += len(function.arguments or "")

    def settle(self, exchange: Exchange) -> None:
        """Write the sums into the exchange. Without counts from the provider, tokens are estimated and marked so."""
        exchange.chunk_count = self._chunks
        exchange.served_model = self._model or ""
        exchange.finish_reason = self._finish.get(0)
        if self._usage is not None:
            exchange.usage = self._usage.partition()
        elif self._chunks:
            exchange.usage = estimate(exchange, self._written)
        if self._keep_content and self._chunks:
            exchange.transcript = encode({"choices": self._choices()})

    def _choices(self) -> list[Choice]:
        spoken = {index for said in self._said.values() for index in said}
        indexes = sorted({*spoken, *self._finish, *(choice for choice, _ in self._tools)})
        return [
            Choice(index=index, message=self._message(index), finish_reason=self._finish.get(index))
            for index in indexes
        ]

    def _message(self, choice: int) -> Message:
        texts = {field: "".join(said[choice]) for field, said in self._said.items() if choice in said}
        return Message(**texts, tool_calls=self._calls(choice) or None)

    def _calls(self, choice: int) -> list[ToolCall]:
        calls = []
        for key in sorted(key for key in self._tools if key[0] == choice):
            call = self._tools[key]
            name = call.function.name if call.function else None
            function = FunctionCall(name=name, arguments="".join(self._arguments[key]))
            calls.append(ToolCall(id=call.id, type=call.type, function=function))
        return calls
