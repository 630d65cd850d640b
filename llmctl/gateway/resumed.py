"""A stream that breaks off, continued by another call from the text so far."""

from collections.abc import AsyncIterator, Awaitable, Callable

from llmctl.errors import LlmctlError, UpstreamError
from llmctl.gateway.attempt import Begun, says
from llmctl.gateway.tally import estimate
from llmctl.model import chat
from llmctl.model.chat import Choice, Chunk
from llmctl.model.exchange import Exchange
from llmctl.model.json import JsonObject, decode, encode

CONTINUE = (
    "Your answer was cut off. Continue it exactly where it stopped, in the middle of a word if need be. "
    "Do not repeat anything, and do not comment on the interruption."
)
Again = Callable[[LlmctlError, JsonObject], Awaitable[Begun | None]]


def resumable(exchange: Exchange) -> bool:
    """Whether an answer to this is one text that another call could continue."""
    payload = exchange.payload
    return exchange.operation == "chat" and (payload.get("n") or 1) == 1 and not payload.get("response_format")


class Resumed:
    """The chunks of a stream, and where it breaks off those of calls that continue it.

    No generator itself: one that has not begun would not close what it reads.
    """

    def __init__(self, exchange: Exchange, begun: Begun, again: Again) -> None:
        """`again` makes a call that continues, with the payload it is given, or says that nobody can.

        What was said before a break goes to `exchange.spent`. Raises what broke the stream, where it is not continued.
        """
        self._first = begun.chunks
        self._all = _resumed(exchange, begun, again)

    def __aiter__(self) -> "Resumed":
        return self

    async def __anext__(self) -> list[Chunk]:
        return await anext(self._all)

    async def aclose(self) -> None:
        """Close it, and the stream that is being read."""
        for chunks in (self._all, self._first):
            await chunks.aclose()  # type: ignore[union-attr]  # every source of chunks can be closed


async def _resumed(exchange: Exchange, begun: Begun, again: Again) -> AsyncIterator[list[Chunk]]:
    said, first = _Said(), begun
    try:
        while True:
            chunks = begun.chunks
            assert chunks is not None
            try:
                async for batch in chunks:
                    if batch := said.take(batch, continued=begun is not first):
                        yield batch
                return
            except UpstreamError as error:
                error.__traceback__ = None  # it knows what it broke: all of it would be held in a cycle
                more = await again(error, _continuing(exchange.payload, said.text)) if said.fit else None
                if more is None:
                    raise
                exchange.spent.append((begun.target.name, estimate(exchange, said.since)))
                said.since, said.counted = 0, False
                begun = more
            finally:
                await chunks.aclose()  # type: ignore[attr-defined]  # every source of chunks can be closed
    finally:
        if begun is not first and not said.counted:
            exchange.usage = estimate(exchange, said.since)  # of the last call: the others are in `spent`


def _continuing(payload: JsonObject, text: str) -> JsonObject:
    if not text:
        return payload
    turns = [{"role": "assistant", "content": text}, {"role": "user", "content": CONTINUE}]
    return {**payload, "messages": [*payload["messages"], *turns]}


class _Said:
    """What a stream has said so far, and whether it is a text that could be continued."""

    def __init__(self) -> None:
        self.text = ""
        self.fit = True
        self.since = 0  # characters of the last call
        self.counted = False  # by the last call's provider
        self._head: JsonObject = {}

    def take(self, batch: list[Chunk], *, continued: bool) -> list[Chunk]:
        """Take note of chunks. Those of a continuation become chunks of the answer that broke off."""
        for chunk in batch:
            self.counted = self.counted or chunk.body.usage is not None
            for choice in chunk.body.choices:
                self._note(choice)
        if continued:
            return [self._adopted(chunk) for chunk in batch if says(chunk) or not chunk.body.choices]
        if batch and not self._head:
            body = decode(batch[0].raw)
            self._head = {key: body[key] for key in ("id", "created") if key in body}
        return batch

    def _note(self, choice: Choice) -> None:
        if choice.finish_reason is not None:
            self.fit = False
        delta = choice.delta
        if delta is None:
            return
        if delta.tool_calls or delta.function_call or delta.refusal:
            self.fit = False
        if isinstance(delta.content, str):
            self.text += delta.content
        for text in (delta.content, delta.reasoning_content, delta.reasoning, delta.refusal):
            self.since += len(text) if isinstance(text, str) else 0

    def _adopted(self, chunk: Chunk) -> Chunk:
        body = {**decode(chunk.raw), **self._head}
        for choice in body.get("choices", ()):
            (choice.get("delta") or {}).pop("role", None)  # clients join the strings of deltas
        return chat.chunk(encode(body))
