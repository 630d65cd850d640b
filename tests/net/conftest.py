"""Raw servers on loopback ports that play bytes, and a pool whose leftovers are counted after every test."""

import asyncio
import gc
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import uvloop

from llmctl.clock import SystemClock
from llmctl.net.pool import Pool
from llmctl.net.transport import Origin

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
Serve = Callable[..., Awaitable[Origin]]


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Every test of sockets runs on both loops."""
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """`await serve(handler, tls=None)` gives the Origin; each connection runs `handler(reader, writer)`.

    At the end nothing may be left: no task, and no exception that nobody retrieved.
    """
    loop = asyncio.get_running_loop()
    complaints: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda _, context: complaints.append(context))
    servers: list[asyncio.Server] = []
    handlers: set[asyncio.Task[None]] = set()

    async def start(handler: Handler, *, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> Origin:
        async def run(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            handlers.add(task)
            try:
                await handler(reader, writer)
            except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                pass
            finally:
                handlers.discard(task)
                writer.transport.abort()

        server = await asyncio.start_server(run, host, 0, ssl=tls)
        servers.append(server)
        return Origin(host, server.sockets[0].getsockname()[1])

    yield start
    for server in servers:
        server.close()
    for task in list(handlers):
        task.cancel()
    await asyncio.sleep(0.02)
    gc.collect()
    await asyncio.sleep(0)
    left = asyncio.all_tasks() - {asyncio.current_task()}
    assert not left, f"tasks left behind: {left}"
    assert not complaints, f"the loop complained: {complaints}"


@pytest.fixture
async def pool(serve: Serve) -> AsyncIterator[Pool]:
    """A pool that must be empty once it is closed."""
    made = Pool(SystemClock())
    yield made
    made.close()
    for _ in range(50):
        if not made.size:
            break
        await asyncio.sleep(0.01)
    assert made.size == 0, "connections left open"
