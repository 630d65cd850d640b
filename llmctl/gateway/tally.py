"""What a stream amounts to: its text, tool calls, tokens and end, gathered while it passes."""

from collections.abc import Iterator, Sequence

from llmctl.gateway.passages import strings
from llmctl.gateway.tokens import ATTACHMENT, LONGEST, Tokens, counted, prompt
from llmctl.model.chat import Answer, Choice, Chunk, CustomCall, FunctionCall, Message, Operation, ToolCall, WireUsage
from llmctl.model.exchange import Exchange
from llmctl.model.json import JsonObject, encode
from llmctl.model.usage import Usage

BYTES_PER_TOKEN = 4  # the usual rule of thumb for English; the ledger marks what rests on it as estimated
ATTACHED = 4_096  # bytes from which an attachment counts as one rather than by its bytes
SAID = ("content", "reasoning_content", "reasoning", "refusal")


def estimate(
    exchange: Exchange, written: int, said: Sequence[str] = (), tokens: Tokens | None = None, model: str = ""
) -> Usage:
    """Tokens of an exchange whose provider gave no counts.

    By `tokens`, where it is given and has the vocabulary of `model` at hand, from the request's texts and `said`, the
    first part of what was written; else from the bytes of the request and the answer's length.
    """
    count = tokens.of(model) if tokens is not None else None
    if count is None:
        return Usage(asked(exchange), output=-(-written // BYTES_PER_TOKEN), source="estimated")
    read = prompt(count, exchange.payload, exchange.operation)
    return Usage(read, output=counted(count, said, written), source="estimated")


def used(exchange: Exchange, answer: Answer, tokens: Tokens | None = None) -> Usage:
    """Tokens of a whole answer, by its own count where it has one."""
    body = answer.body
    if body.usage is not None:
        return answer.usage
    said = texts_of(body.choices)
    return estimate(exchange, sum(map(len, said)), said, tokens, body.model or exchange.model)


def asked(exchange: Exchange) -> int:
    """Tokens of a request, by its bytes."""
    return tokens_of(exchange.payload, exchange.raw, exchange.operation)


def tokens_of(payload: JsonObject, raw: bytes | None, operation: Operation) -> int:
    """The same of a payload and, where there is one, its encoding."""
    size = len(raw) if raw is not None else len(encode(payload))
    if size > ATTACHED and operation == "chat":
        for attached in _attachments(payload):
            size += ATTACHMENT * BYTES_PER_TOKEN - len(attached)
    return -(-size // BYTES_PER_TOKEN)


def _attachments(payload: JsonObject) -> Iterator[str]:
    """Images, sounds and files within the messages' parts."""
    for message in payload.get("messages") or ():
        if isinstance(content := message.get("content"), list):
            for one in strings(content, "user"):
                attached = one.key in ("url", "data", "file_data") and one.holder.get("type") != "text"
                if attached and len(one.text) > ATTACHED:
                    yield one.text


def written(choices: list[Choice]) -> int:
    """Characters the model wrote in a whole answer."""
    return sum(map(len, texts_of(choices)))


def texts_of(choices: list[Choice]) -> list[str]:
    """All that the model wrote in a whole answer."""
    found: list[str] = []
    for choice in choices:
        message = choice.message or Message()
        texts = [choice.text, message.content, message.reasoning_content, message.reasoning, message.refusal]
        texts += [call.function.arguments for call in message.tool_calls or () if call.function]
        texts += [call.custom.input for call in message.tool_calls or () if call.custom]
        found += [text for text in texts if isinstance(text, str)]
    return found


class Tally:
    """Adds up one stream."""

    def __init__(self, *, keep_content: bool, tokens: Tokens | None = None) -> None:
        """`tokens` counts where the provider does not."""
        self._keep_content = keep_content
        self._tokens = tokens
        self._first: list[str] = []  # of what was written, as much as is counted
        self._room = LONGEST if tokens is not None else 0
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
                if delta.reasoning_content or delta.reasoning or delta.refusal:
                    self._add_text("reasoning_content", choice.index, delta.reasoning_content)
                    self._add_text("reasoning", choice.index, delta.reasoning)
                    self._add_text("refusal", choice.index, delta.refusal)
                if delta.tool_calls:
                    self._add_tools(choice.index, delta.tool_calls)

    def _add_text(self, field: str, choice: int, text: object) -> None:
        if text and isinstance(text, str):
            self._written += len(text)
            if self._room > 0:
                self._note(text)
            if self._keep_content:
                self._said[field].setdefault(choice, []).append(text)

    def _add_tools(self, choice: int, calls: list[ToolCall]) -> None:
        for position, call in enumerate(calls):
            key = (choice, call.index if call.index is not None else position)
            function = call.function or FunctionCall()
            if key not in self._tools:
                kind = call.type or ("custom" if call.custom else "function")
                self._tools[key] = ToolCall(id=call.id, type=kind, function=function, custom=call.custom)
            said = (call.custom.input if call.custom else function.arguments) or ""
            self._arguments.setdefault(key, []).append(said)
            self._written += len(said)
            if self._room > 0:
                self._note(said)

    def _note(self, text: str) -> None:
        self._room -= len(text)
        self._first.append(text)

    def settle(self, exchange: Exchange) -> None:
        """Write the sums into the exchange. Without counts from the provider, tokens are estimated and marked so."""
        exchange.chunk_count = self._chunks
        exchange.served_model = self._model or ""
        exchange.finish_reason = self._finish.get(0)
        if exchange.usage.source == "provider":
            pass  # counts of a stream that was cut short, from the part that was held: they cover all of it
        elif self._usage is not None:
            exchange.usage = self._usage.partition()
        elif self._chunks and exchange.usage.source == "none":
            model = self._model or exchange.model
            exchange.usage = estimate(exchange, self._written, self._first, self._tokens, model)
        if self._keep_content and self._chunks:
            exchange.transcript = encode({"choices": self.choices()})

    def choices(self) -> list[Choice]:
        """Every choice, as far as it has come."""
        spoken = {index for said in self._said.values() for index in said}
        indexes = sorted({*spoken, *self._finish, *(choice for choice, _ in self._tools)})
        return [
            Choice(index=index, message=self._message(index), finish_reason=self._finish.get(index))
            for index in indexes
        ]

    def _message(self, choice: int) -> Message:
        texts = {field: "".join(said[choice]) for field, said in self._said.items() if choice in said}
        message = Message(tool_calls=self._calls(choice) or None)
        for field, text in texts.items():
            setattr(message, field, text)
        return message

    def _calls(self, choice: int) -> list[ToolCall]:
        calls = []
        for key in sorted(key for key in self._tools if key[0] == choice):
            call = self._tools[key]
            said = "".join(self._arguments[key])
            if call.custom is not None:
                calls.append(ToolCall(id=call.id, type=call.type, custom=CustomCall(call.custom.name, said)))
                continue
            name = call.function.name if call.function else None
            calls.append(ToolCall(id=call.id, type=call.type, function=FunctionCall(name=name, arguments=said)))
        return calls
