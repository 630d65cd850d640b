"""One call of one model: sent, timed, and told to its breaker. Decides nothing about further calls."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from random import Random

from msgspec import Struct

from llmctl.clock import Clock
from llmctl.errors import (
    LlmctlError,
    Unavailable,
    UpstreamError,
    UpstreamLost,
    UpstreamProtocolError,
    UpstreamTimeout,
    UpstreamUnsupported,
)
from llmctl.gateway.queue import Slot
from llmctl.gateway.retry import classify
from llmctl.gateway.target import Target
from llmctl.model.chat import Answer, Chunk
from llmctl.model.exchange import Exchange
from llmctl.model.json import JsonObject
from llmctl.model.record import Attempt, Transition, Why
from llmctl.net.transport import Response
from llmctl.providers.base import Call, StreamDecoder
from llmctl.routing.breaker import FORCED

LATE_COUNTS = 5.0  # seconds for token counts, which may come behind the last of the text
END_OF_BODY = 0.25  # seconds an upstream that has said it is done gets to end its body, so the connection can be kept
INNOCENT = frozenset({"context_length", "content_policy", "client"})
"""Failures that say something about the request and nothing about the model."""


class Down(Unavailable):
    """A model is not asked, as it keeps failing. `retry_after` is when it is tried again."""

    def __init__(self, target: Target) -> None:
        wait = max(target.standing.breaker.retry_after(), 0.1)
        message = f"model {target.name!r} keeps failing and is not asked now; it is tried again in {wait:.1f} s"
        super().__init__(message, retry_after=wait)


class Begun(Struct, frozen=True, gc=False):
    """A call that brought an answer: `whole`, or `chunks` of which the first has come."""

    target: Target
    whole: Answer | None = None
    chunks: AsyncIterator[list[Chunk]] | None = None


class Caller:
    """Makes calls. Each leaves one `Attempt` in the exchange, when it ends."""

    def __init__(self, clock: Clock, random: Random) -> None:
        self._now = clock.monotonic
        self._random = random

    async def call(
        self,
        exchange: Exchange,
        target: Target,
        why: Why,
        within: float | None = None,
        payload: JsonObject | None = None,
        *,
        stream: bool | None = None,
        forced: bool = False,
    ) -> Begun:
        """The answer, or the beginning of it, which must come `within` seconds.

        `payload` and `stream` are sent instead of the exchange's own. Raises LlmctlError; Down where the
        breaker is open and the call is not `forced`.
        """
        standing, slot = target.standing, None
        if standing.slots is not None:
            if not forced and standing.breaker.retry_after() > 0:
                raise Down(target)  # nobody queues for a model that is down
            slot = await standing.slots.acquire(exchange.priority, exchange.deadline).take()
        running = _Running(exchange, target, why, self._now, f"{self._random.getrandbits(64) | 1:016x}", slot)
        running.begin(forced=forced)
        stream = exchange.stream if stream is None else stream
        deadline = exchange.deadline
        if within is not None and not stream:
            deadline = min(deadline, self._now() + within)
        try:
            call = _call(exchange, target, running.span_id, deadline, payload, stream=stream)
            if within is None or not stream:
                return await self._sent(call, target, running)
            async with asyncio.timeout(within):
                return await self._sent(call, target, running)
        except BaseException as error:
            late = isinstance(error, TimeoutError)
            if isinstance(error, UpstreamTimeout) and error.phase == "total" and deadline < exchange.deadline:
                error.__traceback__ = None  # it knows its response, which knows it: a cycle
                late = True
            told = _late(target, within or 0.0) if late else error
            running.end(told)
            if late:
                raise told from None
            raise

    async def _sent(self, call: Call, target: Target, running: "_Running") -> Begun:
        response = await target.transport.send(target.provider.request(call))
        running.first_byte = self._now()
        running.status = response.status
        if not 200 <= response.status < 300:
            raise target.provider.error(response.status, response.headers, await response.read())
        if call.stream:
            return Begun(target, chunks=await _begin(call, target, response, running))
        answer = target.provider.answer(call, await response.read())
        running.end()
        return Begun(target, whole=answer)


def _late(target: Target, within: float) -> UpstreamTimeout:
    message = f"model {target.name!r} did not answer within {within:g} s (attempt_timeout of the route)"
    return UpstreamTimeout(message, phase="first_byte")


def _call(
    exchange: Exchange, target: Target, span_id: str, deadline: float, payload: JsonObject | None, *, stream: bool
) -> Call:
    return Call(
        exchange.operation,
        exchange.payload if payload is None else payload,
        target.model,
        stream,
        deadline,
        exchange.raw if payload is None else None,
        _headers(exchange, span_id),
        int(exchange.wall),
        exchange.dialect != "openai",
    )


def _headers(exchange: Exchange, span_id: str) -> bytes:
    trace = exchange.trace
    state = f"tracestate: {trace.state}\r\n" if trace.state else ""
    return f"x-request-id: {exchange.id}\r\ntraceparent: {trace.header(span_id)}\r\n{state}".encode("ascii")


async def _begin(call: Call, target: Target, response: Response, running: "_Running") -> AsyncIterator[list[Chunk]]:
    """The stream, once the first of it that says something is there: until then a failure is an ordinary error."""
    media = response.headers.get(b"content-type", b"")
    if not media.startswith(b"text/event-stream"):
        response.close()
        what = media.decode("latin-1")[:60] or "no content type"
        raise UpstreamProtocolError(f"provider {target.provider.name} was asked for a stream and sent {what}")
    chunks = _chunks(target, response, target.provider.decoder(call), running)
    first: list[Chunk] = []
    async for batch in chunks:
        first += batch
        if any(map(says, batch)):
            running.begin_stream()
            break
    return _Rejoined(first, chunks)


def says(chunk: Chunk) -> bool:
    """Whether there is more in it than that an answer begins."""
    for choice in chunk.body.choices:
        delta = choice.delta
        if delta is None or delta.role is None or choice.finish_reason is not None:
            return True
        if delta.content or delta.reasoning_content or delta.reasoning or delta.refusal:
            return True
        if delta.tool_calls or delta.function_call:
            return True
    return False


async def _chunks(
    target: Target, response: Response, decoder: StreamDecoder, running: "_Running"
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
        if not running.begun:
            raise UpstreamProtocolError(f"provider {target.provider.name} sent a stream without an answer in it")
    except BaseException as caught:
        error = caught
        raise
    finally:
        response.close()
        if running.begun or error is None:  # else `call` knows better: to this a timeout looks like a cancellation
            running.end(error)


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


class _Rejoined:
    """A stream with its beginning put back. No generator: one that has not begun would not close what it reads."""

    def __init__(self, first: list[Chunk], rest: AsyncIterator[list[Chunk]]) -> None:
        self._first = first
        self._rest = rest

    def __aiter__(self) -> "_Rejoined":
        return self

    async def __anext__(self) -> list[Chunk]:
        if self._first:
            first, self._first = self._first, []
            return first
        return await anext(self._rest)

    async def aclose(self) -> None:
        await self._rest.aclose()  # type: ignore[attr-defined]


class _Running:
    """A call while it runs; when it ends, once, its slot, health and breaker are told, and its `Attempt` is left."""

    __slots__ = (
        "_ended", "_exchange", "_now", "_slot", "_start", "_target", "_ticket", "_why", "begun", "first_byte",
        "span_id", "status",
    )  # fmt: skip

    def __init__(
        self, exchange: Exchange, target: Target, why: Why, now: Callable[[], float], span_id: str, slot: Slot | None
    ) -> None:
        self.span_id = span_id
        self.begun = False  # as a stream: whoever reads it ends it
        self.first_byte: float | None = None
        self.status: int | None = None
        self._exchange = exchange
        self._target = target
        self._why = why
        self._now = now
        self._slot = slot
        self._start = now()
        self._ticket = 0
        self._ended = False

    def begin(self, *, forced: bool) -> None:
        """It may go out now. Raises Down if the breaker does not let it and it is not `forced`."""
        breaker = self._target.standing.breaker
        before = breaker.state
        self._ticket = FORCED if forced else breaker.allow()
        if breaker.state != before:
            self._transition(before)
        if not self._ticket:
            self._ended = True
            if self._slot is not None:
                self._slot.release()
            raise Down(self._target)
        self._target.standing.health.begin()

    def begin_stream(self) -> None:
        """Its first token has come, which may be long after its head."""
        self.begun = True
        self.first_byte = self._now()

    def end(self, error: BaseException | None = None) -> None:
        """It is over."""
        if self._ended:
            return
        self._ended = True
        now = self._now()
        if self._slot is not None:
            self._slot.release()
        kind = self._praise(now) if error is None else self._judge(error, now)
        exchange, target, first = self._exchange, self._target, self.first_byte
        began = exchange.started
        start = int((self._start - began) * 1e6)
        exchange.attempts.append(
            Attempt(
                target.provider.name,
                target.model,
                start,
                int((now - began) * 1e6) - start,
                int((first - began) * 1e6) if first is not None else None,
                self.status,
                _code(error) if error is not None else None,
                self.span_id,
                target.name,
                self._why,
                kind,
            )
        )

    def _praise(self, now: float) -> str:
        """It went well: its health and breaker are told. No failure has no class."""
        standing, first = self._target.standing, self.first_byte
        seconds = (now if first is None else first) - self._start
        breaker = standing.breaker
        before = breaker.state
        standing.health.end(True, seconds)
        breaker.record(True, seconds, self._ticket)
        if breaker.state != before:
            self._transition(before)
        return ""

    def _judge(self, error: BaseException, now: float) -> str:
        """What a failure says about the model goes to its health and breaker; the failure's class."""
        standing, breaker = self._target.standing, self._target.standing.breaker
        seconds = (self.first_byte if self.begun and self.first_byte is not None else now) - self._start
        before = breaker.state
        kind = classify(error) if isinstance(error, LlmctlError) else ""
        if not kind or kind in INNOCENT or _of_ours(error):
            standing.health.cancelled()
            breaker.cancelled(self._ticket)
        else:
            standing.health.end(False, seconds, kind)
            breaker.record(False, seconds, self._ticket)
            if kind == "rate_limit" and (wait := getattr(error, "retry_after", None)):
                standing.rest(wait)
        if breaker.state != before:
            self._transition(before)
        return kind

    def _transition(self, before: str) -> None:
        breaker = self._target.standing.breaker
        change = Transition(self._target.name, before, breaker.state, breaker.reason)
        self._exchange.transitions.append(change)


def _code(error: BaseException) -> str:
    if isinstance(error, LlmctlError):
        return error.code
    if isinstance(error, asyncio.CancelledError | GeneratorExit):
        return "cancelled"
    return LlmctlError.code  # a bug


def _of_ours(error: BaseException) -> bool:
    """A connection that was kept too long, and what a provider's translation cannot express."""
    return isinstance(error, UpstreamUnsupported) or (isinstance(error, UpstreamLost) and error.unanswered)
