"""A gateway, or any endpoint of the OpenAI dialect, asked over HTTP."""

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from llmctl.clock import Clock, SystemClock
from llmctl.errors import Blocked, GuardFailed, LlmctlError, UpstreamProtocolError, UsageError
from llmctl.gateway.asking import Call, Reply, Trouble
from llmctl.gateway.gathered import Gathered
from llmctl.model import chat
from llmctl.model.chat import Answer, Operation
from llmctl.model.json import UNDECODABLE, decode, encode
from llmctl.model.record import FROM_CACHE, CacheKind, State
from llmctl.model.usage import NO_USAGE, UNPRICED, Cost
from llmctl.net.endpoint import Endpoint
from llmctl.net.pool import Pool
from llmctl.net.sse import EventParser
from llmctl.net.transport import Response, Timeouts, Transport
from llmctl.providers.http import retry_after

PATHS: dict[Operation, bytes] = {
    "chat": b"/chat/completions",
    "completion": b"/completions",
    "embedding": b"/embeddings",
}
CACHE_KINDS: tuple[CacheKind, ...] = ("exact", "semantic", "shared", "stale", "miss", "refresh", "audit", "bypass")
BLOCKED = frozenset({Blocked.code, GuardFailed.code, "content_filter"})
_UNFIT = re.compile(r"[\x00-\x1f\x7f,]+")


@dataclass(frozen=True, slots=True)
class _Settings:
    """How an endpoint is reached."""

    headers: dict[str, str] = field(default_factory=dict)
    timeouts: Timeouts = Timeouts(connect=5.0, first_byte=600.0, idle=120.0)  # noqa: RUF009  # frozen
    max_response: int = 64 * 1024**2
    ca_file: str | None = None


class RemoteGateway:
    """An `Asker` over HTTP. What only our gateway says in headers (cost, cache, model) is empty with others."""

    def __init__(
        self,
        url: str,
        key: str | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        transport: Transport | None = None,
        clock: Clock | None = None,
    ) -> None:
        """`url` is the gateway's, with or without `/v1`. Raises UsageError where it is none."""
        base = url.rstrip("/")
        base = base if base.rpartition("/")[2].startswith("v") or "/v1" in base else base + "/v1"
        auth = {"authorization": f"Bearer {key}"} if key else {}
        try:
            self._endpoint = Endpoint.of(base, auth, _Settings(dict(headers or {})))
        except (ValueError, OSError) as error:
            raise UsageError(f"{url}: {error}") from None
        self._clock = clock or SystemClock()
        self._pool = Pool(self._clock) if transport is None else None
        self._transport: Transport = transport or self._pool or Pool(self._clock)

    async def start(self) -> None:
        """Nothing to make ready: whether it answers shows when it is asked."""

    async def ask(self, call: Call) -> Reply:
        """One POST."""
        started = self._clock.monotonic()
        reading = _Reading(self._clock)
        payload, lines = call.payload, _tags(call.tags) if call.tags else b""
        if payload.get("stream") and "stream_options" not in payload:
            payload = {**payload, "stream_options": {"include_usage": True}}  # else nobody would know what it took
        try:
            request = self._endpoint.request(
                PATHS[call.operation], encode(payload), deadline=started + call.timeout, headers=lines
            )
            response = await self._transport.send(request)
            try:
                await reading.take(response, streamed=bool(call.payload.get("stream")))
            finally:
                response.close()
        except LlmctlError as error:
            reading.trouble = Trouble(error.http_status, error.code, error.message, error.type)
        seconds = self._clock.monotonic() - started
        first = reading.first_at - started if reading.first_at is not None else None
        return reading.reply(seconds, first)

    async def close(self) -> None:
        """Close its connections."""
        if self._pool is not None:
            self._pool.close()


class _Reading:
    """An answer as it comes."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._headers: dict[bytes, bytes] = {}
        self._answer: Answer | None = None
        self.trouble: Trouble | None = None
        self.first_at: float | None = None

    async def take(self, response: Response, *, streamed: bool) -> None:
        """Read it. Raises LlmctlError."""
        self._headers = response.headers
        if response.status != 200:
            self.trouble = _told(response.status, response.headers, await response.read())
        elif streamed and response.headers.get(b"content-type", b"").startswith(b"text/event-stream"):
            await self._stream(response)
        else:
            self._answer = _decoded(await response.read())

    async def _stream(self, response: Response) -> None:
        parser, gathered = EventParser(), Gathered()
        async for piece in response.stream():
            if self.first_at is None:
                self.first_at = self._clock.monotonic()
            for event in parser.feed(piece):
                if event.data == b"[DONE]":
                    continue
                try:
                    chunk = chat.chunk(event.data)
                except UNDECODABLE as error:
                    raise UpstreamProtocolError(f"an event of the stream is no chunk: {error}") from None
                if chunk.body.error is not None:
                    self.trouble = _told(502, {}, event.data)
                    return
                gathered.add([chunk])
        self._answer = gathered.answer()
        if self._answer is None:
            raise UpstreamProtocolError("the stream ended without an answer that can be put together")

    def reply(self, seconds: float, ttft: float | None) -> Reply:
        """What came of it."""
        answer, trouble = self._answer, self.trouble
        state: State = "ok" if trouble is None else "blocked" if trouble.code in BLOCKED else "failed"
        head = self._headers
        kind = head.get(b"x-llmctl-cache", b"").decode("latin-1")
        cached = next((one for one in CACHE_KINDS if one == kind), None)
        model = head.get(b"x-llmctl-model", b"").decode("latin-1")
        if answer is None or trouble is not None:
            return Reply(_ident(head), state, seconds, trouble=trouble, ttft=ttft, model=model, cache=cached)
        served = model or answer.body.model or ""
        usage = NO_USAGE if cached in FROM_CACHE else answer.usage  # the body tells what the answer once took
        return Reply(
            _ident(head), "ok", seconds, answer.body, answer.raw, None, ttft, served, usage, _cost(head), cached
        )


def _tags(tags: Mapping[str, str]) -> bytes:
    """The header line; what would end a tag or the line becomes a space."""
    pairs = (f"{_UNFIT.sub(' ', name)}={_UNFIT.sub(' ', value)}" for name, value in tags.items())
    return f"x-llmctl-tags: {', '.join(pairs)}\r\n".encode()


def _ident(headers: Mapping[bytes, bytes]) -> str:
    return headers.get(b"x-request-id", b"").decode("latin-1")


def _cost(headers: Mapping[bytes, bytes]) -> Cost:
    with suppress(ValueError):
        return Cost(float(headers[b"x-llmctl-cost-usd"]), "estimated") if b"x-llmctl-cost-usd" in headers else UNPRICED
    return UNPRICED


def _decoded(body: bytes) -> Answer:
    try:
        return chat.answer(body)
    except UNDECODABLE as error:
        raise UpstreamProtocolError(f"the answer is not what OpenAI's endpoint sends: {error}") from None


def _told(status: int, headers: dict[bytes, bytes], body: bytes) -> Trouble:
    """An error answer in OpenAI's shape, or in none."""
    after = retry_after(headers)
    try:
        error = decode(body)["error"]
        if isinstance(error, dict):
            code = str(error.get("code") or error.get("type") or "error")
            return Trouble(status, code, str(error.get("message", "")), str(error.get("type") or ""), after)
    except (*UNDECODABLE, KeyError, TypeError):
        pass
    return Trouble(status, "error", f"status {status}: {body[:200].decode('utf-8', 'replace')}", "", after)
