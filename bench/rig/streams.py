"""A cheap reader of many event streams at once: it counts, and parses nothing."""

import asyncio
import resource
import time
from dataclasses import dataclass, field

import uvloop

from bench.rig.processes import BenchFailed, cpu_seconds, rss_mb

_END = b"\r\n0\r\n\r\n"
CONNECTS_AT_ONCE = 100


@dataclass(slots=True)
class Board:
    """What all readers have seen."""

    chunks: int = 0
    reads: int = 0
    begun: int = 0
    finished: int = 0
    errors: list[str] = field(default_factory=list)
    closing: bool = False


class Reader(asyncio.Protocol):
    """Asks for a stream, counts its events, and asks again on the same connection when it is over."""

    def __init__(self, request: bytes, expected: int, board: Board) -> None:
        self._request = request
        self._expected = expected
        self._board = board
        self._tail = b""
        self._seen = 0
        self._first = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        board = self._board
        board.reads += 1
        both = self._tail + data
        events = both[-len(data) - 4 :].count(b"data:")  # four bytes back, for one cut in two
        if self._first and not (self._tail or data.startswith(b"HTTP/1.1 200 ")):
            board.errors.append(data[:300].decode("latin-1"))
        if events:
            board.begun += self._first
            self._first = False
            self._seen += events
            board.chunks += events
        self._tail = both[-6:]
        if both.endswith(_END):
            self._finish()

    def _finish(self) -> None:
        board = self._board
        board.finished += 1
        board.chunks -= 1  # [DONE] is no chunk
        if self._seen != self._expected + 1:
            board.errors.append(f"a stream had {self._seen - 1} chunks instead of {self._expected}")
        self._seen, self._tail, self._first = 0, b"", True
        if not board.closing:
            self._transport.write(self._request)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._board.closing:
            self._board.errors.append("a connection was closed before its stream was complete")


@dataclass(frozen=True, slots=True)
class Relayed:
    """Streams over a span of time. `client_cpu` is in cores: near 1 the reader is what limits."""

    streams: int
    chunks_per_s: float
    cpu_us_per_chunk: float
    chunks_per_read: float
    finished: int
    client_cpu: float
    errors: list[str]


@dataclass(frozen=True, slots=True)
class Open:
    """Memory with many streams open at once, in MB."""

    streams: int
    before: float
    open: float
    errors: list[str]


@dataclass(frozen=True, slots=True)
class Source:
    """Where streams are read from: a port, the request that starts one, and the chunks it should have."""

    port: int
    request: bytes
    chunks: int
    pid: int | None = None


def relay(source: Source, streams: int, *, settle: float, seconds: float) -> Relayed:
    """Read `streams` streams at once for `seconds`, after `settle` seconds of the same."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_relay(source, streams, settle, seconds))


async def _relay(source: Source, streams: int, settle: float, seconds: float) -> Relayed:
    board = Board()
    transports = await _connect(source, streams, board)
    await asyncio.sleep(settle)
    began, chunks, reads = time.monotonic(), board.chunks, board.reads
    cpu, own = _cpu(source), _own()
    await asyncio.sleep(seconds)
    took, chunks, reads = time.monotonic() - began, board.chunks - chunks, board.reads - reads
    cpu, own = _cpu(source) - cpu, _own() - own
    _close(transports, board)
    if not chunks:
        raise BenchFailed(f"no chunk came in {seconds:.0f} s; {board.errors[:3]}")
    return Relayed(streams, chunks / took, cpu / chunks * 1e6, chunks / reads, board.finished, own / took, board.errors)


def hold_open(source: Source, streams: int, *, settle: float, within: float) -> Open:
    """Open `streams` streams, wait until each has begun, and weigh the process."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_hold_open(source, streams, settle, within))


async def _hold_open(source: Source, streams: int, settle: float, within: float) -> Open:
    assert source.pid is not None
    before = rss_mb(source.pid)
    board = Board()
    transports = await _connect(source, streams, board)
    give_up = time.monotonic() + within
    while board.begun < streams:
        await asyncio.sleep(0.1)
        if time.monotonic() > give_up:
            raise BenchFailed(f"{board.begun} of {streams} streams began within {within:.0f} s; {board.errors[:3]}")
    await asyncio.sleep(settle)
    most = rss_mb(source.pid)
    _close(transports, board)
    return Open(streams, before, most, board.errors)


async def _connect(source: Source, streams: int, board: Board) -> list[asyncio.BaseTransport]:
    loop = asyncio.get_running_loop()
    transports: list[asyncio.BaseTransport] = []
    for start in range(0, streams, CONNECTS_AT_ONCE):
        batch = min(CONNECTS_AT_ONCE, streams - start)
        opening = (
            loop.create_connection(lambda: Reader(source.request, source.chunks, board), "127.0.0.1", source.port)
            for _ in range(batch)
        )
        transports += [transport for transport, _ in await asyncio.gather(*opening)]
        await asyncio.sleep(0.02)
    return transports


def _close(transports: list[asyncio.BaseTransport], board: Board) -> None:
    board.closing = True
    for transport in transports:
        transport.close()


def _cpu(source: Source) -> float:
    return cpu_seconds(source.pid) if source.pid is not None else 0.0


def _own() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime
