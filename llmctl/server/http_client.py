"""A `Client` at the other end of an ASGI connection."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from llmctl.clock import Clock
from llmctl.errors import BodyTooLarge, ClientGone, LlmctlError, RequestTimeout
from llmctl.model.chat import Answer, Chunk
from llmctl.model.exchange import Exchange
from llmctl.server.dialect import Dialect, StreamEncoder
from llmctl.server.protocol import LATE

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

_JSON = (b"content-type", b"application/json")
_EVENTS = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"no-cache"),
           (b"x-accel-buffering", b"no")]  # fmt: skip


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
        declared: int | None,
    ) -> None:
        """`declared` is the request's content-length, where it has one."""
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
        exchange.stream = bool(payload.get("stream"))

    async def _body(self) -> bytes:
        if self._declared is not None and self._declared > self._max_body:
            raise _too_large(self._max_body)
        message = await self._receive()
        body: bytes = message.get("body", b"")
        if message.get("more_body"):
            parts, size = [body], len(body)
            while message.get("more_body"):
                message = await self._receive()
                if message["type"] == "http.disconnect":
                    break
                if LATE in self._scope:
                    raise RequestTimeout("the request's body did not arrive in time (server.body_timeout)")
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
        await self._answer(200, self._headers(exchange), body)

    async def stream(self, exchange: Exchange, chunks: AsyncIterator[list[Chunk]]) -> None:
        """A 200 whose body is events; each batch of chunks is one write."""
        encoder = self._encoder = self._dialect.encoder(exchange)
        send = self._send
        exchange.committed = True
        await send({"type": "http.response.start", "status": 200, "headers": _EVENTS + self._headers(exchange)})
        async for batch in chunks:
            if data := encoder.feed(batch):
                await send({"type": "http.response.body", "body": data, "more_body": True})
        await send({"type": "http.response.body", "body": encoder.finish(), "more_body": False})

    async def error(self, exchange: Exchange, error: LlmctlError) -> None:
        """An error answer, or the last event of a stream that has begun."""
        if exchange.committed:
            if self._encoder is not None:
                last = self._encoder.error(error, exchange.id)
                await self._send({"type": "http.response.body", "body": last, "more_body": False})
            return
        if isinstance(error, ClientGone):
            return
        headers = self._headers(exchange) + error_headers(error)
        await self._answer(error.http_status, headers, self._dialect.error(error, exchange.id))

    async def _answer(self, status: int, headers: Headers, body: bytes) -> None:
        headers += (_JSON, (b"content-length", b"%d" % len(body)))
        await self._send({"type": "http.response.start", "status": status, "headers": headers})
        await self._send({"type": "http.response.body", "body": body})

    def _headers(self, exchange: Exchange) -> Headers:
        request_id = exchange.id.encode("ascii")
        headers = [
            (b"x-request-id", request_id),
            (b"x-llmctl-request-id", request_id),
            (b"x-llmctl-policy", self._policy),
        ]
        if exchange.decision is not None:
            headers.append((b"x-llmctl-model", exchange.decision.model.encode("ascii", "replace")))
        if attempts := exchange.attempts:
            headers.append((b"x-llmctl-attempts", b"%d" % len(attempts)))
            elapsed = exchange.us(self._clock.monotonic()) - sum(attempt.duration_us for attempt in attempts)
            headers.append((b"x-llmctl-overhead-ms", b"%.3f" % (elapsed / 1000)))
        if (usd := exchange.cost.usd) is not None:
            headers.append((b"x-llmctl-cost-usd", b"%.8f" % usd))
        return headers


def error_headers(error: LlmctlError) -> Headers:
    """What an error adds: when to come back, which method to use, whether to hang up."""
    headers: Headers = []
    retry_after: float | None = getattr(error, "retry_after", None)
    if retry_after is None and error.http_status == 429:
        retry_after = 1.0  # a 429 without it makes clients storm
    if retry_after is not None:
        headers.append((b"retry-after", b"%d" % max(1, -(-retry_after // 1))))
    if error.http_status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    if (allow := getattr(error, "allow", None)) is not None:
        headers.append((b"allow", allow.encode("ascii")))
    if isinstance(error, BodyTooLarge | RequestTimeout):
        headers.append((b"connection", b"close"))
    return headers


def _too_large(limit: int) -> BodyTooLarge:
    return BodyTooLarge(f"the request body is over {limit:,} bytes (server.max_body)")
