"""bench/responder.c in Python, for machines without a C compiler: `responder.py PORT CHUNKS GAP_US`."""

import asyncio
import random
import sys

import uvloop

_ID = '"id":"chatcmpl-mock","created":1750000000,"model":"mock"'
_CHUNK = '{%s,"object":"chat.completion.chunk","choices":[{"index":0,"delta":%s,"finish_reason":%s}]}'
_MESSAGE = '{"role":"assistant","content":"Hello from the mock."}'
_USAGE = '{"prompt_tokens":38,"completion_tokens":5,"total_tokens":43}'
_CHOICES = f'[{{"index":0,"message":{_MESSAGE},"finish_reason":"stop"}}]'
_WHOLE = f'{{{_ID},"object":"chat.completion","choices":{_CHOICES},"usage":{_USAGE}}}'.encode()

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(_WHOLE), _WHOLE)


def framed(event: str) -> bytes:
    data = f"data: {event}\n\n".encode()
    return b"%x\r\n%b\r\n" % (len(data), data)


TOKEN = framed(_CHUNK % (_ID, '{"content":" token"}', "null"))
LAST = framed(_CHUNK % (_ID, "{}", '"stop"'))
END = framed("[DONE]") + b"0\r\n\r\n"


class Responder(asyncio.Protocol):
    def __init__(self, chunks: int, gap: float) -> None:
        self._chunks = chunks
        self._gap = gap
        self._loop = asyncio.get_running_loop()
        self._data = b""
        self._left = 0
        self._due = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        self._data += data
        while (end := self._data.find(b"\r\n\r\n")) >= 0:
            _, found, after = self._data[:end].lower().partition(b"\r\ncontent-length:")
            stop = end + 4 + (int(after.split(b"\r\n", 1)[0]) if found else 0)
            if len(self._data) < stop:
                return
            body, self._data = self._data[end + 4 : stop], self._data[stop:]
            self._answer(streaming=b'"stream":true' in body or b'"stream": true' in body)

    def _answer(self, *, streaming: bool) -> None:
        if not streaming:
            self._transport.write(ANSWER)
            return
        self._transport.write(HEAD)
        self._left = self._chunks
        self._due = self._loop.time() + random.random() * self._gap
        self._loop.call_at(self._due, self._next)

    def _next(self) -> None:
        if self._transport.is_closing():
            return
        self._left -= 1
        self._transport.write(TOKEN if self._left else LAST)
        if not self._left:
            self._transport.write(END)
        elif self._gap:
            self._due += self._gap
            self._loop.call_at(self._due, self._next)
        else:
            self._loop.call_soon(self._next)


async def serve(port: int, chunks: int, gap: float) -> None:
    server = await asyncio.get_running_loop().create_server(
        lambda: Responder(chunks, gap), "127.0.0.1", port, backlog=4096
    )
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]) / 1e6))
