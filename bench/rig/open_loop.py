"""Load at a constant rate: when a request is due does not depend on how the last one went.

Times count from when a request was due, so that a stall is paid for by everything that was due during it.
"""

import asyncio
import time
from array import array
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import uvloop


@dataclass(slots=True)
class Found:
    """Times in seconds. `response` counts from when a request was due, `service` from when it was sent; `lag` is how
    late the client sent one although a connection was free: what the gateway is not to blame for."""

    response: "array[float]" = field(default_factory=lambda: array("d"))
    service: "array[float]" = field(default_factory=lambda: array("d"))
    lag: "array[float]" = field(default_factory=lambda: array("d"))
    sent: int = 0
    unfinished: int = 0
    errors: list[str] = field(default_factory=list)


class _Line(asyncio.Protocol):
    """One keep-alive connection, one request at a time."""

    def __init__(self, found: Found, idle: Callable[["_Line"], None]) -> None:
        self._found = found
        self._idle = idle
        self._due = self._sent = self._freed = 0.0
        self._data = b""
        self._length = -1
        self.busy = False
        self.closing = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: asyncio.Transport = transport  # type: ignore[assignment]
        self._idle(self)

    def send(self, request: bytes, due: float) -> None:
        now = time.monotonic()
        self._due, self._sent, self.busy = due, now, True
        self._found.sent += 1
        self._found.lag.append(now - max(due, self._freed))
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        data = self._data + data if self._data else data
        if self._length < 0 and (end := data.find(b"\r\n\r\n")) >= 0:
            _, _, after = data[:end].lower().partition(b"content-length:")
            self._length = end + 4 + int(after.split(b"\r\n", 1)[0])
        if self._length < 0 or len(data) < self._length:
            self._data = data
            return
        if not data.startswith(b"HTTP/1.1 200 "):
            self._found.errors.append(data[:200].decode("latin-1"))
        now = self._freed = time.monotonic()
        self._found.response.append(now - self._due)
        self._found.service.append(now - self._sent)
        self._data, self._length, self.busy = b"", -1, False
        self._idle(self)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.closing:
            self._found.errors.append("a connection was closed")


class _Schedule:
    """Sends each request when it is due, or, where all connections are busy, as soon as one is free."""

    def __init__(self, request: bytes, rate: float, until: float, begin: float, found: Found) -> None:
        self._request = request
        self._gap = 1 / rate
        self._until = until
        self._begin = begin
        self._found = found
        self._count = 0
        self._free: deque[_Line] = deque()
        self.lines: list[_Line] = []

    def line(self) -> _Line:
        line = _Line(self._found, self._idle)
        self.lines.append(line)
        return line

    def _idle(self, line: _Line) -> None:
        self._free.append(line)
        self.pump()

    def pump(self) -> None:
        """Send whatever is due by now."""
        now = time.monotonic()
        while self._free and (due := self._begin + self._count * self._gap) <= min(now, self._until):
            self._count += 1
            self._free.popleft().send(self._request, due)

    def unsent(self, now: float) -> int:
        """Requests that were due and found no free connection."""
        return max(0, int((min(now, self._until) - self._begin) / self._gap) - self._count)


def open_loop(
    port: int,
    request: bytes,
    *,
    rate: float,
    seconds: float,
    every: float,
    look: Callable[[float], None],
    connections: int = 64,
) -> Found:
    """Send `rate` requests a second for `seconds`; `look` is called with the elapsed time each `every` seconds."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_open_loop(port, request, rate, seconds, every, look, connections))


async def _open_loop(
    port: int,
    request: bytes,
    rate: float,
    seconds: float,
    every: float,
    look: Callable[[float], None],
    connections: int,
) -> Found:
    loop = asyncio.get_running_loop()
    found = Found()
    begin = time.monotonic() + 1.0
    schedule = _Schedule(request, rate, begin + seconds, begin, found)
    for _ in range(connections):
        await loop.create_connection(schedule.line, "127.0.0.1", port)
    looked = begin
    while (now := time.monotonic()) < begin + seconds:
        schedule.pump()
        if now >= looked:
            look(looked - begin)
            looked += every
        await asyncio.sleep(0.001)
    await asyncio.sleep(1.0)
    look(seconds)
    found.unfinished = sum(line.busy for line in schedule.lines) + schedule.unsent(time.monotonic())
    for line in schedule.lines:
        line.closing = True
        line.transport.close()
    return found


def percentiles_ms(seconds: "array[float]") -> dict[str, float]:
    """The usual ones, in milliseconds."""
    values = np.asarray(seconds) * 1000
    if not len(values):
        return {}
    points = {"p50_ms": 50, "p90_ms": 90, "p99_ms": 99, "p99.9_ms": 99.9, "max_ms": 100}
    return {name: round(float(np.percentile(values, point)), 3) for name, point in points.items()}
