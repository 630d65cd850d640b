"""A gateway behind its real server, in this process, on a free port."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import pytest

from llmctl.clock import SystemClock
from llmctl.gateway.reload import Live
from llmctl.net.pool import Pool
from llmctl.net.transport import Transport
from llmctl.server.admin import admin_app
from llmctl.server.protocol import LimitsHolder
from llmctl.server.serve import Process, limits_of, listen
from llmctl.testing.config import loaded
from llmctl.testing.gateway import Remember, surroundings


@dataclass
class Serving:
    """A running gateway: its port, what it recorded, and the events it logged."""

    port: int
    live: Live
    process: Process
    sink: Remember
    bugs: list[BaseException]
    folder: Path
    events: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def raw(self, *pieces: bytes, pause: float = 0.0, until_eof: bool = True) -> bytes:
        """Send bytes over a connection of their own; everything that comes back until it closes."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(pause)
            return await asyncio.wait_for(reader.read(-1 if until_eof else 65536), 10)
        finally:
            writer.close()


Serve = Callable[..., AbstractAsyncContextManager[Serving]]


@pytest.fixture(name="serve")
def _serve(tmp_path: Path) -> Serve:
    @asynccontextmanager
    async def serve(text: str, transport: Transport | None = None) -> AsyncIterator[Serving]:
        config = loaded(text, tmp_path)
        sink, bugs, events = Remember(), list[BaseException](), list[str]()
        clock = SystemClock()
        around = surroundings(transport or Pool(clock), sink, clock, bugs)
        limits = LimitsHolder(limits_of(config))
        live = Live(lambda: loaded(text, tmp_path), around, lambda event, **_: events.append(event))
        await live.start(config)
        with listen(config.config.server) as sock:
            port = sock.getsockname()[1]
            process = Process(
                live,
                limits,
                sock,
                admin_app(live, lambda _: (b"x 1\n", "text/plain")),
                Random(),
                lambda event, **_: events.append(event),
            )
            ready = asyncio.Event()
            task = asyncio.create_task(process.run(ready.set))
            await asyncio.wait_for(ready.wait(), 10)
            try:
                yield Serving(port, live, process, sink, bugs, tmp_path, events)
            finally:
                process.stop()
                await asyncio.wait_for(task, 20)

    return serve
