"""One upstream connection: writes a request, reads its answer with httptools, and keeps the time.

What comes must be exactly one well-formed answer. Anything else (a second answer nobody asked for, bytes on an idle
connection, conflicting framing) closes the connection, so that no answer can ever reach the wrong exchange.
"""

import asyncio
import select
from collections.abc import AsyncIterator, Callable

import httptools

from llmctl.errors import UpstreamError, UpstreamLost, UpstreamProtocolError, UpstreamTimeout
from llmctl.net.transport import Origin, Request

MAX_HEAD = 64 * 1024
MAX_JOINED = 16 * 1024
PAUSE_ABOVE = 256 * 1024


class Incoming:
    """The answer to one request; a `Response`. Outlives its connection's interest in it."""

    __slots__ = ("_connection", "_failure", "_max_body", "_size", "_streaming", "_waiter", "complete",
                 "head_complete", "headers", "parts", "paused", "status")  # fmt: skip

    def __init__(self, connection: "Connection", max_body: int) -> None:
        self.status = 0
        self.headers: dict[bytes, bytes] = {}
        self.parts: list[bytes] = []
        self.head_complete = False
        self.complete = False
        self._size = 0
        self._max_body = max_body
        self._streaming = True
        self.paused = False
        self._failure: UpstreamError | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._connection: Connection | None = connection

    async def head(self) -> None:
        """Wait until status and headers are there."""
        while not self.head_complete:
            await self._wait()

    async def read(self) -> bytes:
        """The whole body."""
        self._streaming = False
        try:
            self._check_size()
            while not self.complete:
                self._resume()
                await self._wait()
        finally:
            self.close()
        return self.parts[0] if len(self.parts) == 1 else b"".join(self.parts)

    async def stream(self) -> AsyncIterator[bytes]:
        """The body as it arrives; everything that came since the last look, at once."""
        try:
            while True:
                if self.parts:
                    data = self.parts[0] if len(self.parts) == 1 else b"".join(self.parts)
                    self.parts.clear()
                    self._size = 0
                    self._resume()
                    yield data
                elif self.complete:
                    return
                else:
                    await self._wait()
        finally:
            self.close()

    def close(self) -> None:
        """Give the connection back if the answer is complete, else drop it."""
        if (connection := self._connection) is not None:
            self._connection = None
            if not self.complete:
                self.fail(UpstreamLost("the answer was closed before it was complete"))
            elif self.paused:
                connection.resume()
            connection.finish(clean=self.complete and self._failure is None)

    def body(self, data: bytes) -> None:
        """More of the body came."""
        self.parts.append(data)
        self._size += len(data)
        if not self._streaming:
            self._check_size()
            return
        if self._size > PAUSE_ABOVE and not self.paused and self._connection:
            self.paused = True
            self._connection.pause()
        self.wake()

    def fail(self, error: UpstreamError) -> None:
        """The answer will not be completed."""
        if self._failure is None and not self.complete:
            self._failure = error
        self.wake()

    def wake(self) -> None:
        """Let whoever waits look again."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _check_size(self) -> None:
        if self._size > self._max_body:
            limit = f"{self._max_body:,} bytes"
            raise UpstreamProtocolError(f"upstream's answer is over {limit}; raise max_response if that is expected")

    async def _wait(self) -> None:
        if self._failure is not None:
            raise self._failure
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None
        if self._failure is not None and not self.parts:
            raise self._failure

    def _resume(self) -> None:
        if self.paused and self._connection:
            self.paused = False
            self._connection.resume()


class Connection(asyncio.Protocol):
    """A protocol for one socket. `release` is called when it may serve again, `gone` when it has closed."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        origin: Origin,
        release: Callable[["Connection"], None],
        gone: Callable[["Connection"], None],
        idle_timeout: float,
    ) -> None:
        self.origin = origin
        self.usable = False
        self._loop = loop
        self._release = release
        self._gone = gone
        self._idle_timeout = idle_timeout
        self._transport: asyncio.Transport | None = None
        self._poll: select.poll | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._incoming: Incoming | None = None
        self._served = 0
        self._answered = False
        self._surplus = False
        self._keep_alive = True
        self._until_eof = False
        self._bodiless = 0  # bytes since the last piece of body: head, framing, trailers
        self._idle = 0.0
        self._deadline = 0.0
        self._phase = ""
        self._expires = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0

    async def exchange(self, request: Request) -> Incoming:
        """Send `request` and wait for its answer's head."""
        if self._transport is None:
            raise UpstreamLost(f"{self.origin} closed the connection before the request was sent")
        incoming = self._incoming = Incoming(self, request.max_body)
        self.usable = self._answered = self._until_eof = False
        self._bodiless = 0
        self._idle, self._deadline = request.timeouts.idle, request.deadline
        self._expect("first_byte", request.timeouts.first_byte)
        self._transport.write(
            b"%b %b HTTP/1.1\r\n%bcontent-length: %d\r\n\r\n%b"
            % (request.method, request.target, request.headers, len(request.body), request.body)
        )
        try:
            await incoming.head()
        except BaseException:
            incoming.close()
            raise
        return incoming

    def finish(self, *, clean: bool) -> None:
        """The exchange is over; keep the connection only if the answer was complete and nothing followed it."""
        self._incoming = None
        transport = self._transport
        if transport is None or not clean or not self._keep_alive or self._surplus or self._until_eof:
            self.close()
            return
        if transport.get_write_buffer_size():  # answered before it had the whole request
            self.close()
            return
        self._served += 1
        self.usable = True
        self._deadline = float("inf")
        self._expect("kept", self._idle_timeout)
        self._release(self)

    def close(self) -> None:
        """Drop the connection now."""
        self.usable = False
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.abort()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def pause(self) -> None:
        """The reader is slower than the upstream; let TCP say so."""
        if self._transport is not None:
            self._transport.pause_reading()

    def resume(self) -> None:
        """The reader has caught up."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()
            self._expect("idle", self._idle)

    def quiet(self) -> bool:
        """Whether nothing has come since the answer: no bytes, no end. Asks the kernel, as our loop may be behind."""
        if self._poll is None:
            assert self._transport is not None
            self._poll = select.poll()
            self._poll.register(self._transport.get_extra_info("socket").fileno(), select.POLLIN)
        return not self._poll.poll(0)

    # --- time: one lazy timer per connection, moved only when something expires sooner than it fires

    def _expect(self, phase: str, within: float) -> None:
        at = self._loop.time() + within
        self._phase = phase
        if at > self._deadline:
            at, self._phase = self._deadline, "total"
        self._expires = at
        if self._timer is None or self._timer_at > at:
            if self._timer is not None:
                self._timer.cancel()
            self._timer_at = at
            self._timer = self._loop.call_at(at, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        if self._loop.time() + 0.001 < self._expires:
            self._timer_at = self._expires
            self._timer = self._loop.call_at(self._expires, self._on_timer)
            return
        if self._incoming is not None:
            if self._phase == "idle" and self._incoming.paused:  # we wait for the reader, not for the upstream
                self._expect("idle", self._idle)
                return
            phase = "the exchange's deadline passed" if self._phase == "total" else f"{self._phase} timeout"
            self._fail(UpstreamTimeout(f"{self.origin}: {phase} before the answer was complete", phase=self._phase))
        self.close()

    def _fail(self, error: UpstreamError) -> None:
        if self._incoming is not None:
            self._incoming.fail(error)

    # --- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is connected, TLS included."""
        self._transport = transport  # type: ignore[assignment]
        self.usable = True

    def data_received(self, data: bytes) -> None:
        """Bytes from the upstream."""
        incoming = self._incoming
        if incoming is None:
            self.close()
            return
        self._answered = True
        try:
            self._bodiless += len(data)
            self._parser.feed_data(data)
            if self._bodiless > MAX_HEAD and not incoming.complete:
                raise self._long_head()
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            ours = error.__context__  # httptools wraps what a callback raises
            if not isinstance(ours, UpstreamError):
                ours = UpstreamProtocolError(f"{self.origin} sent what is not HTTP/1.1: {str(error)[:120]}")
            self._broken(ours)
        except UpstreamError as error:
            self._broken(error)
        else:
            if incoming.head_complete and not incoming.complete:
                self._expect("idle", self._idle)

    def _long_head(self) -> UpstreamProtocolError:
        return UpstreamProtocolError(f"{self.origin} sent headers or trailers of over {MAX_HEAD:,} bytes")

    def _broken(self, error: UpstreamError) -> None:
        self._fail(error)
        self.close()

    def eof_received(self) -> bool:
        """The upstream will send no more."""
        if self._incoming is not None and self._until_eof:
            self.on_message_complete()
        self.close()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is gone."""
        self.usable = False
        self._transport = None
        self._gone(self)
        if self._incoming is not None and not self._incoming.complete:
            unanswered = self._served > 0 and not self._answered
            what = (
                "closed a kept-alive connection"
                if unanswered
                else "closed the connection before its answer was complete"
            )
            self._fail(UpstreamLost(f"{self.origin} {what}", unanswered=unanswered))
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # --- httptools

    def on_message_begin(self) -> None:
        """An answer begins; a second one was not asked for."""
        if self._incoming is None or self._incoming.complete:
            self._surplus = True

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header line."""
        incoming = self._incoming
        if incoming is None or incoming.head_complete:  # a trailer, or nobody asked
            return
        headers = incoming.headers
        name = name.lower()
        if name in headers:
            value = headers[name] + b", " + value
            if len(value) > MAX_JOINED:  # joining costs the square
                raise self._long_head()
        headers[name] = value

    def on_headers_complete(self) -> None:
        """The head is complete; 1xx is followed by the real one."""
        if self._surplus or self._incoming is None:
            return
        incoming = self._incoming
        status = self._parser.get_status_code()
        if status == 101 or status < 100:
            raise UpstreamProtocolError(f"{self.origin} answered {status}, which is no answer to this request")
        if status < 200:
            incoming.headers.clear()
            return
        headers = incoming.headers
        if self._bodiless > MAX_HEAD and sum(len(name) + len(headers[name]) + 4 for name in headers) > MAX_HEAD:
            raise self._long_head()
        incoming.status = status
        incoming.head_complete = True
        framed = b"content-length" in headers or b"transfer-encoding" in headers or status in (204, 304)
        self._until_eof = not framed
        incoming.wake()

    def on_body(self, body: bytes) -> None:
        """A piece of the body, chunked framing removed."""
        if self._incoming is not None and not self._surplus:
            self._bodiless = 0
            self._incoming.body(body)

    def on_message_complete(self) -> None:
        """The answer is complete."""
        incoming = self._incoming
        if incoming is None or self._surplus or not incoming.head_complete:
            return
        incoming.complete = True
        self._keep_alive = self._parser.should_keep_alive()  # trailers can change it
        incoming.wake()
