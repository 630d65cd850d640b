"""Exchanges over real sockets: what is read, what is kept and what is refused."""

import asyncio
import os
import random
import socket
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest

from llmctl.clock import SystemClock
from llmctl.errors import UpstreamConnectError, UpstreamError, UpstreamLost, UpstreamProtocolError
from llmctl.net.pool import Pool
from llmctl.net.transport import Origin, Request, Timeouts

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
Serve = Callable[..., Awaitable[Origin]]
HEAD = b"HTTP/1.1 200 OK\r\n"
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


def post(origin: Origin, body: bytes = b"{}", *, seconds: float = 5.0, max_body: int = 1 << 26) -> Request:
    deadline = time.monotonic() + seconds
    return Request(origin, b"/v1/x", b"host: test\r\nx-a: b\r\n", body, Timeouts(2, 2, 2), deadline, max_body=max_body)


async def one_request(reader: asyncio.StreamReader) -> bytes:
    """Head and body of the next request."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
    return head + await reader.readexactly(length)


def plays(*pieces: bytes, pause: float = 0.005, then_close: bool = False) -> Handler:
    """Answer every request with `pieces`, one write each; `then_close` after the first."""

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await one_request(reader)
            for piece in pieces:
                writer.write(piece)
                await asyncio.sleep(pause)
            if then_close:
                writer.close()
                return

    return handler


async def fetch(pool: Pool, request: Request) -> tuple[int, dict[bytes, bytes], bytes]:
    response = await pool.send(request)
    return response.status, response.headers, await response.read()


def idle(pool: Pool) -> int:
    return sum(connection.usable for stack in pool._idle.values() for connection in stack)


async def test_the_request_on_the_wire(serve: Serve, pool: Pool) -> None:
    seen = []

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await one_request(reader))
        writer.write(OK)
        await asyncio.sleep(1)

    await fetch(pool, post(await serve(handler), b'{"a": 1}'))
    assert seen == [b'POST /v1/x HTTP/1.1\r\nhost: test\r\nx-a: b\r\ncontent-length: 8\r\n\r\n{"a": 1}']


CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
WELL_FORMED: dict[str, tuple[list[bytes], int, bytes, bool]] = {  # pieces, status, body, kept
    "content-length": ([OK], 200, b"ok", True),
    "byte by byte": ([OK[i : i + 1] for i in range(len(OK))], 200, b"ok", True),
    "empty": ([b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"], 200, b"", True),
    "no reason": ([b"HTTP/1.1 200\r\ncontent-length: 1\r\n\r\nx"], 200, b"x", True),
    "chunked": ([CHUNKED, b"2\r\no", b"k\r\n3\r\nabc\r\n0", b"\r\n\r\n"], 200, b"okabc", True),
    "chunk extensions": ([CHUNKED, b'2;a=b;c="d"\r\nok\r\n0;z\r\n\r\n'], 200, b"ok", True),
    "trailers": ([CHUNKED, b"2\r\nok\r\n0\r\nX-T: y\r\n\r\n"], 200, b"ok", True),
    "framing in a trailer": ([CHUNKED, b"2\r\nok\r\n0\r\ntransfer-encoding: x\r\n\r\n"], 200, b"ok", False),
    "204": ([b"HTTP/1.1 204 No Content\r\n\r\n"], 204, b"", True),
    "304": ([b"HTTP/1.1 304 Not Modified\r\ncontent-length: 12\r\n\r\n"], 304, b"", True),
    "1xx first": ([b"HTTP/1.1 100 Go\r\nx-t: y\r\n\r\n", b"HTTP/1.1 103 Early\r\n\r\n" + OK], 200, b"ok", True),
    "error status": ([b"HTTP/1.1 503 Busy\r\ncontent-length: 4\r\n\r\nbusy"], 503, b"busy", True),
    "connection: close": ([b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok"], 200, b"ok", False),
    "HTTP/1.0": ([b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok"], 200, b"ok", False),
    "CRLF after": ([OK + b"\r\n"], 200, b"ok", True),
}  # fmt: skip


@pytest.mark.parametrize("name", WELL_FORMED)
async def test_well_formed_answers(serve: Serve, pool: Pool, name: str) -> None:
    pieces, status, body, kept = WELL_FORMED[name]
    origin = await serve(plays(*pieces, pause=0.001))
    for _ in range(2):
        got = await fetch(pool, post(origin))
        assert (got[0], got[2]) == (status, body)
        assert b"x-t" not in got[1], "neither trailers nor a 1xx's headers are the answer's"
        assert idle(pool) == kept


async def test_until_the_end_of_the_connection(serve: Serve, pool: Pool) -> None:
    origin = await serve(plays(b"HTTP/1.1 200 OK\r\n\r\nab", b"cd", then_close=True))
    assert (await fetch(pool, post(origin)))[2] == b"abcd"
    assert idle(pool) == 0


async def test_headers_are_lower_case_joined_and_may_be_empty(serve: Serve, pool: Pool) -> None:
    head = b"HTTP/1.1 200 OK\r\nX-A: 1\r\nX-Empty:\r\nx-a:  2\r\nContent-Length: 0\r\n\r\n"
    _, headers, _ = await fetch(pool, post(await serve(plays(head))))
    assert headers == {b"x-a": b"1, 2", b"x-empty": b"", b"content-length": b"0"}


async def test_a_connection_is_used_again(serve: Serve, pool: Pool) -> None:
    peers = set()

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peers.add(writer.get_extra_info("peername"))
        await plays(OK, pause=0)(reader, writer)

    origin = await serve(handler)
    for _ in range(5):
        await fetch(pool, post(origin))
    assert len(peers) == 1
    assert pool.size == 1


async def test_a_stale_connection_is_unanswered_and_not_sent_again(serve: Serve, pool: Pool) -> None:
    requests = 0

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal requests
        await one_request(reader)
        requests += 1
        writer.write(OK)
        await one_request(reader)
        requests += 1

    origin = await serve(handler)
    await fetch(pool, post(origin))
    with pytest.raises(UpstreamLost) as lost:
        await fetch(pool, post(origin))
    assert lost.value.unanswered
    await asyncio.sleep(0.02)
    assert (requests, pool.size) == (2, 0)


@pytest.mark.parametrize("then", ["immediately", "later"])
async def test_a_connection_that_the_server_closed_is_not_used_again(serve: Serve, pool: Pool, then: str) -> None:
    origin = await serve(plays(OK, pause=0, then_close=True))
    for _ in range(5):
        assert (await fetch(pool, post(origin)))[2] == b"ok"
        await asyncio.sleep(0.01)  # the end of the stream has been seen
        if then == "later":
            assert pool.size == 0


@pytest.mark.parametrize(
    "sent",
    [b"", b"HTTP/1.1 20", HEAD + b"content-length: 5\r\n\r\n", HEAD + b"content-length: 5\r\n\r\nab",
     CHUNKED + b"5\r\nab", CHUNKED + b"2\r\nok\r\n", CHUNKED + b"2\r\nok\r\n0\r\n", b"HTTP/1.1 100 Continue\r\n\r\n",
     b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\nab"],
)  # fmt: skip
async def test_a_cut_anywhere_is_lost(serve: Serve, pool: Pool, sent: bytes) -> None:
    origin = await serve(plays(sent, then_close=True))
    with pytest.raises(UpstreamLost) as lost:
        await fetch(pool, post(origin))
    assert not lost.value.unanswered, "only a kept-alive connection can be stale"


async def test_what_came_before_a_cut_is_streamed(serve: Serve, pool: Pool) -> None:
    origin = await serve(plays(CHUNKED + b"2\r\nok\r\n", b"3\r\nab", then_close=True))
    response = await pool.send(post(origin))
    stream = response.stream()
    assert await anext(stream) + await anext(stream) == b"okab"
    with pytest.raises(UpstreamLost):
        await anext(stream)


REFUSED = {
    "garbage": b"SSH-2.0-OpenSSH_9.2\r\n",
    "a request": b"POST / HTTP/1.1\r\ncontent-length: 0\r\n\r\n",
    "bad status": b"HTTP/1.1 2000 OK\r\n\r\n",
    "status 099": b"HTTP/1.1 099 OK\r\ncontent-length: 2\r\n\r\nno" + OK,
    "101": b"HTTP/1.1 101 Switching\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n\0\0",
    "length then chunked": HEAD + b"content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "chunked then length": HEAD + b"transfer-encoding: chunked\r\ncontent-length: 2\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "two lengths": HEAD + b"content-length: 2\r\ncontent-length: 3\r\n\r\nok",
    "two equal lengths": HEAD + b"content-length: 2\r\ncontent-length: 2\r\n\r\nok",
    "list of lengths": HEAD + b"content-length: 2, 2\r\n\r\nok",
    "negative": HEAD + b"content-length: -2\r\n\r\nok",
    "huge": HEAD + b"content-length: 99999999999999999999999\r\n\r\nok",
    "obs-fold": HEAD + b"x: a\r\n content-length: 9\r\ncontent-length: 2\r\n\r\nok",
    "bare LF": b"HTTP/1.1 200 OK\ncontent-length: 2\n\nok",
    "bare CR": HEAD + b"a: b\rc: d\r\ncontent-length: 2\r\n\r\nok",
    "NUL": HEAD + b"x: a\0b\r\ncontent-length: 2\r\n\r\nok",
    "space before colon": HEAD + b"content-length : 2\r\n\r\nok",
    "bad chunk size": CHUNKED + b"-2\r\nok\r\n0\r\n\r\n",
    "huge chunk size": CHUNKED + b"f" * 20 + b"\r\nok",
    "chunk overrun": CHUNKED + b"2\r\nokxx\r\n0\r\n\r\n",
    "long trailer": CHUNKED + b"2\r\nok\r\n0\r\nx: " + b"a" * 2_000_000 + b"\r\n\r\n",
    "long repeated header": HEAD + b"a:b\r\n" * 50_000 + b"content-length: 2\r\n\r\nok",
    "long head": HEAD + b"x: " + b"a" * 70_000 + b"\r\ncontent-length: 2\r\n\r\nok",
    "long head, many lines": HEAD + b"".join(b"x%d: a\r\n" % n for n in range(9000)) + b"content-length: 2\r\n\r\nok",
}


@pytest.mark.parametrize("name", REFUSED)
async def test_what_is_refused(serve: Serve, pool: Pool, name: str) -> None:
    origin = await serve(plays(REFUSED[name]))
    with pytest.raises(UpstreamProtocolError):
        await fetch(pool, post(origin))
    await asyncio.sleep(0.01)
    assert pool.size == 0


@pytest.mark.parametrize("size", [100, 100_000, 1_000_000])
@pytest.mark.parametrize("pause", [0, 0.02])
async def test_a_body_over_the_cap(serve: Serve, pool: Pool, size: int, pause: float) -> None:
    origin = await serve(plays(HEAD + b"content-length: %d\r\n\r\n" % size + b"x" * size, pause=0))
    response = await pool.send(post(origin, max_body=size))
    await asyncio.sleep(pause)
    assert len(await response.read()) == size
    response = await pool.send(post(origin, max_body=size - 1))
    await asyncio.sleep(pause)
    with pytest.raises(UpstreamProtocolError, match="max_response"):
        await response.read()


def numbered(body: bytes) -> bytes:
    return HEAD + b"content-length: %d\r\n\r\n%b" % (len(body), body)


@pytest.mark.parametrize("gap", [None, 0, 0.02])
@pytest.mark.parametrize("surplus", [numbered(b"evil"), b"H", b"garbage", b"\r\n" + numbered(b"evil"), b"0\r\n\r\n"])
async def test_a_second_answer_reaches_nobody(serve: Serve, pool: Pool, surplus: bytes, gap: float | None) -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            answer = numbered((await one_request(reader)).rpartition(b"\r\n\r\n")[2])
            writer.write(answer + surplus if gap is None else answer)
            await asyncio.sleep(gap or 0)
            if gap is not None:
                writer.write(surplus)

    origin = await serve(handler)
    for number in range(5):
        body = b"%d" % number
        with suppress(UpstreamLost):
            assert (await fetch(pool, post(origin, body)))[2] == body
        await asyncio.sleep(0 if gap is None else gap * 2)


async def test_an_answer_already_there_when_the_connection_is_taken_reaches_nobody(serve: Serve, pool: Pool) -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        raw.append(writer)
        await plays(OK, pause=0)(reader, writer)

    raw: list[asyncio.StreamWriter] = []
    origin = await serve(handler)
    await fetch(pool, post(origin))
    with socket.socket(fileno=_duplicate(raw[0])) as other:
        other.sendall(numbered(b"evil"))  # lies in our socket now, and our loop has not looked yet
    assert (await fetch(pool, post(origin)))[2] == b"ok"
    assert len(raw) == 2


def _duplicate(writer: asyncio.StreamWriter) -> int:
    return os.dup(writer.get_extra_info("socket").fileno())


async def test_refused_and_unresolvable(serve: Serve, pool: Pool) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        origin = Origin("127.0.0.1", taken.getsockname()[1])
        with pytest.raises(UpstreamConnectError, match=f"cannot connect to {origin}"):
            await pool.send(post(origin))
    for host in ("no-such-host.invalid", "x" * 70 + ".invalid", "a..b"):
        with pytest.raises(UpstreamConnectError, match="cannot connect"):
            await pool.send(post(Origin(host, 80)))
    assert pool.size == 0


async def test_many_at_once_never_mix(serve: Serve, pool: Pool) -> None:
    dice = random.Random(7)

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            body = (await one_request(reader)).rpartition(b"\r\n\r\n")[2] * dice.randint(1, 300)
            wire = numbered(body)
            if dice.random() < 0.5:
                cuts = sorted(dice.choices(range(len(body) + 1), k=3))
                chunks = [body[a:b] for a, b in zip([0, *cuts], [*cuts, len(body)], strict=True) if a < b]
                wire = CHUNKED + b"".join(b"%x\r\n%b\r\n" % (len(c), c) for c in chunks) + b"0\r\n\r\n"
            for _ in range(dice.randint(1, 6)):
                cut = dice.randint(0, len(wire))
                writer.write(wire[:cut])
                wire = wire[cut:]
                await asyncio.sleep(dice.choice((0, 0, 0.002)))
            writer.write(wire)

    origin = await serve(handler)

    async def ask(number: int) -> None:
        body = b"<%d>" % number
        response = await pool.send(post(origin, body))
        if number % 2:
            got = await response.read()
        else:
            got = b"".join([data async for data in response.stream()])
        assert got
        assert not got.replace(body, b"")

    for turn in range(3):
        await asyncio.gather(*(ask(turn * 1000 + number) for number in range(200)))
    assert pool.size <= 200


async def test_idle_connections_are_capped_and_expire(serve: Serve) -> None:
    origin = await serve(plays(OK, pause=0.01))
    small = Pool(SystemClock(), max_idle=2, idle_timeout=0.1)
    await asyncio.gather(*(fetch(small, post(origin)) for _ in range(6)))
    await asyncio.sleep(0.02)
    assert small.size == 2
    await asyncio.sleep(0.15)
    assert small.size == 0
    assert (await fetch(small, post(origin)))[2] == b"ok"
    small.close()
    await asyncio.sleep(0.01)
    assert small.size == 0


async def test_close_lets_the_busy_finish(serve: Serve, pool: Pool) -> None:
    origin = await serve(plays(OK[:-1], b"k", pause=0.05))
    await fetch(pool, post(origin))
    responses = [await pool.send(post(origin)) for _ in range(2)]
    pool.close()
    assert [await response.read() for response in responses] == [b"ok", b"ok"]
    await asyncio.sleep(0.02)
    assert pool.size == 0


async def test_an_early_answer_to_a_request_still_being_sent(serve: Serve, pool: Pool) -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Too Large\r\ncontent-length: 3\r\n\r\nbig")
        await asyncio.sleep(1)

    origin = await serve(handler)
    status, _, body = await fetch(pool, post(origin, b"x" * 20_000_000))
    assert (status, body) == (413, b"big")
    await asyncio.sleep(0.01)
    assert pool.size == 0, "the rest of the request would delay the next one"


async def test_errors_name_the_origin(serve: Serve, pool: Pool) -> None:
    origin = await serve(plays(b"junk\r\n"))
    with pytest.raises(UpstreamError, match=str(origin)):
        await fetch(pool, post(origin))
