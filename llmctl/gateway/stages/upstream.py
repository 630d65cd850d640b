"""The call to the model. The only place that sends anything twice."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from random import Random

from llmctl.clock import Clock
from llmctl.errors import LlmctlError, UpstreamError, UpstreamLost, UpstreamProtocolError
from llmctl.gateway.client import Client
from llmctl.model.chat import Chunk
from llmctl.model.exchange import Exchange
from llmctl.model.record import Attempt
from llmctl.net.transport import Response, Transport
from llmctl.providers.base import Call, Provider, StreamDecoder

STALE_RETRIES = 2  # kept-alive connections that turn out dead, per exchange
LATE_COUNTS = 5.0  # seconds for token counts, which may come behind the last of the text
END_OF_BODY = 0.25  # seconds an upstream that has said it is done gets to end its body, so the connection can be kept


@dataclass(frozen=True, slots=True)
class Target:
    """A configured model: who serves it, under which name, over what."""

    provider: Provider
    model: str
    transport: Transport


class Upstream:
    """Calls the decided model's provider."""

    name = "upstream"

    def __init__(self, targets: Mapping[str, Target], clock: Clock, random: Random) -> None:
        self._targets = dict(targets)
        self._now = clock.monotonic
        self._random = random

    async def run(self, exchange: Exchange, client: Client) -> None:
        """Sets `whole`, or `chunks` once the first of them has come."""
        assert exchange.decision is not None
        target = self._targets[exchange.decision.model]
        exchange.provider = target.provider.name
        for retry in range(STALE_RETRIES + 1):
            try:
                await self._attempt(exchange, target)
            except UpstreamLost as error:
                if not error.unanswered or retry == STALE_RETRIES:
                    raise
            else:
                return

    async def _attempt(self, exchange: Exchange, target: Target) -> None:
        attempt = _Timing(exchange, target, self._now, f"{self._random.getrandbits(64) | 1:016x}")
        call = Call(
            exchange.operation,
            exchange.payload,
            target.model,
            exchange.stream,
            exchange.deadline,
            exchange.raw,
            _headers(exchange, attempt.span_id),
            int(exchange.wall),
            exchange.dialect != "openai",
        )
        try:
            response = await target.transport.send(target.provider.request(call))
            attempt.first_byte = self._now()
            attempt.status = response.status
            if not 200 <= response.status < 300:
                raise target.provider.error(response.status, response.headers, await response.read())
            if not exchange.stream:
                exchange.whole = target.provider.answer(call, await response.read())
                attempt.end()
                return
            exchange.chunks = await self._begin(call, target, response, attempt)
        except BaseException as error:
            attempt.end(_reason(error))
            raise

    async def _begin(
        self, call: Call, target: Target, response: Response, attempt: "_Timing"
    ) -> AsyncIterator[list[Chunk]]:
        """The stream, once its first chunk is there: until then a failure is still an ordinary error."""
        media = response.headers.get(b"content-type", b"")
        if not media.startswith(b"text/event-stream"):
            response.close()
            what = media.decode("latin-1")[:60] or "no content type"
            raise UpstreamProtocolError(f"provider {target.provider.name} was asked for a stream and sent {what}")
        chunks = _chunks(target, response, target.provider.decoder(call), attempt)
        try:
            first = await anext(chunks, None)
        except BaseException:
            response.close()
            raise
        return _resume(first, chunks)


async def _chunks(
    target: Target, response: Response, decoder: StreamDecoder, attempt: "_Timing"
) -> AsyncIterator[list[Chunk]]:
    error: BaseException | None = None
    pieces = response.stream()
    try:
        async for data in pieces:
            if batch := decoder.feed(data):
                yield batch
            if decoder.done and decoder.failure is None:
                if batch := await _last(pieces, decoder):
                    yield batch
                break
            if decoder.failure is not None:
                raise decoder.failure
        if not decoder.done:
            raise UpstreamLost(f"provider {target.provider.name} ended its stream before the answer was complete")
    except BaseException as caught:
        error = caught
        raise
    finally:
        response.close()
        attempt.end(_reason(error))


async def _last(pieces: AsyncIterator[bytes], decoder: StreamDecoder) -> list[Chunk]:
    """What follows the end of the answer (token counts), up to the end of the body or for `END_OF_BODY`."""
    batch: list[Chunk] = []
    now = asyncio.get_running_loop().time
    # The answer itself is complete: what fails behind it must not take it back.
    with suppress(TimeoutError, UpstreamError):
        async with asyncio.timeout(END_OF_BODY if decoder.ended else LATE_COUNTS) as limit:
            async for data in pieces:
                batch += decoder.feed(data)
                if decoder.ended:
                    limit.reschedule(now() + END_OF_BODY)
    return batch


class _Timing:
    """One attempt while it runs; leaves its `Attempt` in the exchange when it ends, once."""

    __slots__ = ("_ended", "_exchange", "_now", "_start", "_target", "first_byte", "span_id", "status")

    def __init__(self, exchange: Exchange, target: Target, now: Callable[[], float], span_id: str) -> None:
        self.span_id = span_id
        self.first_byte: float | None = None
        self.status: int | None = None
        self._exchange = exchange
        self._target = target
        self._now = now
        self._start = now()
        self._ended = False

    def end(self, error: str | None = None) -> None:
        """The attempt is over."""
        if self._ended:
            return
        self._ended = True
        exchange = self._exchange
        start = exchange.us(self._start)
        exchange.attempts.append(
            Attempt(
                self._target.provider.name,
                self._target.model,
                start,
                exchange.us(self._now()) - start,
                exchange.us(self.first_byte) if self.first_byte is not None else None,
                self.status,
                error,
                self.span_id,
            )
        )


async def _resume(first: list[Chunk] | None, rest: AsyncIterator[list[Chunk]]) -> AsyncIterator[list[Chunk]]:
    try:
        if first is not None:
            yield first
        async for batch in rest:
            yield batch
    finally:
        await rest.aclose()  # type: ignore[attr-defined]


def _headers(exchange: Exchange, span_id: str) -> bytes:
    trace = exchange.trace
    state = f"tracestate: {trace.state}\r\n" if trace.state else ""
    return f"x-request-id: {exchange.id}\r\ntraceparent: {trace.header(span_id)}\r\n{state}".encode("ascii")


def _reason(error: BaseException | None) -> str | None:
    if error is None:
        return None
    return error.code if isinstance(error, LlmctlError) else "cancelled"
