"""A client that believes nothing: sends each request when it is due, and checks every byte of what it is answered."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import httptools

from llmctl.model.json import UNDECODABLE, decode, encode

WORDS = ["alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa", "lambda", "mu"]
PATIENCE = 30.0  # seconds; an answer that takes longer is none


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked: `model` is a route of the gateway's, and the answer must be `text`."""

    id: str
    text: str
    model: str
    stream: bool
    user: str = ""

    def wire(self, port: int, key: str) -> bytes:
        """The request."""
        payload: dict[str, Any] = {"model": self.model, "messages": [{"role": "user", "content": self.text}]}
        if self.stream:
            payload |= {"stream": True, "stream_options": {"include_usage": True}}
        if self.user:
            payload["user"] = self.user
        body = encode(payload)
        return (
            b"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1:%d\r\nauthorization: Bearer %b\r\n"
            b"content-type: application/json\r\nx-request-id: %b\r\ncontent-length: %d\r\n\r\n%b"
            % (port, key.encode(), self.id.encode(), len(body), body)
        )


@dataclass(slots=True)
class Answered:
    """What became of a question. `seconds` count from when it was due; `terminals` are a stream's ends.

    `said` is an error's text; `trouble` is what no answer may be, right or wrong.
    """

    question: Question
    due: float
    seconds: float
    status: int = 0
    text: str = ""
    finish: tuple[str, ...] = ()
    terminals: tuple[str, ...] = ()
    tokens: int | None = None
    said: str = ""
    trouble: str = ""

    @property
    def right(self) -> bool:
        """Whether it is what a sound provider says, all of it, and properly ended."""
        ended = self.terminals == (("done",) if self.question.stream else ())
        return self.status == 200 and self.text == self.question.text and self.finish == ("stop",) and ended

    @property
    def ended_once(self) -> bool:
        """Whether it had one end and nothing behind it; an error answer is the end of a stream that never began."""
        return not self.trouble and len(self.terminals) == int(self.question.stream)


def questions(name: str, count: int, model: str, *, streams: float = 0.5) -> list[Question]:
    """Questions whose answers differ; `streams` is the share of streams, spread evenly."""
    every = []
    for number in range(count):
        words = " ".join(WORDS[(number * 7 + at * (number % 5 + 1)) % len(WORDS)] for at in range(10))
        stream = int((number + 1) * streams) > int(number * streams)
        every.append(Question(f"{name}-{number}", f"{name} {number}: {words}.", model, stream))
    return every


class Line(asyncio.Protocol):
    """One keep-alive connection, one request at a time."""

    def __init__(self) -> None:
        self._parser: Any = None
        self._done: asyncio.Future[None] | None = None
        self.transport: asyncio.Transport | None = None
        self.status = 0
        self.body = b""
        self.keep = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]

    async def ask(self, request: bytes) -> None:
        """Send, and wait until the answer is complete or the connection is gone."""
        assert self.transport is not None
        self._parser = httptools.HttpResponseParser(self)
        self._done = asyncio.get_running_loop().create_future()
        self.status, self.body, self.keep = 0, b"", False
        self.transport.write(request)
        await self._done

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self.keep = False
        self._end()

    def on_headers_complete(self) -> None:
        self.status = self._parser.get_status_code()

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.keep = self._parser.should_keep_alive()
        self._end()

    def _end(self) -> None:
        if self._done is not None and not self._done.done():
            self._done.set_result(None)


class Crowd:
    """Clients of one gateway, with connections that are kept."""

    def __init__(self, port: int, key: str = "none") -> None:
        self._port = port
        self._key = key
        self._free: list[Line] = []

    async def ask(self, question: Question, due: float | None = None) -> Answered:
        """Ask it now. It was `due` at that time of the monotonic clock, by default now."""
        due = time.monotonic() if due is None else due
        line = await self._line()
        complete = True
        try:
            async with asyncio.timeout(PATIENCE):
                await line.ask(question.wire(self._port, self._key))
        except TimeoutError:
            complete = False
        found = judge(question, line.status, line.body)
        found.due, found.seconds = due, time.monotonic() - due
        if line.keep and complete:
            self._free.append(line)
        else:
            found.trouble = found.trouble or ("" if complete else f"no end within {PATIENCE:g} s")
            if line.transport is not None:
                line.transport.abort()
        return found

    async def _line(self) -> Line:
        while self._free:
            line = self._free.pop()
            if line.transport is not None and not line.transport.is_closing():
                return line
        _, line = await asyncio.get_running_loop().create_connection(Line, "127.0.0.1", self._port)
        return line

    async def steadily(
        self, asked: Sequence[Question], rate: float, at: Callable[[int], None] = lambda _: None
    ) -> list[Answered]:
        """Ask `rate` a second, whatever becomes of those before; `at` is told how many have been sent."""
        begin, tasks = time.monotonic(), []
        for number, question in enumerate(asked):
            due = begin + number / rate
            if (left := due - time.monotonic()) > 0:
                await asyncio.sleep(left)
            at(number)
            tasks.append(asyncio.create_task(self.ask(question, due)))
        return [await task for task in tasks]

    async def together(self, asked: Sequence[Question], concurrency: int) -> list[Answered]:
        """Ask as fast as `concurrency` clients get answers."""
        waiting = iter(asked)

        async def one() -> list[Answered]:
            return [await self.ask(question) for question in waiting]

        return [found for own in await asyncio.gather(*(one() for _ in range(concurrency))) for found in own]

    def close(self) -> None:
        """Hang up."""
        for line in self._free:
            if line.transport is not None:
                line.transport.close()


def judge(question: Question, status: int, body: bytes) -> Answered:
    """What an answer amounts to."""
    found = Answered(question, 0.0, 0.0, status)
    try:
        if question.stream and status == 200:
            _stream(found, body)
        elif status == 200:
            answer = decode(body)
            choice = answer["choices"][0]
            found.text, found.finish = choice["message"]["content"], (choice["finish_reason"],)
            found.tokens = answer["usage"]["completion_tokens"]
        else:
            found.said = f"{status} {body[:200].decode('utf-8', 'replace')}"
            if status:
                found.terminals = ("refused",) if question.stream else ()
            else:
                found.trouble = "the connection was closed without an answer"
    except (KeyError, IndexError, TypeError, *UNDECODABLE) as error:
        found.trouble = f"{type(error).__name__}: {error} in {body[:200]!r}"
    return found


def _stream(found: Answered, body: bytes) -> None:
    texts: list[str] = []
    for event in body.split(b"\n\n"):
        data = event.removeprefix(b"data: ")
        if not data:
            continue
        if found.terminals:
            found.trouble = f"after its end came {event[:100]!r}"
        if data == b"[DONE]":
            found.terminals += ("done",)
            continue
        chunk = decode(data)
        if "error" in chunk:
            found.terminals += ("error",)
            found.said = data[:200].decode("utf-8", "replace")
            continue
        if chunk.get("usage"):
            found.tokens = chunk["usage"]["completion_tokens"]
        for choice in chunk["choices"]:
            texts.append(choice["delta"].get("content") or "")
            if choice["finish_reason"] is not None:
                found.finish += (choice["finish_reason"],)
    found.text = "".join(texts)
    if not found.terminals:
        found.trouble = "it has no end"
