"""One request and its response, as uvicorn's cycle, with the head and the first piece of the body in one write.

uvicorn writes them apart, which is a second system call, a second packet and a second wake-up of the client for
every answer: 13 of 75 µs when this was measured (bench/gateway.py).
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

# An ASGI message of our own: status, `head` (complete header lines, made and checked by us), body, more_body.
ANSWER = "llmctl.http.answer"
NO_BODY = (204, 304)
LINGER = 2.0  # seconds; closing with unread bytes would reset the connection and take the answer with it


def linger(transport: asyncio.Transport) -> None:
    """Hang up on a client that is still sending, but give it time to read the answer."""
    if not transport.is_closing():
        transport.write_eof()
        asyncio.get_running_loop().call_later(LINGER, transport.close)


class Cycle(RequestResponseCycle):
    """Raises RuntimeError where the application breaks ASGI's rules."""

    _head: bytes = b""
    send_timeout: float = 60.0

    async def send(self, message: Any) -> None:
        """Take one ASGI message from the application."""
        if self.flow.write_paused and not self.disconnected:
            await self._drain()
        if self.disconnected:
            return
        if not self.response_started:
            if message["type"] == ANSWER:
                self._answer(message["status"], message["head"], message["body"], message["more_body"])
            elif message["type"] == "http.response.start":
                self._start(message["status"], message.get("headers", ()))
            else:
                raise RuntimeError(f"expected http.response.start, got {message['type']}")
        elif not self.response_complete:
            if message["type"] != "http.response.body":
                raise RuntimeError(f"expected http.response.body, got {message['type']}")
            self._continue(message.get("body", b""), message.get("more_body", False))
        else:
            raise RuntimeError(f"got {message['type']} after the response was complete")

    async def _drain(self) -> None:
        """Wait for the client to read; one that does not would hold its upstream's connection for ever."""
        try:
            async with asyncio.timeout(self.send_timeout):
                await self.flow.drain()
        except TimeoutError:
            self.transport.abort()
            await asyncio.sleep(self.send_timeout)  # the lost connection cancels this task first

    def _start(self, status: int, headers: Any) -> None:
        self.response_started = True
        self.waiting_for_100_continue = False
        lines = [STATUS_LINE[status]]
        for name, value in (*self.default_headers, *headers):
            if b"\n" in value or b"\r" in value or b"\0" in value:
                raise RuntimeError(f"header {name!r} has a line break in its value")
            if name == b"content-length":
                self.expected_content_length = int(value)
                self.chunked_encoding = False
            elif name == b"connection" and value.lower() == b"close":
                self.keep_alive = False
                continue
            lines += (name, b": ", value, b"\r\n")
        if status in NO_BODY or self.scope["method"] == "HEAD":
            self.chunked_encoding = False
        elif self.chunked_encoding is None:
            lines.append(self._open_ended())
        self._head = b"".join(lines) + self._last_lines()

    def _answer(self, status: int, head: bytes, body: bytes, more: bool) -> None:
        """The same with `head`, complete lines that need no checking: half the cost of the start of an answer."""
        self.response_started = True
        self.waiting_for_100_continue = False
        lines = [STATUS_LINE[status], *(b"%b: %b\r\n" % header for header in self.default_headers), head]
        if more:
            lines.append(self._open_ended())
        else:
            self.chunked_encoding = False
            self.expected_content_length = len(body)
            lines.append(b"content-length: %d\r\n" % len(body))
        self._head = b"".join(lines) + self._last_lines()
        self._continue(body, more)

    def _open_ended(self) -> bytes:
        """The framing of a body whose length is not known: in HTTP/1.0 it ends with the connection."""
        if self.scope["http_version"] == "1.0":
            self.keep_alive = False
            return b""
        self.chunked_encoding = True
        return b"transfer-encoding: chunked\r\n"

    def _last_lines(self) -> bytes:
        if self.more_body:  # answered before all of the request was read: what follows on the wire is no request
            self.keep_alive = False
        return b"\r\n" if self.keep_alive else b"connection: close\r\n\r\n"

    def _continue(self, body: bytes, more: bool) -> None:
        head, self._head = self._head, b""
        if self.scope["method"] == "HEAD":
            body, self.expected_content_length = b"", 0
        elif self.chunked_encoding:
            body = self._chunk(body, more)
        elif self.chunked_encoding is False:
            self.expected_content_length -= len(body)
            if self.expected_content_length < 0 or (not more and self.expected_content_length):
                raise RuntimeError("the body is not as long as its content-length says")
        if head or body:
            self.transport.write(head + body)
        if not more:
            self.response_complete = True
            self.message_event.set()
            self.on_response()
            if not self.keep_alive and self.more_body:
                linger(self.transport)
            elif not self.keep_alive:
                self.transport.close()

    def _chunk(self, body: bytes, more: bool) -> bytes:
        framed = b"%x\r\n%b\r\n" % (len(body), body) if body else b""
        return framed if more else framed + b"0\r\n\r\n"
