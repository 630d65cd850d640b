"""Whatever bytes a client sends, in whatever pieces: nothing escapes the protocol, and the next client is served."""

import asyncio
from itertools import pairwise
from typing import Any

import uvicorn
from hypothesis import given, settings
from hypothesis import strategies as st
from uvicorn.server import ServerState

from llmctl.server.protocol import Limits, LimitsHolder, protocol

REQUEST = b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\n\r\n{}"
CHUNKED = b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n2;x=y\r\n{}\r\n0\r\nt: v\r\n\r\n"
FRAGMENTS = st.sampled_from(
    [REQUEST, CHUNKED, b"GET / HTTP/1.1\r\n\r\n", b"\r\n", b"\r\n\r\n", b"\x00", b"\xff", b"content-length: 5\r\n",
     b"transfer-encoding: chunked\r\n", b"connection: upgrade\r\nupgrade: websocket\r\n", b"expect: 100-continue\r\n",
     b"CONNECT x:1 HTTP/1.1\r\n\r\n", b"GET //a:b@[::1/%zz?# HTTP/1.1\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
     b"GET http://[ HTTP/1.1\r\n\r\n", b": ", b"x: " + b"y" * 3000 + b"\r\n", b"HTTP/1.0", b"99999999999999999999"]
)  # fmt: skip
STREAMS = st.lists(FRAGMENTS | st.binary(max_size=40), max_size=8).map(b"".join)


class Wire(asyncio.Transport):
    """A transport that remembers."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.closing = False

    def write(self, data: Any) -> None:
        self.written += bytes(data)

    def write_eof(self) -> None:
        pass

    def close(self) -> None:
        self.closing = True

    def is_closing(self) -> bool:
        return self.closing

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


async def app(scope: Any, receive: Any, send: Any) -> None:
    while (message := await receive()).get("more_body"):
        pass
    if message["type"] == "http.request":
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})


async def feed(pieces: list[bytes], errors: list[Any]) -> Wire:
    asyncio.get_running_loop().set_exception_handler(lambda _, context: errors.append(context))
    config = uvicorn.Config(app, log_config=None, lifespan="off", ws="none")
    config.load()
    holder = LimitsHolder(Limits(2048, 5.0, 5.0, 5.0))
    served = protocol(holder)(config=config, server_state=ServerState(), app_state={}, _loop=None)
    wire = Wire()
    served.connection_made(wire)
    for piece in pieces:
        if not wire.is_closing():
            served.data_received(piece)
        await asyncio.sleep(0)
    for _ in range(5):
        await asyncio.sleep(0)
    served.connection_lost(None)
    for _ in range(5):
        await asyncio.sleep(0)
    assert not served.tasks, "a request outlived its connection"
    return wire


@settings(max_examples=400, deadline=None)
@given(STREAMS, st.lists(st.integers(0, 500), max_size=5))
def test_arbitrary_bytes(stream: bytes, cuts: list[int]) -> None:
    places = [0, *sorted(cut for cut in set(cuts) if 0 < cut < len(stream)), len(stream)]
    pieces = [stream[a:b] for a, b in pairwise(places)]
    errors: list[Any] = []
    asyncio.run(feed(pieces, errors))
    assert not errors
    assert asyncio.run(feed([REQUEST], errors)).written.startswith(b"HTTP/1.1 200")
    assert not errors
