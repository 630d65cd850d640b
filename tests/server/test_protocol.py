"""Below ASGI: caps, slow clients, malformed requests, pipelining; over raw sockets."""

import asyncio
import json
import re

import pytest

from llmctl.net.sse import frame
from llmctl.testing.gateway import PlayedResponse, PlayedTransport
from tests.server.conftest import Serve
from tests.server.test_http_client import QUESTION, answering, no_wait

CONFIG = """
    server: {port: 0, max_header: 2KiB, max_body: 64KiB, header_timeout: 0.3s, body_timeout: 0.3s}
    guardrails: {preset: none}
    providers: {up: {kind: openai, base_url: "http://127.0.0.1:9/v1"}}
    models: {small: {provider: up}}
"""
BODY = json.dumps(QUESTION).encode()
HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\n"
SIZED = HEAD + b"content-length: %d\r\n" % len(BODY)
EVENTS = {b"content-type": b"text/event-stream"}
LAST = b"connection: close\r\n\r\n"


@pytest.mark.parametrize(
    ("pieces", "status"),
    [
        ([b"NONSENSE\r\n\r\n"], 400),
        ([b"\x16\x03\x01\x02\x00\x01\x00"], 400),
        ([HEAD + b"x: " + b"y" * 3000 + b"\r\n\r\n"], 431),
        ([b"GET /" + b"a" * 3000 + b" HTTP/1.1\r\n\r\n"], 431),
        ([HEAD, *[b"x: " + b"y" * 500 + b"\r\n"] * 6], 431),
        ([HEAD + b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"], 400),
        ([HEAD + b"content-length: 5\r\ncontent-length: 6\r\n\r\nhello"], 400),
        ([HEAD + b"content-length: -1\r\n\r\n"], 400),
        ([HEAD + b"transfer-encoding: chunked\r\n\r\nZZ\r\n"], 400),
        ([HEAD + b"bad name: x\r\n\r\n"], 400),
    ],
)
async def test_malformed_and_oversized_heads(serve: Serve, pieces: list[bytes], status: int) -> None:
    async with serve(CONFIG, answering()) as gateway:
        answer = await gateway.raw(*pieces)
        assert answer.startswith(b"HTTP/1.1 %d " % status), answer[:200]
        assert (await gateway.raw(SIZED + LAST + BODY)).startswith(b"HTTP/1.1 200")
    assert not gateway.bugs


async def test_a_head_that_dribbles_in_is_given_up(serve: Serve) -> None:
    async with serve(CONFIG, answering()) as gateway:
        answer = await gateway.raw(*(bytes([byte]) for byte in HEAD[:60]), pause=0.02)
    assert answer.startswith(b"HTTP/1.1 408 ")


async def test_a_connection_that_says_nothing_is_closed(serve: Serve) -> None:
    async with serve(CONFIG, answering()) as gateway:
        assert (await gateway.raw()).startswith(b"HTTP/1.1 408 ")


async def test_a_body_that_does_not_arrive_is_refused_and_recorded(serve: Serve) -> None:
    async with serve(CONFIG, answering()) as gateway:
        answer = await gateway.raw(SIZED + b"\r\n" + BODY[:10])
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert b'"code":"request_timeout"' in answer
    assert [(r.state, r.http_status) for r in gateway.sink.records] == [("failed", 408)]


async def test_a_kept_alive_connection_may_pause_between_requests(serve: Serve) -> None:
    async with serve(CONFIG, answering()) as gateway:
        answer = await gateway.raw(SIZED + b"\r\n" + BODY, SIZED + LAST + BODY, pause=0.6)
    assert answer.count(b"HTTP/1.1 200") == 2


async def test_pipelined_requests_are_answered_in_order(serve: Serve) -> None:
    async with serve(CONFIG, answering()) as gateway:
        bad = HEAD + b"content-length: 1\r\n\r\n{"
        answer = await gateway.raw(SIZED + b"\r\n" + BODY + bad + SIZED + LAST + BODY)
    assert re.findall(rb"HTTP/1.1 (\d+)", answer) == [b"200", b"400", b"200"]


UPGRADE = b"connection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABk\r\n"
INNER = b"GET /v1/models HTTP/1.1\r\nhost: localhost\r\n\r\n"


@pytest.mark.parametrize("pause", [0.0, 0.1])
async def test_an_offered_upgrade_is_ignored_and_its_body_is_no_request(serve: Serve, pause: float) -> None:
    async with serve(CONFIG, answering()) as gateway:
        answer = await gateway.raw(SIZED + UPGRADE + b"\r\n", BODY, SIZED + LAST + BODY, pause=pause)
        assert re.findall(rb"HTTP/1.1 (\d+)", answer) == [b"200", b"200"]
        smuggled = HEAD + UPGRADE + b"content-length: %d\r\n\r\n" % len(INNER)
        answer = await gateway.raw(smuggled, INNER, SIZED + LAST + BODY, pause=pause)
        assert re.findall(rb"HTTP/1.1 (\d+)", answer) == [b"400", b"200"]
        assert b'"object":"list"' not in answer


async def test_garbage_behind_good_requests_takes_nothing_from_them(serve: Serve) -> None:
    async with serve(CONFIG, answering()) as gateway:
        answer = await gateway.raw(SIZED + b"\r\n" + BODY + SIZED + b"\r\n" + BODY + b"GARBAGE\x00\r\n\r\n")
    assert re.findall(rb"HTTP/1.1 (\d+)", answer) == [b"200", b"200", b"400"]
    assert not gateway.bugs


async def test_stray_bytes_do_not_cut_the_answer_under_way(serve: Serve) -> None:
    events = [frame(b'{"choices":[{"index":0,"delta":{"content":"%d"}}]}' % n) for n in range(8)]

    async def step() -> None:
        await asyncio.sleep(0.1)

    transport = PlayedTransport(lambda _: PlayedResponse(200, EVENTS, [*events, frame(b"[DONE]")], step))
    body = json.dumps(QUESTION | {"stream": True}).encode()
    async with serve(CONFIG, transport) as gateway:
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
        writer.write(HEAD + b"content-length: %d\r\n\r\n" % len(body) + body)
        await asyncio.sleep(0.15)
        writer.write(b"\r\n")
        got = b""
        while b"[DONE]" not in got:
            got += await asyncio.wait_for(reader.read(65536), 5)
        writer.close()
    assert [record.state for record in gateway.sink.records] == ["ok"]


async def test_expect_continue_is_answered(serve: Serve) -> None:
    async with serve(CONFIG, answering()) as gateway:
        answer = await gateway.raw(SIZED + b"expect: 100-continue\r\n" + LAST, BODY, pause=0.1)
    assert answer.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200")


async def test_http_1_0_is_answered_and_closed(serve: Serve) -> None:
    async with serve(CONFIG, answering()) as gateway:
        answer = await gateway.raw(SIZED.replace(b"HTTP/1.1", b"HTTP/1.0") + b"\r\n" + BODY)
    assert b"200" in answer.split(b"\r\n")[0]


async def test_a_client_that_does_not_read_is_cut_off(serve: Serve) -> None:
    big = frame(b'{"choices":[{"index":0,"delta":{"content":"%b"}}]}' % (b"x" * 1_000_000))
    transport = PlayedTransport(lambda _: PlayedResponse(200, EVENTS, [big] * 50, no_wait))
    config = CONFIG.replace("port: 0", "port: 0, send_timeout: 0.3s")
    body = json.dumps(QUESTION | {"stream": True}).encode()
    async with serve(config, transport) as gateway:
        _, writer = await asyncio.open_connection("127.0.0.1", gateway.port, limit=1)
        writer.write(HEAD + b"content-length: %d\r\n\r\n" % len(body) + body)
        for _ in range(300):
            if gateway.sink.records:
                break
            await asyncio.sleep(0.01)
        writer.close()
    assert [record.state for record in gateway.sink.records] == ["aborted"]
    assert transport.responses[0].closed


async def test_an_answer_is_one_write(serve: Serve) -> None:
    """Head and body in one segment: what Cycle is for."""
    async with serve(CONFIG, answering()) as gateway:
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
        writer.write(SIZED + b"\r\n" + BODY)
        first = await reader.read(65536)
        writer.close()
    assert b"\r\n\r\n{" in first
