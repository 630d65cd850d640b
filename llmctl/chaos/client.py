"""A client that believes nothing: sends each request when it is due, and keeps every byte of what it is answered."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import httptools

from llmctl.chaos.questions import Answered, Question, judge
from llmctl.clock import Clock


class Line(asyncio.Protocol):
    """One keep-alive connection, one request at a time."""

    def __init__(self) -> None:
        self._parser: Any = None
        self._done: asyncio.Future[None] | None = None
        self.transport: asyncio.Transport | None = None
        self.status = 0
        self.body = b""
        self.keep = True
        self.complete = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connected."""
        self.transport = transport  # type: ignore[assignment]

    async def ask(self, request: bytes) -> None:
        """Send, and wait until the answer is complete or the connection is gone."""
        assert self.transport is not None
        self._parser = httptools.HttpResponseParser(self)
        self._done = asyncio.get_running_loop().create_future()
        self.status, self.body, self.keep, self.complete = 0, b"", False, False
        self.transport.write(request)
        await self._done

    def data_received(self, data: bytes) -> None:
        """Bytes of an answer."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._end()

    def connection_lost(self, exc: Exception | None) -> None:
        """The other side has gone."""
        self.transport = None
        self.keep = False
        self._end()

    def on_headers_complete(self) -> None:
        """The head is there."""
        self.status = self._parser.get_status_code()

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        self.body += body

    def on_message_complete(self) -> None:
        """The answer is complete."""
        self.keep, self.complete = self._parser.should_keep_alive(), True
        self._end()

    def _end(self) -> None:
        if self._done is not None and not self._done.done():
            self._done.set_result(None)


class Crowd:
    """Clients of one gateway, with connections that are kept. `port` may change when the gateway is another."""

    def __init__(self, port: int, keys: Mapping[str, str], clock: Clock, patience: float) -> None:
        """`keys` by tenant; an answer that takes longer than `patience` seconds is none."""
        self.port = port
        self._keys, self._clock, self._patience = keys, clock, patience
        self._free: list[Line] = []

    async def ask(self, question: Question, due: float) -> Answered:
        """Ask it now; it was due at that time of the monotonic clock."""
        try:
            line = await self._line()
        except OSError as error:
            found = Answered(question, due, self._clock.monotonic())
            found.said = f"no connection: {error.strerror or error}"
            return found
        late = False
        try:
            async with asyncio.timeout(self._patience):
                await line.ask(question.wire(self._keys[question.tenant]))
        except TimeoutError:
            late = True
        found = judge(question, due, line.status, line.body)
        found.ended = self._clock.monotonic()
        if late:
            found.trouble = f"no end within {self._patience:g} s"
        elif line.status and not line.complete:
            found.trouble = "the connection was closed within the answer"
        if line.keep and line.complete and not late:
            self._free.append(line)
        elif line.transport is not None:
            line.transport.abort()
        return found

    async def steadily(self, asked: Iterable[Question], rate: float, told: Callable[[Answered], None]) -> None:
        """Ask `rate` a second, whatever becomes of those before; returns when all have ended. Cancelling abandons."""
        begin = self._clock.monotonic()

        async def one(question: Question, due: float) -> None:
            told(await self.ask(question, due))

        async with asyncio.TaskGroup() as tasks:
            for number, question in enumerate(asked):
                due = begin + number / rate
                if (left := due - self._clock.monotonic()) > 0:
                    await asyncio.sleep(left)
                tasks.create_task(one(question, due))

    def close(self) -> None:
        """Hang up."""
        for line in self._free:
            if line.transport is not None:
                line.transport.abort()
        self._free.clear()

    async def _line(self) -> Line:
        while self._free:
            line = self._free.pop()
            if line.transport is not None and not line.transport.is_closing():
                return line
        _, line = await asyncio.get_running_loop().create_connection(Line, "127.0.0.1", self.port)
        return line
