"""A gateway without sockets: a client that collects, sinks that remember, transports that play a script."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from random import Random

from llmctl.clock import Clock, SystemClock
from llmctl.errors import LlmctlError
from llmctl.gateway.build import Surroundings
from llmctl.model import trace
from llmctl.model.chat import Answer, Chunk, Operation
from llmctl.model.exchange import Exchange
from llmctl.model.json import JsonObject, encode
from llmctl.model.record import Record
from llmctl.net.transport import Request, Transport


class Remember:
    """A sink that keeps what it is given."""

    def __init__(self) -> None:
        self.records: list[Record] = []

    def write(self, record: Record) -> None:
        """Keep it."""
        self.records.append(record)

    def close(self) -> None:
        """Nothing to close."""


@dataclass
class CollectingClient:
    """Asks for `payload` and collects what comes. `pause` is awaited at each delivery, as a slow client would."""

    payload: JsonObject
    pause: Callable[[], Awaitable[None]] | None = None
    answer: Answer | None = None
    chunks: list[Chunk] = field(default_factory=list)
    failure: LlmctlError | None = None
    finished: bool = False

    async def read(self, exchange: Exchange) -> None:
        """Hand over the payload."""
        await self._wait()
        exchange.payload = self.payload
        exchange.raw = encode(self.payload)
        exchange.requested_model = self.payload["model"]
        exchange.stream = bool(self.payload.get("stream"))

    async def whole(self, exchange: Exchange, answer: Answer) -> None:
        """Keep the answer."""
        exchange.committed = True
        await self._wait()
        self.answer = answer
        self.finished = True

    async def stream(self, exchange: Exchange, chunks: AsyncIterator[list[Chunk]]) -> None:
        """Keep the chunks."""
        exchange.committed = True
        async for batch in chunks:
            await self._wait()
            self.chunks += batch
        self.finished = True

    async def error(self, exchange: Exchange, error: LlmctlError) -> None:
        """Keep the error."""
        await self._wait()
        self.failure = error

    async def _wait(self) -> None:
        if self.pause is not None:
            await self.pause()

    @property
    def text(self) -> str:
        """The first choice's text."""
        if self.answer is not None:
            message = self.answer.body.choices[0].message
            return str(message.content) if message else ""
        deltas = [choice.delta for chunk in self.chunks for choice in chunk.body.choices]
        return "".join(str(delta.content) for delta in deltas if delta is not None and delta.content)


@dataclass
class PlayedResponse:
    """An answer in pieces; an exception among them is raised in its place. `step` is awaited before each."""

    status: int
    headers: dict[bytes, bytes]
    pieces: Sequence[bytes | Exception]
    step: Callable[[], Awaitable[None]]
    closed: bool = False

    async def read(self) -> bytes:
        """All pieces."""
        return b"".join([piece async for piece in self.stream()])

    async def stream(self) -> AsyncIterator[bytes]:
        """Piece by piece."""
        try:
            for piece in self.pieces:
                await self.step()
                if isinstance(piece, Exception):
                    raise piece
                yield piece
        finally:
            self.close()

    def close(self) -> None:
        """Remember that it was closed."""
        self.closed = True


class PlayedTransport:
    """Answers each request with what `play` makes of it, and keeps both."""

    def __init__(self, play: Callable[[Request], PlayedResponse | Exception]) -> None:
        self._play = play
        self.requests: list[Request] = []
        self.responses: list[PlayedResponse] = []

    async def send(self, request: Request) -> PlayedResponse:
        """The next answer."""
        self.requests.append(request)
        played = self._play(request)
        if isinstance(played, Exception):
            raise played
        await played.step()
        self.responses.append(played)
        return played


def surroundings(
    transport: Transport,
    sink: Remember,
    clock: Clock | None = None,
    bugs: list[BaseException] | None = None,
    seed: int = 0,
) -> Surroundings:
    """What `build` needs, for a test."""
    found: list[BaseException] = bugs if bugs is not None else []
    return Surroundings(transport, clock or SystemClock(), Random(seed), (sink,), lambda _, bug: found.append(bug))


def exchange(clock: Clock, operation: Operation = "chat", credential: str | None = None) -> Exchange:
    """An exchange that has just arrived."""
    now, random = clock.monotonic(), Random(1)
    return Exchange(
        "req_test", operation, "openai", {}, None, trace.start(None, random), now, clock.wall(), now + 60.0, credential
    )
