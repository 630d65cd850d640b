"""Runs a gateway process: sockets, signals, reloads, and a drain that ends with exit code 0."""

import asyncio
import math
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from random import Random
from typing import TYPE_CHECKING

import uvicorn

from llmctl.config.load import Loaded
from llmctl.config.schema import ServerConfig
from llmctl.config.schema_cost import BatchesConfig
from llmctl.gateway.pipeline import STOPPING
from llmctl.gateway.reload import Live
from llmctl.server.asgi import App, Asgi
from llmctl.server.protocol import Limits, LimitsHolder, protocol

if TYPE_CHECKING:
    from llmctl.batches.lane import Lane

BACKLOG = 2048
LAST_WORDS = 2  # seconds for telling clients that the gateway stops

Log = Callable[..., None]


class CannotListen(OSError):
    """The address is taken, or not this machine's."""


def listen(server: ServerConfig, *, reuse_port: bool = False) -> socket.socket:
    """A bound socket. Raises CannotListen."""
    family = socket.AF_INET6 if ":" in server.host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if reuse_port:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.bind((server.host.strip("[]"), server.port))
    except OSError as error:
        sock.close()
        raise CannotListen(error.errno, error.strerror or str(error)) from None
    return sock


def limits_of(loaded: Loaded) -> Limits:
    """The part of the configuration that the protocol enforces."""
    server = loaded.config.server
    return Limits(server.max_header, server.header_timeout, server.body_timeout, server.send_timeout)


class _Server(uvicorn.Server):
    """uvicorn without its signal handling, which would end a drained process by the signal instead of with 0."""

    on_ready: Callable[[], None] | None = None

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.on_ready is not None:
            self.on_ready()


class Process:
    """One serving process around a `Live` that has been started."""

    def __init__(
        self,
        live: Live,
        limits: LimitsHolder,
        sock: socket.socket,
        admin: Asgi,
        random: Random,
        log: Log,
    ) -> None:
        server, batches = live.gateway.config.server, live.gateway.config.batches
        files: Asgi | None = None
        self.lane: Lane | None = None
        if batches is not None:
            self.lane, files = _lane(live, batches, random, log)
        app = App(live, admin, random, files)
        config = uvicorn.Config(
            app,
            http=protocol(limits),
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=True,
            timeout_keep_alive=max(1, round(server.keep_alive)),
            # Its cancellation tells clients nothing, so ours comes first.
            timeout_graceful_shutdown=math.ceil(server.drain_timeout) + LAST_WORDS,
            backlog=BACKLOG,
            proxy_headers=False,
        )
        self._live = live
        self._server = _Server(config)
        self._sock = sock
        self._log = log
        self._tasks: set[asyncio.Task[object]] = set()

    async def run(self, on_ready: Callable[[], None]) -> None:
        """Serve until SIGTERM or SIGINT, then drain. `on_ready` is called once connections are accepted."""
        self._server.on_ready = on_ready
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        loop.add_signal_handler(signal.SIGHUP, self._reload)
        watch = asyncio.create_task(self._live.watch())
        lane = asyncio.create_task(self.lane.run()) if self.lane is not None else None
        try:
            await self._server.serve(sockets=[self._sock])
        finally:
            if self.lane is not None and lane is not None:
                self.lane.stop() if self._live.draining else self.lane.interrupt()
                await lane
                await self.lane.settled()
            watch.cancel()
            with suppress(asyncio.CancelledError):
                await watch
            await self._live.close(drain=1.0)
            self._log("stopped")

    def stop(self) -> None:
        """Take no more requests; let what is under way finish within `drain_timeout`. A second call stops at once."""
        if self._live.draining:
            self._server.force_exit = True
            if self.lane is not None:
                self.lane.interrupt()
        elif not self._live.draining:
            drain = self._live.gateway.config.server.drain_timeout
            asyncio.get_running_loop().call_later(drain, self._end_exchanges)
        self._live.draining = True
        if self.lane is not None:
            self.lane.stop()
        self._log("draining", in_flight=self._live.gateway.in_flight)
        self._server.should_exit = True

    def _end_exchanges(self) -> None:
        """The drain is over: whoever still waits is told so."""
        for task in self._server.server_state.tasks:
            task.cancel(STOPPING)
        if self.lane is not None:
            self.lane.interrupt()

    def _reload(self) -> None:
        task = asyncio.create_task(self._live.reload())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _lane(live: Live, config: BatchesConfig, random: Random, log: Log) -> tuple["Lane", Asgi]:
    """What batches need, which is not even imported where there are none."""
    from llmctl.server.batches import make_batches

    return make_batches(live, config, random, log)
