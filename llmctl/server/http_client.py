"""A `Client` at the other end of an ASGI connection."""

import math
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from llmctl.clock import Clock
from llmctl.errors import BodyTooLarge, ClientGone, LlmctlError, MethodNotAllowed
from llmctl.model.chat import Answer, Chunk
from llmctl.model.exchange import Exchange
from llmctl.model.record import CacheOutcome
from llmctl.server.cycle import ANSWER
from llmctl.server.dialect import Dialect, StreamEncoder
from llmctl.server.protocol import FAILURE

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_JSON = b"content-type: application/json\r\n"
_EVENTS = b"content-type: text/event-stream; charset=utf-8\r\ncache-control: no-cache\r\nx-accel-buffering: no\r\n"


class HttpClient:
    """Reads the request and writes the answer in one dialect. `policy` is the digest told to the client."""

    __slots__ = ("_clock", "_declared", "_dialect", "_encoder", "_max_body", "_policy", "_receive", "_scope", "_send")

    def __init__(
        self,
        dialect: Dialect,
        scope: Message,
        receive: Receive,
        send: Send,
        clock: Clock,
        policy: bytes,
        max_body: int,
        declared: int,
    ) -> None:
        """`declared` is the request's content-length, or -1 where it has none."""
        self._dialect = dialect
        self._scope = scope
        self._receive = receive
        self._send = send
        self._clock = clock
        self._policy = policy
        self._max_body = max_body
        self._declared = declared
        self._encoder: StreamEncoder | None = None

    async def read(self, exchange: Exchange) -> None:
        """The whole body, parsed by the dialect."""
        payload, exchange.raw = self._dialect.parse(await self._body())
        exchange.payload = payload
        exchange.requested_model = payload["model"]
        exchange.stream = exchange.operation != "embedding" and bool(payload.get("stream"))

    async def _body(self) -> bytes:
        if self._declared > self._max_body:
            raise _too_large(self._max_body)
        message = await self._receive()
        body: bytes = message.get("body", b"")
        if message.get("more_body"):
            parts, size = [body], len(body)
            while message.get("more_body"):
                if (failure := self._scope.get(FAILURE)) is not None:
                    raise failure
                message = await self._receive()
                if message["type"] == "http.disconnect":
                    break
                parts.append(message.get("body", b""))
                size += len(parts[-1])
                if size > self._max_body:
                    raise _too_large(self._max_body)
            body = b"".join(parts)
        if message["type"] == "http.disconnect":
            raise ClientGone("the client closed the connection before its request was complete")
        if len(body) > self._max_body:
            raise _too_large(self._max_body)
        return body

    async def whole(self, exchange: Exchange, answer: Answer) -> None:
        """A 200 with everything that is known by now in its headers."""
        body = self._dialect.answer(exchange, answer)
        exchange.committed = True
        await self._answer(200, _JSON + self._head(exchange), body)

    async def stream(self, exchange: Exchange, chunks: AsyncIterator[list[Chunk]]) -> None:
        """A 200 whose body is events; each batch of chunks is one write."""
        encoder = self._encoder = self._dialect.encoder(exchange)
        send = self._send
        async for batch in chunks:
            data = encoder.feed(batch)
            if not exchange.committed:
                exchange.committed = True
                await self._answer(200, _EVENTS + self._head(exchange), data, more=True)
            elif data:
                await send({"type": "http.response.body", "body": data, "more_body": True})
        if exchange.committed:
            await send({"type": "http.response.body", "body": encoder.finish(), "more_body": False})
        else:  # a stream without a single chunk
            exchange.committed = True
            await self._answer(200, _EVENTS + self._head(exchange), encoder.finish())

    async def error(self, exchange: Exchange, error: LlmctlError) -> None:
        """An error answer, or the last event of a stream that has begun."""
        if exchange.committed:
            if self._encoder is not None:
                last = self._encoder.error(error, exchange.id)
                await self._send({"type": "http.response.body", "body": last, "more_body": False})
            return
        if isinstance(error, ClientGone):
            return
        head = _JSON + self._head(exchange) + error_head(error)
        await self._answer(error.http_status, head, self._dialect.error(error, exchange.id))

    async def _answer(self, status: int, head: bytes, body: bytes, *, more: bool = False) -> None:
        await self._send({"type": ANSWER, "status": status, "head": head, "body": body, "more_body": more})

    def _head(self, exchange: Exchange) -> bytes:
        """Header lines. Nothing in them is the client's but its request id, which was checked when it came."""
        request_id = exchange.id.encode("ascii")
        head = b"x-request-id: %b\r\nx-llmctl-request-id: %b\r\nx-llmctl-policy: %b\r\n" % (
            request_id,
            request_id,
            self._policy,
        )
        if exchange.dialect == "anthropic":  # the name its official clients read
            head += b"request-id: %b\r\n" % request_id
        if model := exchange.answering:
            head += b"x-llmctl-model: %b\r\n" % model.encode("ascii")
        if exchange.degraded is not None:
            head += b"x-llmctl-degraded: %b\r\n" % exchange.degraded.encode("ascii")
        if attempts := exchange.attempts:
            spent = exchange.us(self._clock.monotonic()) - sum([attempt.duration_us for attempt in attempts])
            head += b"x-llmctl-attempts: %d\r\nx-llmctl-overhead-ms: %.3f\r\n" % (len(attempts), spent / 1000)
        if (cache := exchange.cache) is not None:
            head += _cache_head(cache)
        if exchange.limits:
            head += exchange.limits
        if exchange.notices:
            head += b"x-llmctl-guardrails: %b\r\n" % ", ".join(exchange.notices).encode("ascii")
        if (usd := exchange.cost.usd) is not None:
            head += b"x-llmctl-cost-usd: %.8f\r\n" % usd
        return head


def _cache_head(cache: CacheOutcome) -> bytes:
    """What the cache said; `age` in seconds, as HTTP has it."""
    head = b"x-llmctl-cache: %b\r\n" % cache.kind.encode("ascii")
    if cache.similarity is not None:
        head += b"x-llmctl-cache-similarity: %.4f\r\n" % cache.similarity
    if cache.age_s is not None:
        head += b"age: %d\r\n" % cache.age_s
    return head


def error_head(error: LlmctlError) -> bytes:
    """What an error adds: when to come back, which method to use, whether to hang up."""
    head = b""
    retry_after: float | None = getattr(error, "retry_after", None)
    if retry_after is None and error.http_status == 429:
        retry_after = 1.0  # a 429 without it makes clients storm
    if retry_after is not None:
        head += b"retry-after: %d\r\n" % max(1, math.ceil(retry_after))
    if error.http_status == 401:
        head += b"www-authenticate: Bearer\r\n"
    if isinstance(error, MethodNotAllowed):
        head += b"allow: %b\r\n" % error.allow.encode("ascii")
    return head


def _too_large(limit: int) -> BodyTooLarge:
    return BodyTooLarge(f"the request body is over {limit:,} bytes (server.max_body)")
