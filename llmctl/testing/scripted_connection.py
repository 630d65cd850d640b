"""One client's connection to a scripted server: reads requests with httptools, plays answers with timers."""

import asyncio
import socket
import struct
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Literal

import httptools
import msgspec

from llmctl.providers.script_engine import Action, Close, Hang, Head, Raw, Reset, Send, Wait


@dataclass(slots=True)
class Received:
    """A request that came. `outcome` says how its answer went; `dropped` means that the client left before its end."""

    method: bytes
    target: bytes
    headers: dict[bytes, bytes] = field(default_factory=dict)
    body: bytes = b""
    outcome: Literal["answering", "answered", "faulted", "dropped"] = "answering"

    @property
    def json(self) -> Any:
        """The body, decoded."""
        return msgspec.json.decode(self.body)


class Connection(asyncio.Protocol):
    """Answers are played one after the other. There are no tasks; a timer wakes whatever waits."""

    def __init__(self, plan: Callable[[Received], list[Action]], open_: set["Connection"]) -> None:
        self._plan = plan
        self._open = open_
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None
        self._received = Received(b"", b"")
        self._body: list[bytes] = []
        self._waiting: deque[tuple[Received, bool]] = deque()
        self._playing: Received | None = None
        self._actions: Iterator[Action] = iter(())
        self._keep_alive = True
        self._chunked = False
        self._due = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def abort(self) -> None:
        """Break the connection."""
        if self._transport is not None:
            self._transport.abort()

    # --- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has come."""
        self._transport = transport  # type: ignore[assignment]
        self._open.add(self)

    def data_received(self, data: bytes) -> None:
        """Bytes from the client."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client has gone."""
        self._open.discard(self)
        self._transport = None
        self._waiting.clear()
        if self._timer is not None:
            self._timer.cancel()
        if self._playing is not None and self._playing.outcome == "answering":
            self._playing.outcome = "dropped"

    # --- httptools

    def on_message_begin(self) -> None:
        """A request begins."""
        self._received = Received(b"", b"")
        self._body = []

    def on_url(self, url: bytes) -> None:
        """A piece of the target."""
        self._received.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header line."""
        self._received.headers[name.lower()] = value

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        self._body.append(body)

    def on_message_complete(self) -> None:
        """A request is complete."""
        received = self._received
        received.method = self._parser.get_method()
        received.body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
        self._waiting.append((received, self._parser.should_keep_alive()))
        self._next()

    # --- playing

    def _next(self) -> None:
        while self._waiting and self._playing is None:
            self._playing, self._keep_alive = self._waiting.popleft()
            self._actions = iter(self._plan(self._playing))
            self._chunked = False
            self._due = self._loop.time()
            self._play()

    def _wake(self) -> None:
        self._timer = None
        self._play()
        self._next()

    def _play(self) -> None:
        """Act until there is something to wait for. What goes out at one time goes out in one write."""
        out: list[bytes] = []
        for action in self._actions:
            if isinstance(action, Send):
                out.append(self._framed(action.data))
            elif isinstance(action, Head):
                out.append(self._head(action))
            elif not isinstance(action, Wait):
                self._misbehave(action, out)
                return
            elif action.seconds:
                self._due += action.seconds
                if self._due > self._loop.time():
                    self._write(out)
                    self._timer = self._loop.call_at(self._due, self._wake)
                    return
        if self._chunked:
            out.append(b"0\r\n\r\n")
        self._write(out)
        assert self._playing is not None
        self._playing.outcome = "answered"
        self._playing = None
        if not self._keep_alive and self._transport is not None:
            self._transport.close()

    def _framed(self, data: bytes) -> bytes:
        return b"%x\r\n%b\r\n" % (len(data), data) if self._chunked and data else data

    def _head(self, head: Head) -> bytes:
        self._chunked = head.length is None
        framing = b"transfer-encoding: chunked" if head.length is None else b"content-length: %d" % head.length
        fields = b"".join([b"%b: %b\r\n" % line for line in head.headers.items()])
        close = b"" if self._keep_alive else b"connection: close\r\n"
        reason = b"OK" if head.status == 200 else _reason(head.status)
        return b"HTTP/1.1 %d %b\r\n%b%b%b\r\n\r\n" % (head.status, reason, fields, close, framing)

    def _write(self, out: list[bytes]) -> None:
        if out and self._transport is not None:
            self._transport.write(out[0] if len(out) == 1 else b"".join(out))

    def _misbehave(self, action: Action, out: list[bytes]) -> None:
        """What no well-behaved server does. `_playing` stays set, so nothing more is answered here."""
        self._write(out)
        transport = self._transport
        if transport is None or isinstance(action, Hang):
            return
        assert self._playing is not None
        self._playing.outcome = "faulted"
        if isinstance(action, Raw):
            transport.write(action.data)
            transport.close()
        elif isinstance(action, Close):
            transport.write_eof()
        elif isinstance(action, Reset):
            # Closing a socket that must not linger sends RST; what was written before gets a moment to arrive.
            linger = struct.pack("ii", 1, 0)
            transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            if out:
                self._timer = self._loop.call_later(0.02, self.abort)
            else:
                transport.abort()


def _reason(status: int) -> bytes:
    try:
        return HTTPStatus(status).phrase.encode()
    except ValueError:
        return b"Unknown"
