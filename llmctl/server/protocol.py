"""uvicorn's HTTP protocol, with what a public port needs and uvicorn leaves out.

A cap on the request's head, timeouts for clients that send slowly, and the cancellation of a request whose client
has gone, so that its upstream call ends too.
"""

import asyncio
from typing import Any, cast
from urllib.parse import unquote

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from llmctl.errors import InvalidRequest, RequestError, RequestTimeout
from llmctl.server.cycle import Cycle, linger

UPGRADE = frozenset({b"upgrade", b"connection", b"http2-settings"})
FAILURE = "llmctl.failure"  # in a request's scope: the LlmctlError that keeps its body from being read


class Limits:
    """What `protocol` enforces; replaced as a whole on reload. Bytes and seconds."""

    def __init__(self, max_header: int, header_timeout: float, body_timeout: float, send_timeout: float) -> None:
        self.max_header = max_header
        self.header_timeout = header_timeout
        self.body_timeout = body_timeout
        self.send_timeout = send_timeout


class LimitsHolder:
    """The limits that are live."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits


def protocol(holder: LimitsHolder) -> type[HttpToolsProtocol]:
    """The protocol class for a server whose limits `holder` has."""

    class GatewayProtocol(_Protocol):
        _holder = holder

    return GatewayProtocol


class _Protocol(HttpToolsProtocol):
    _holder: LimitsHolder

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._head_size = 0
        self._reading_since: float | None = None
        self._in_head = True
        self._refused = False
        self._refusal: tuple[bytes, bytes] | None = None
        self._upgrading = False
        self._serving: Cycle | None = None
        self._slow_timer: asyncio.TimerHandle | None = None
        self._running: asyncio.Task[None] | None = None

    # --- slow clients: one lazy timer per connection, as cheap as a comparison per request

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._begin_head()

    def _busy(self) -> bool:
        """Whether an answer is under way; what arrives meanwhile belongs to later requests and must not disturb it."""
        return self._serving is not None and not self._serving.response_complete

    def _begin_head(self) -> None:
        self._in_head = True
        self._reading_since = self.loop.time()
        if self._slow_timer is None:
            self._slow_timer = self.loop.call_later(self._allowed(), self._on_slow_timer)

    def _allowed(self) -> float:
        limits = self._holder.limits
        return limits.header_timeout if self._in_head else limits.body_timeout

    def _on_slow_timer(self) -> None:
        self._slow_timer = None
        if self._reading_since is None or self.transport.is_closing():
            return
        left = self._reading_since + self._allowed() - self.loop.time()
        if left > 0.001:
            self._slow_timer = self.loop.call_later(left, self._on_slow_timer)
        elif self._in_head:
            self._refuse(b"408 Request Timeout", b"the request's head did not arrive in time")
        elif self.cycle is not None:
            self._fail_body(RequestTimeout("the request's body did not arrive in time (server.body_timeout)"))

    def _fail_body(self, error: RequestError) -> None:
        """The request is known by now, so its refusal is the path's: wake its reader and let it see."""
        self._reading_since = None
        self._refused = True
        cast(dict[str, Any], self.cycle.scope)[FAILURE] = error
        self.cycle.message_event.set()

    def _refuse(self, status: bytes, message: bytes) -> None:
        """An answer from below ASGI: there is no request yet to give it to. It waits for the answers before it."""
        self._reading_since = None
        self._refused = True
        if self._busy():
            self._refusal = (status, message)
            return
        body = b'{"error":{"message":"%b","type":"invalid_request_error","param":null,"code":null}}' % message
        self.transport.write(
            b"HTTP/1.1 %b\r\ncontent-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%b"
            % (status, len(body), body)
        )
        linger(self.transport)

    # --- parsing

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        self._unset_keepalive_if_required()
        if self._in_head:
            if self._reading_since is None and not self._busy():
                self._begin_head()
            self._head_size += len(data)
        self._feed(data)
        if self._in_head and self._head_size > self._holder.limits.max_header and not self._refused:
            self._refuse(b"431 Request Header Fields Too Large", b"the request's head is over server.max_header")

    def _feed(self, data: bytes) -> None:
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._without_upgrade(data[upgrade.args[0] :])
        except httptools.HttpParserError:
            if not self._in_head:
                self._fail_body(InvalidRequest("the request's body is not valid chunked encoding"))
                return
            self._refuse(b"400 Bad Request", b"the request is not valid HTTP/1.1")

    def _without_upgrade(self, rest: bytes) -> None:
        """Read the request again as if it had not offered an upgrade, which a server may ignore.

        The parser takes what follows an offered upgrade for another protocol: the body would be lost, or read as
        the next request.
        """
        self._upgrading = False
        method = self.parser.get_method()
        if method == b"CONNECT":
            self._refuse(b"405 Method Not Allowed", b"this is no proxy")
            return
        lines = [b"%b %b HTTP/%b\r\n" % (method, self.url, self.parser.get_http_version().encode())]
        lines += [b"%b: %b\r\n" % header for header in self.headers if header[0] not in UPGRADE]
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self._feed(b"".join(lines) + b"\r\n" + rest)

    def on_headers_complete(self) -> None:
        if self.parser.should_upgrade():
            self._upgrading = True
            return
        # What has come so far may include some of the body, so it only says when a closer look is due.
        limit = self._holder.limits.max_header
        if self._head_size > limit and self._exact_head_size() > limit:
            self._refuse(b"431 Request Header Fields Too Large", b"the request's head is over server.max_header")
            return
        cycle = self._cycle()  # raises on a URL that is none, while this is still a head
        self._in_head = False
        self._reading_since = self.loop.time()
        before, self.cycle = self.cycle, cycle
        if before is None or before.response_complete:
            self._start_asgi_task(cycle, self.app)
        else:  # pipelined: it waits its turn
            self.flow.pause_reading()
            self.pipeline.appendleft((cycle, self.app))

    def _exact_head_size(self) -> int:
        return sum(len(name) + len(value) + 4 for name, value in self.headers) + len(self.url)

    def _cycle(self) -> Cycle:
        scope: dict[str, Any] = cast(dict[str, Any], self.scope)
        version = self.parser.get_http_version()
        raw_path, query = self.url, b""
        if not raw_path.startswith(b"/") or b"?" in raw_path:
            url = httptools.parse_url(self.url)
            raw_path, query = url.path or b"/", url.query or b""
        path = raw_path.decode("ascii", "replace")
        scope["method"] = self.parser.get_method().decode("ascii")
        scope["http_version"] = version
        scope["path"] = unquote(path) if "%" in path else path
        scope["raw_path"] = raw_path
        scope["query_string"] = query
        cycle = Cycle(
            scope=self.scope,
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=False,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=self.expect_100_continue,
            keep_alive=version != "1.0" and self.parser.should_keep_alive(),
            on_response=self.on_response_complete,
        )
        cycle.send_timeout = self._holder.limits.send_timeout
        return cycle

    def on_body(self, body: bytes) -> None:
        if not self._refused:
            super().on_body(body)

    def on_message_complete(self) -> None:
        if self._upgrading:
            return
        self._reading_since = None
        self._in_head = True
        self._head_size = 0
        if self.cycle is not None and not self._refused:
            super().on_message_complete()

    # --- the running request

    def _start_asgi_task(self, cycle: Cycle, app: Any) -> None:  # type: ignore[override]
        self._serving = cycle
        task = self._running = self.loop.create_task(cycle.run_asgi(app))
        task.add_done_callback(self.tasks.discard)
        self.tasks.add(task)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._busy() or self.transport.is_closing() or (self._serving and not self._serving.keep_alive):
            return
        if self._refusal is not None:
            self._unset_keepalive_if_required()
            self._refuse(*self._refusal)
        elif self._in_head and self._head_size:
            self._unset_keepalive_if_required()
            self._begin_head()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._reading_since = None
        if self._slow_timer is not None:
            self._slow_timer.cancel()
            self._slow_timer = None
        if self._running is not None and not self._running.done():
            self._running.cancel()
