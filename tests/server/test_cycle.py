"""The bytes of a response: framing, one write, and what an application may not do."""

import asyncio
import logging
from typing import Any

import pytest
from uvicorn.protocols.http.flow_control import FlowControl

from llmctl.server.cycle import Cycle

LENGTH = (b"content-length", b"5")


class Wire(asyncio.Transport):
    """Remembers what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[bytes] = []
        self.closed = False
        self.eof = False

    def write(self, data: Any) -> None:
        self.writes.append(bytes(data))

    def write_eof(self) -> None:
        self.eof = True

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed


class Bench:
    """A cycle whose request has been read, on a wire."""

    def __init__(self, method: str = "GET", *, keep_alive: bool = True) -> None:
        self.wire = Wire()
        self.ended = 0
        logger = logging.getLogger("test")
        scope: Any = {"type": "http", "method": method, "path": "/", "headers": [], "http_version": "1.1"}
        self.cycle = Cycle(scope, self.wire, FlowControl(self.wire), logger, logger, False, [(b"date", b"now")],
                           asyncio.Event(), False, keep_alive, self._end)  # fmt: skip
        self.cycle.more_body = False

    def _end(self) -> None:
        self.ended += 1

    async def start(self, status: int = 200, *headers: tuple[bytes, bytes]) -> None:
        await self.cycle.send({"type": "http.response.start", "status": status, "headers": list(headers)})

    async def body(self, data: bytes, *, more: bool = False) -> None:
        await self.cycle.send({"type": "http.response.body", "body": data, "more_body": more})

    @property
    def head(self) -> bytes:
        return b"".join(self.wire.writes).partition(b"\r\n\r\n")[0]

    @property
    def sent(self) -> bytes:
        return b"".join(self.wire.writes).partition(b"\r\n\r\n")[2]


async def test_head_and_body_are_one_write() -> None:
    bench = Bench()
    await bench.start(200, LENGTH)
    assert bench.wire.writes == []
    await bench.body(b"hello")
    assert bench.wire.writes == [b"HTTP/1.1 200 OK\r\ndate: now\r\ncontent-length: 5\r\n\r\nhello"]
    assert (bench.ended, bench.wire.closed) == (1, False)


async def test_without_a_length_the_body_is_chunked() -> None:
    bench = Bench()
    await bench.start()
    await bench.body(b"hello world, 0x10", more=True)
    await bench.body(b"", more=True)
    await bench.body(b"end")
    assert bench.head.endswith(b"transfer-encoding: chunked")
    assert bench.sent == b"11\r\nhello world, 0x10\r\n3\r\nend\r\n0\r\n\r\n"
    assert len(bench.wire.writes) == 2
    assert bench.ended == 1


async def test_a_head_answers_with_a_head() -> None:
    for headers, line in (([LENGTH], b"content-length: 5"), ([], b"date: now")):
        bench = Bench("HEAD")
        await bench.start(200, *headers)
        await bench.body(b"hello")
        assert bench.head.endswith(line)
        assert (bench.sent, bench.ended) == (b"", 1)


@pytest.mark.parametrize("status", [204, 304])
async def test_statuses_that_have_no_body(status: int) -> None:
    bench = Bench()
    await bench.start(status)
    await bench.body(b"")
    assert b"transfer-encoding" not in bench.head
    assert (bench.sent, bench.ended) == (b"", 1)
    wrong = Bench()
    await wrong.start(status)
    with pytest.raises(RuntimeError, match="not as long"):
        await wrong.body(b"x")


@pytest.mark.parametrize("value", [b"a\r\nset-cookie: x", b"a\nb", b"a\rb", b"a\0b"])
async def test_no_header_is_smuggled_in(value: bytes) -> None:
    bench = Bench()
    with pytest.raises(RuntimeError, match="line break"):
        await bench.start(200, (b"x-a", value))
    assert bench.wire.writes == []


@pytest.mark.parametrize(("parts", "sent"), [([b"hell"], b""), ([b"hello!"], b""), ([b"hel", b"lo!"], b"hel")])
async def test_a_body_of_another_length_is_never_passed_off_as_whole(parts: list[bytes], sent: bytes) -> None:
    bench = Bench()
    await bench.start(200, LENGTH)
    for part in parts[:-1]:
        await bench.body(part, more=True)
    with pytest.raises(RuntimeError, match="not as long"):
        await bench.body(parts[-1])
    assert (bench.sent, bench.ended) == (sent, 0)


async def test_messages_out_of_order() -> None:
    bench = Bench()
    with pytest.raises(RuntimeError, match=r"expected http\.response\.start"):
        await bench.body(b"x")
    await bench.start(200, LENGTH)
    with pytest.raises(RuntimeError, match=r"expected http\.response\.body"):
        await bench.start(200)
    await bench.body(b"hello")
    with pytest.raises(RuntimeError, match="after the response was complete"):
        await bench.body(b"x")
    assert bench.ended == 1


@pytest.mark.parametrize("asked", [True, False])
async def test_a_connection_that_is_not_kept_says_so_once_and_closes(asked: bool) -> None:
    bench = Bench(keep_alive=not asked)
    await bench.start(200, LENGTH, (b"connection", b"Close"))
    assert not bench.wire.closed
    await bench.body(b"hello")
    assert bench.head.count(b"connection: close") == 1
    assert bench.wire.closed


async def test_a_client_still_sending_gets_time_to_read_the_answer() -> None:
    bench = Bench(keep_alive=False)
    bench.cycle.more_body = True
    await bench.start(413, LENGTH)
    await bench.body(b"hello")
    assert bench.wire.eof
    assert not bench.wire.closed


async def test_nothing_is_written_to_a_client_that_has_gone() -> None:
    bench = Bench()
    bench.cycle.disconnected = True
    await bench.start()
    await bench.body(b"hello")
    assert bench.wire.writes == []
