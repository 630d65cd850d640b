"""A connection fed bytes by hand: whatever comes, it neither raises nor leaves an answer undecided."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmctl.errors import UpstreamError, UpstreamLost
from llmctl.net.connection import Connection, Incoming
from llmctl.net.transport import Origin, Request, Timeouts

ORIGIN = Origin("test", 80)
REQUEST = Request(ORIGIN, b"/", b"host: test\r\n", b"{}", Timeouts(), time.monotonic() + 3600, max_body=50_000)


class Wire(asyncio.Transport):
    """A socket made of lists. Closing it loses the connection in the loop's next turn, as real ones do."""

    def __init__(self, protocol: Connection, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self.sent = b""
        self.closing = False
        self.paused = False
        self._protocol, self._loop = protocol, loop

    def write(self, data: Any) -> None:
        assert not self.closing
        self.sent += data

    def get_write_buffer_size(self) -> int:
        return 0

    def is_closing(self) -> bool:
        return self.closing

    def pause_reading(self) -> None:
        assert not self.closing
        assert not self.paused
        self.paused = True

    def resume_reading(self) -> None:
        assert not self.closing
        assert self.paused
        self.paused = False

    def abort(self) -> None:
        if not self.closing:
            self.closing = True
            self._loop.call_soon(self._protocol.connection_lost, None)

    close = abort


class Line:
    """A connection, its wire, and what it told its pool."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.released: list[Connection] = []
        self.gone: list[Connection] = []
        self.connection = Connection(loop, ORIGIN, self.released.append, self.gone.append, 60)
        self.wire = Wire(self.connection, loop)
        self.connection.connection_made(self.wire)

    async def ask(self) -> "asyncio.Task[Incoming]":
        task = asyncio.create_task(self.connection.exchange(REQUEST))
        await asyncio.sleep(0)
        return task

    def play(self, pieces: list[bytes], *, eof: bool = True) -> None:
        for piece in pieces:
            if self.wire.closing:
                return
            self.connection.data_received(piece)
        if eof and not self.wire.closing:
            self.connection.eof_received()
            self.wire.close()


async def collect(task: "asyncio.Task[Incoming]", reads: bool) -> tuple[int, dict[bytes, bytes], bytes]:
    incoming = await task
    if reads:
        return incoming.status, incoming.headers, await incoming.read()
    return incoming.status, incoming.headers, b"".join([data async for data in incoming.stream()])


def cut(data: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({min(place, len(data)) for place in cuts})
    return [data[a:b] for a, b in zip([0, *places], [*places, len(data)], strict=True) if a < b]


CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
PARTS = [
    b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 101 S\r\nupgrade: x\r\n",
    b"HTTP/1.1 204 N\r\n\r\n", b"HTTP/1.1 099 N\r\n", b"HTTP/1.0 500 E\r\n", b"connection: close\r\n",
    b"connection: upgrade\r\n", b"\r\n", b"\r\n\r\n", b"\n", b"content-length: 5\r\n", b"content-length: 0\r\n\r\n",
    b"transfer-encoding: chunked\r\n", b"5\r\nhello\r\n", b"0\r\n\r\n", b"0\r\nx: y\r\n\r\n", b"hello", b"x: y\r\n",
    b"x:\r\n", CHUNKED, b"a" * 70_000, b"fffff\r\n",
]  # fmt: skip
anything = st.lists(st.sampled_from(PARTS) | st.binary(max_size=30), max_size=12).map(b"".join)


@settings(max_examples=400, deadline=None)
@given(data=anything, cuts=st.lists(st.integers(0, 400), max_size=6), eof=st.booleans(), reads=st.booleans())
def test_any_bytes_end_in_an_answer_or_an_error(data: bytes, cuts: list[int], eof: bool, reads: bool) -> None:
    async def run() -> None:
        line = Line()
        task = await line.ask()
        line.play(cut(data, cuts), eof=eof)
        if not eof:
            line.wire.abort()
        answer = asyncio.create_task(collect(task, reads))
        try:
            status, _, _ = await asyncio.wait_for(answer, 1)
        except UpstreamError:
            line.wire.abort()
            await asyncio.sleep(0)
            assert not line.released
        else:
            assert 200 <= status <= 999
        await asyncio.sleep(0)
        line.wire.abort()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert line.gone == [line.connection]
        assert not line.connection.usable
        assert line.connection._timer is None

    asyncio.run(run())


def chunked(body: bytes, sizes: list[int]) -> bytes:
    wire = b""
    for size in sizes:
        piece, body = body[:size], body[size:]
        if piece:
            wire += b"%x;e=1\r\n%b\r\n" % (len(piece), piece)
    return CHUNKED + wire + (b"%x\r\n%b\r\n" % (len(body), body) if body else b"") + b"0\r\nx-t: 1\r\n\r\n"


@settings(max_examples=200, deadline=None)
@given(
    body=st.binary(max_size=200),
    sizes=st.lists(st.integers(1, 50), max_size=6),
    cuts=st.lists(st.integers(0, 600), max_size=10),
    form=st.sampled_from(["length", "chunked", "eof"]),
    reads=st.booleans(),
)
def test_any_pieces_give_the_same_answer(
    body: bytes, sizes: list[int], cuts: list[int], form: str, reads: bool
) -> None:
    head = b"HTTP/1.1 200 OK\r\nx-a: 1\r\nX-A: 2\r\n"
    wire = head + b"content-length: %d\r\n\r\n%b" % (len(body), body)
    if form == "chunked":
        wire = b"HTTP/1.1 103 Early\r\nx-b: 1\r\n\r\n" + chunked(body, sizes).replace(b"OK\r\n", head[9 + 6 :], 1)
    elif form == "eof":
        wire = head + b"\r\n" + body

    async def run() -> None:
        line = Line()
        task = await line.ask()
        line.play(cut(wire, cuts), eof=form == "eof")
        status, headers, got = await asyncio.wait_for(collect(task, reads), 1)
        assert (status, headers[b"x-a"], got) == (200, b"1, 2", body)
        assert not headers.keys() & {b"x-t", b"x-b"}
        assert bool(line.released) == (form != "eof")
        line.connection.close()

    asyncio.run(run())


async def test_the_request_is_one_write() -> None:
    line = Line()
    task = await line.ask()
    assert line.wire.sent == b"POST / HTTP/1.1\r\nhost: test\r\ncontent-length: 2\r\n\r\n{}"
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert line.wire.closing


async def test_a_connection_lost_before_its_first_request() -> None:
    line = Line()
    line.wire.abort()
    await asyncio.sleep(0)
    with pytest.raises(UpstreamLost):
        await line.connection.exchange(REQUEST)


@pytest.mark.parametrize("end", [Connection.eof_received, Connection.close, lambda c: c.data_received(b"x")])
async def test_an_answer_whose_connection_ends_in_the_same_turn_is_read_and_not_kept(
    end: Callable[[Connection], object],
) -> None:
    line = Line()
    task = await line.ask()
    line.connection.data_received(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
    end(line.connection)
    assert await (await task).read() == b"ok"
    assert not line.released
    assert not line.connection.usable


async def test_bytes_on_an_idle_connection_close_it() -> None:
    line = Line()
    task = await line.ask()
    line.connection.data_received(b"HTTP/1.1 204 No\r\n\r\n")
    await (await task).read()
    assert line.released == [line.connection]
    line.connection.data_received(b"\r\n")
    assert line.wire.closing
    assert not line.connection.usable


async def test_reading_pauses_above_the_mark_and_resumes_when_read() -> None:
    line = Line()
    task = await line.ask()
    line.connection.data_received(b"HTTP/1.1 200 OK\r\ncontent-length: 900000\r\n\r\n")
    incoming = await task
    for _ in range(3):
        line.connection.data_received(b"x" * 100_000)
    assert line.wire.paused
    stream = incoming.stream()
    assert len(await anext(stream)) == 300_000
    assert not line.wire.paused
    for _ in range(6):
        line.connection.data_received(b"x" * 100_000)
    assert line.wire.paused
    incoming.close()
    assert line.released == [line.connection]
    assert not line.wire.paused, "a paused connection would never hear its next answer"
