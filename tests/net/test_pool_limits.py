"""Time, TLS, slow readers, early closes and cancellation, over real sockets."""

import asyncio
import random
import socket
import ssl
import subprocess
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from llmctl.errors import UpstreamConnectError, UpstreamLost, UpstreamTimeout
from llmctl.net.pool import Pool
from llmctl.net.transport import Origin, Request, Timeouts

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
Serve = Callable[..., Awaitable[Origin]]
HEAD = b"HTTP/1.1 200 OK\r\n"
OK = HEAD + b"content-length: 2\r\n\r\nok"
LATE = 0.05


def post(origin: Origin, timeouts: Timeouts = Timeouts(2, 2, 2), seconds: float = 5.0) -> Request:  # noqa: B008
    return Request(origin, b"/", b"host: test\r\n", b"{}", timeouts, time.monotonic() + seconds)


async def fetch(pool: Pool, request: Request) -> bytes:
    return await (await pool.send(request)).read()


def plays(*pieces: bytes, then_close: bool = False) -> Handler:
    """Answer every request with `pieces`; what is not closed stays silent."""

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await reader.readuntil(b"\r\n\r\n{}")
            for piece in pieces:
                writer.write(piece)
                await asyncio.sleep(0.005)
            if then_close:
                writer.close()
                return

    return handler


async def gone(pool: Pool) -> None:
    await asyncio.sleep(0.02)
    assert pool.size == 0


# --- time

PHASES = {
    "first_byte": (Timeouts(2, 0.1, 2), 5.0, ()),
    "first_byte ": (Timeouts(2, 0.1, 2), 5.0, (b"HTTP/1.1 100 Continue\r\n\r\n", HEAD)),
    "idle": (Timeouts(2, 2, 0.1), 5.0, (HEAD + b"content-length: 2\r\n\r\n",)),
    "idle ": (Timeouts(2, 2, 0.1), 5.0, (HEAD + b"content-length: 2\r\n\r\no",)),
    "total": (Timeouts(2, 2, 2), 0.1, ()),
    "total ": (Timeouts(2, 2, 2), 0.1, (HEAD, b"content-length: 9\r\n\r\n", b"a", b"b")),
}


@pytest.mark.parametrize("name", PHASES)
@pytest.mark.parametrize("kept", [False, True])
async def test_timeouts_name_their_phase_and_are_on_time(serve: Serve, pool: Pool, name: str, kept: bool) -> None:
    timeouts, seconds, pieces = PHASES[name]
    answers = iter([[OK], pieces] if kept else [pieces])

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for pieces in answers:
            await reader.readuntil(b"\r\n\r\n{}")
            for piece in pieces:
                writer.write(piece)
                await asyncio.sleep(0.005)
        await asyncio.sleep(5)

    origin = await serve(handler)
    if kept:
        await fetch(pool, post(origin))
    start = time.monotonic()
    with pytest.raises(UpstreamTimeout) as timeout:
        await fetch(pool, post(origin, timeouts, seconds))
    assert timeout.value.phase == name.strip()
    assert 0.095 <= time.monotonic() - start <= 0.1 + 0.02 + LATE
    await gone(pool)


async def test_every_piece_of_the_body_starts_idle_anew(serve: Serve, pool: Pool) -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD + b"content-length: 8\r\n\r\n")
        for _ in range(8):
            await asyncio.sleep(0.05)
            writer.write(b"x")
        await asyncio.sleep(1)

    assert await fetch(pool, post(await serve(handler), Timeouts(2, 2, 0.2))) == b"x" * 8


@pytest.mark.parametrize(("seconds", "phase"), [(5.0, "connect"), (0.1, "total")])
async def test_connect_timeout(pool: Pool, seconds: float, phase: str) -> None:
    with socket.socket() as deaf:  # its backlog is full and nobody accepts: a SYN goes unanswered
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        fillers = [socket.socket() for _ in range(3)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(deaf.getsockname())
        connect = 0.1 if phase == "connect" else 2
        start = time.monotonic()
        with pytest.raises(UpstreamTimeout) as timeout:
            await pool.send(post(Origin("127.0.0.1", deaf.getsockname()[1]), Timeouts(connect, 2, 2), seconds))
        assert timeout.value.phase == phase
        assert 0.095 <= time.monotonic() - start <= 0.1 + LATE
        for filler in fillers:
            filler.close()
    await gone(pool)


async def test_a_deadline_already_past(serve: Serve, pool: Pool) -> None:
    origin = await serve(plays(OK))
    with pytest.raises(UpstreamTimeout):
        await pool.send(post(origin, seconds=-1))
    await fetch(pool, post(origin))
    with pytest.raises(UpstreamTimeout):
        await pool.send(post(origin, seconds=-1))
    await gone(pool)


# --- TLS


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    command = f"openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=test -addext subjectAltName=IP:127.0.0.1 -keyout {path}.key -out {path}"  # noqa: E501
    subprocess.run(command.split(), check=True, capture_output=True)
    path.write_bytes(path.read_bytes() + Path(f"{path}.key").read_bytes())
    return path


@pytest.fixture
def server_tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    return context


async def test_tls(serve: Serve, pool: Pool, server_tls: ssl.SSLContext, certificate: Path) -> None:
    body = random.Random(1).randbytes(3_000_000)
    origin = await serve(plays(HEAD + b"content-length: %d\r\n\r\n%b" % (len(body), body)), tls=server_tls)
    ours = Origin(origin.host, origin.port, ssl.create_default_context(cafile=str(certificate)))
    for _ in range(3):
        assert await fetch(pool, post(ours)) == body
    assert pool.size == 1, "kept and used again"


async def test_tls_until_the_end_of_the_connection(
    serve: Serve, pool: Pool, server_tls: ssl.SSLContext, certificate: Path
) -> None:
    origin = await serve(plays(HEAD + b"\r\n", b"ab", b"cd", then_close=True), tls=server_tls)
    ours = Origin(origin.host, origin.port, ssl.create_default_context(cafile=str(certificate)))
    assert await fetch(pool, post(ours)) == b"abcd"
    await gone(pool)


async def test_tls_not_verified(serve: Serve, pool: Pool, server_tls: ssl.SSLContext, certificate: Path) -> None:
    origin = await serve(plays(OK), tls=server_tls)
    with pytest.raises(UpstreamConnectError, match=r"does not verify.*self.signed"):
        await pool.send(post(Origin(origin.host, origin.port, ssl.create_default_context())))
    tls = ssl.create_default_context(cafile=str(certificate))
    with pytest.raises(UpstreamConnectError, match=r"does not verify.*Hostname mismatch"):
        await pool.send(post(Origin("localhost", origin.port, tls)))
    await gone(pool)


async def test_tls_to_a_plain_server(serve: Serve, pool: Pool) -> None:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await reader.read(1)
        writer.close()

    origin = await serve(handler)
    with pytest.raises(UpstreamConnectError):
        await pool.send(post(Origin(origin.host, origin.port, ssl.create_default_context())))
    await gone(pool)


# --- slow readers

SIZE = 24_000_000


def floods(sent: list[int], size: int = SIZE) -> Handler:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await reader.readuntil(b"\r\n\r\n{}")
            writer.write(HEAD + b"content-length: %d\r\n\r\n" % size)
            dice = random.Random(size)
            for _ in range(size // 100_000):
                writer.write(dice.randbytes(100_000))
                await writer.drain()
                sent[0] += 100_000

    return handler


def flood(size: int = SIZE) -> bytes:
    dice = random.Random(size)
    return b"".join(dice.randbytes(100_000) for _ in range(size // 100_000))


async def test_a_slow_reader_holds_the_upstream_back(serve: Serve, pool: Pool) -> None:
    sent = [0]
    response = await pool.send(post(await serve(floods(sent)), Timeouts(2, 2, 0.1)))
    stream = response.stream()
    got = [await anext(stream)]
    await asyncio.sleep(0.3)  # longer than idle: the upstream must not pay for our reader
    assert sent[0] < SIZE - 8_000_000
    got += [data async for data in stream]
    assert b"".join(got) == flood()
    assert pool.size == 1
    assert await fetch(pool, post(response_origin(pool))) == flood(), "and the connection is as good as new"


def response_origin(pool: Pool) -> Origin:
    return next(iter(pool._idle))


async def test_while_the_reader_is_slow_the_deadline_still_holds(serve: Serve, pool: Pool) -> None:
    response = await pool.send(post(await serve(floods([0])), Timeouts(2, 2, 0.05), seconds=0.2))
    await asyncio.sleep(0.3)
    with pytest.raises(UpstreamTimeout) as timeout:
        await response.read()
    assert timeout.value.phase == "total"
    await gone(pool)


@pytest.mark.parametrize("how", ["read", "close"])
async def test_a_complete_answer_that_was_paused_leaves_a_reading_connection(
    serve: Serve, pool: Pool, how: str
) -> None:
    size = 300_000
    origin = await serve(floods([0], size))
    for _ in range(4):
        response = await pool.send(post(origin))
        await asyncio.sleep(0.05)  # all of it has come, or it is paused
        if how == "read":
            assert await response.read() == flood(size)
        response.close()
    assert await fetch(pool, post(origin)) == flood(size)


# --- early closes


async def test_closing_an_incomplete_answer_drops_the_connection(serve: Serve, pool: Pool) -> None:
    origin = await serve(plays(HEAD + b"content-length: 9\r\n\r\nabc"))
    response = await pool.send(post(origin))
    async for data in response.stream():
        assert data == b"abc"
        break
    response.close()
    response.close()
    await gone(pool)
    with pytest.raises(UpstreamLost):
        await response.read()


async def test_closing_a_complete_answer_returns_the_connection_once(serve: Serve, pool: Pool) -> None:
    origin = await serve(plays(OK))
    first = await pool.send(post(origin))
    await asyncio.sleep(0.01)
    first.close()
    second = await pool.send(post(origin))
    first.close()
    assert pool.size == 1
    assert await second.read() == b"ok"


async def test_closing_wakes_who_reads(serve: Serve, pool: Pool) -> None:
    response = await pool.send(post(await serve(plays(HEAD + b"content-length: 9\r\n\r\n"))))
    reader = asyncio.create_task(response.read())
    await asyncio.sleep(0.01)
    response.close()
    with pytest.raises(UpstreamLost):
        await asyncio.wait_for(reader, 1)
    await gone(pool)


# --- cancellation


@pytest.mark.parametrize("pieces", [(), (HEAD,), (HEAD + b"content-length: 3\r\n\r\n",), (HEAD + b"\r\nab",)])
@pytest.mark.parametrize("after", [0.0, 0.0005, 0.002, 0.03])
async def test_cancelled_anywhere_nothing_is_left(
    serve: Serve, pool: Pool, pieces: tuple[bytes, ...], after: float
) -> None:
    origin = await serve(plays(*pieces))
    tasks = [asyncio.create_task(fetch(pool, post(origin))) for _ in range(10)]
    await asyncio.sleep(after)
    for task in tasks:
        task.cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(result, asyncio.CancelledError) for result in results)
    await gone(pool)


@pytest.mark.parametrize("turns", range(0, 30, 2))
async def test_cancelled_in_any_turn_of_the_loop(serve: Serve, pool: Pool, turns: int) -> None:
    origin = await serve(plays(OK))
    task = asyncio.create_task(fetch(pool, post(origin)))
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await asyncio.sleep(0.02)
    assert pool.size == sum(connection.usable for stack in pool._idle.values() for connection in stack)
    assert await fetch(pool, post(origin)) == b"ok"


async def test_cancelled_while_tls_shakes_hands(serve: Serve, pool: Pool) -> None:
    origin = await serve(plays())
    task = asyncio.create_task(pool.send(post(Origin(origin.host, origin.port, ssl.create_default_context()))))
    await asyncio.sleep(0.03)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await gone(pool)
