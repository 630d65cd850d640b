"""One line of a batch as an exchange of its own, through the gateway that is live, with its answer kept."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
from hashlib import blake2b
from random import Random
from typing import Protocol

from llmctl.batches.lines import Line
from llmctl.batches.objects import Batch
from llmctl.errors import (
    BodyTooLarge,
    InvalidRequest,
    LlmctlError,
    RateLimited,
    Unauthorized,
    Unavailable,
    UpstreamError,
)
from llmctl.gateway.gateway import Gateway
from llmctl.model import trace
from llmctl.model.chat import Answer, Chunk, Operation
from llmctl.model.exchange import Dialect as DialectName
from llmctl.model.exchange import Exchange, Principal
from llmctl.model.json import JsonObject

Apart = Callable[[], AbstractAsyncContextManager[None]]
PASSING = frozenset({429, 503, 529})
"""Statuses of a model's side that say: later."""


class Wire(Protocol):
    """What a line needs of a wire format; those of `server` have it."""

    def parse(self, body: bytes) -> tuple[JsonObject, bytes | None]:
        """The inner payload, and the body where it encodes that. Raises InvalidRequest."""
        ...

    def answer(self, exchange: Exchange, answer: Answer) -> bytes:
        """The body of a 200."""
        ...

    def error(self, error: LlmctlError, request_id: str) -> bytes:
        """The body that goes with an error."""
        ...


class Entry(Protocol):
    """An endpoint that lines may be for."""

    @property
    def operation(self) -> Operation:
        """What is asked for."""
        ...

    @property
    def name(self) -> DialectName:
        """The wire format's name."""
        ...

    @property
    def dialect(self) -> Wire:
        """The wire format."""
        ...


@dataclass(frozen=True, slots=True)
class Reply:
    """What became of a line. `failure` is the error that `body` tells, where it is one."""

    status: int
    request_id: str
    body: bytes
    failure: LlmctlError | None = None

    @property
    def unauthorized(self) -> bool:
        """Whether whoever made the batch may no longer ask."""
        return isinstance(self.failure, Unauthorized)

    @property
    def limited(self) -> float | None:
        """Seconds after which a limit of ours, or a budget, lets it through."""
        return self.failure.retry_after if isinstance(self.failure, RateLimited) else None

    @property
    def passing(self) -> float | None:
        """Seconds after which to try a model again that is busy or down just now."""
        failure = self.failure
        if isinstance(failure, Unavailable):
            return failure.retry_after
        if isinstance(failure, UpstreamError) and failure.http_status in PASSING:
            return failure.retry_after or 1.0
        return None


class Collect:
    """The client of a line: hands over its body and keeps what comes."""

    def __init__(self, wire: Wire, body: bytes, max_body: int, apart: Apart = nullcontext) -> None:
        """`apart` is open while the line waits in a batch of its provider's."""
        self._apart = apart
        self._wire = wire
        self._body = body
        self._max_body = max_body
        self.body = b""
        self.failure: LlmctlError | None = None

    def parked(self) -> AbstractAsyncContextManager[None]:
        """It has a day."""
        return self._apart()

    async def read(self, exchange: Exchange) -> None:
        """Parse the line's body. Raises InvalidRequest or BodyTooLarge."""
        if len(self._body) > self._max_body:
            raise BodyTooLarge(f"the request is over {self._max_body:,} bytes (server.max_body)")
        payload, exchange.raw = self._wire.parse(self._body)
        if payload.get("stream"):
            raise InvalidRequest("`stream`: a batch has nobody to stream to; leave it out", param="stream")
        exchange.payload = payload
        exchange.requested_model = payload["model"]

    async def whole(self, exchange: Exchange, answer: Answer) -> None:
        """Keep the answer."""
        self.body = self._wire.answer(exchange, answer)
        exchange.committed = True

    async def stream(self, exchange: Exchange, chunks: AsyncIterator[list[Chunk]]) -> None:
        """Not asked for."""
        raise AssertionError("an exchange that is no stream was answered with one")

    async def error(self, exchange: Exchange, error: LlmctlError) -> None:
        """Keep the error."""
        self.failure = error
        self.body = self._wire.error(error, exchange.id)


async def ask(
    gateway: Gateway,
    random: Random,
    batch: Batch,
    entry: Entry,
    line: Line,
    priority: int,
    *,
    again: int = 0,
    apart: Apart = nullcontext,
) -> Reply:
    """Ask a line, until the end of the batch's window; its key must still be one. `priority` is the lane's own.

    `again` counts how often it was asked before.
    """
    clock = gateway.clock
    now, wall = clock.monotonic(), clock.wall()
    client = Collect(entry.dialect, line.body, gateway.config.server.max_body, apart)
    exchange = Exchange(
        request_id(batch, line, again),
        entry.operation,
        entry.name,
        {},
        None,
        trace.start(None, random),
        now,
        wall,
        now + (batch.expires_at - wall),
        principal=Principal(batch.key, batch.tenant, priority=batch.priority + priority),
        tags=dict(batch.metadata or {}),
        batch=batch.id,
    )
    await gateway.run(exchange, client)
    status = client.failure.http_status if client.failure is not None else 200
    return Reply(status, exchange.id, client.body, client.failure)


def request_id(batch: Batch, line: Line, again: int = 0) -> str:
    """The same whenever a line is asked, but for what follows a point: a crash must not make it another's."""
    mark = blake2b(f"{batch.id} {line.number}".encode(), digest_size=8).hexdigest()
    return f"req_{batch.created_at * 1000:011x}{mark}" + (f".{again}" if again else "")
