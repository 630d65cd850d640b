"""Puts a serving process together: what a gateway is given, the server around it, and the order of their ends."""

import asyncio
import gc
import logging
import os
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import uvloop
from structlog.typing import FilteringBoundLogger

from llmctl.clock import SystemClock
from llmctl.config.checks import is_loopback
from llmctl.config.load import Loaded
from llmctl.config.secrets import Environment
from llmctl.errors import ConfigError
from llmctl.gateway.build import Surroundings
from llmctl.gateway.reload import Live
from llmctl.gateway.tokens import installed
from llmctl.net.pool import Pool
from llmctl.server.admin import admin_app
from llmctl.server.console.exchanges import Condition
from llmctl.server.gauges import show, show_batches
from llmctl.server.last_good import keep
from llmctl.server.protocol import LimitsHolder
from llmctl.server.serve import Process, limits_of, listen
from llmctl.server.supervisor import Supervisor, WorkerPipes
from llmctl.server.telling import Sinks, Watchers
from llmctl.telemetry.log import Format, LogHandler, make_logger
from llmctl.telemetry.redact import Redactor

if TYPE_CHECKING:
    from llmctl.batches.parked import Parked

# An exchange makes next to no reference cycles, so the collector's default of every 700 allocations only costs time.
GC_THRESHOLD = (50_000, 20, 100)
AT_START = ("host", "port", "workers", "keep_alive", "drain_timeout")


@dataclass(frozen=True, slots=True)
class Settings:
    """What a serving process is told on its command line. `load` reads the files, overrides applied."""

    load: Callable[[], Loaded]
    log_format: Format
    worker: WorkerPipes | None = None
    metrics_dir: Path | None = None
    env: Environment = field(default_factory=Environment.of_process)
    failure: str | None = None
    """Why the files cannot be served as they are now: what is served is what they said before."""
    conditions: Callable[[str], Condition] | None = None
    """Reads what the console is asked to search for."""


def serve_here(settings: Settings, loaded: Loaded, on_listening: Callable[[int], None]) -> None:
    """Serve in this process until told to stop. Raises LlmctlError or OSError before it serves."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(settings, loaded, on_listening))


def run_workers(settings: Settings, loaded: Loaded, command: Sequence[str], on_listening: Callable[[int], None]) -> int:
    """Supervise `server.workers` processes that each run `command` with the bound port; returns the exit code."""
    server = loaded.config.server
    listen(server).close()  # with SO_REUSEPORT alone a port that somebody else serves would go unnoticed
    log = make_logger(settings.log_format, Redactor(loaded.secrets))
    # Bound and never listening: it holds the port, which may have been chosen by the system, and gets no connections.
    with listen(server, reuse_port=True) as held, tempfile.TemporaryDirectory(prefix="llmctl-metrics-") as metrics:
        port = held.getsockname()[1]
        overrides = ["--host", server.host, "--port", str(port), "--workers", str(server.workers)]

        def worker(pipes: WorkerPipes) -> list[str]:
            own = ["--worker-pipes", f"{pipes.parent},{pipes.ready}", "--metrics-dir", metrics]
            return [*command, *overrides, *own]

        def ready() -> None:
            _log_serving(log, loaded, port)
            on_listening(port)

        supervisor = Supervisor(worker, server.workers, server.drain_timeout, log.warning)
        with asyncio.Runner() as runner:
            return runner.run(supervisor.run(ready))


def _route_logging(log: FilteringBoundLogger) -> None:
    """The standard library's loggers that have something to say here, through ours. What a client sends is no error."""
    for name, level in (("llmctl", logging.INFO), ("uvicorn.error", logging.ERROR), ("asyncio", logging.WARNING)):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [LogHandler(log)], False
        logger.setLevel(level)


def _log_serving(log: FilteringBoundLogger, loaded: Loaded, port: int) -> None:
    server = loaded.config.server
    log.info("serving", host=server.host, port=port, workers=server.workers, policy=loaded.digest, pid=os.getpid())


async def _serve(settings: Settings, loaded: Loaded, on_listening: Callable[[int], None]) -> None:
    runtime = _Runtime(settings, loaded)
    live, log = runtime.live, runtime.log
    sock = listen(loaded.config.server, reuse_port=settings.worker is not None)
    try:
        await live.start(loaded)
        if settings.failure is not None:
            live.failure = settings.failure
            log.error("reload_failed", error=settings.failure, serving=loaded.digest)
        watchers = Watchers(
            live, runtime.sinks, runtime.clock, log, settings.metrics_dir, conditions=settings.conditions
        )
        admin = admin_app(live, runtime.metrics.render, watchers.console)
        process = Process(live, runtime.limits, sock, admin, runtime.random, log.info)
        if process.lane is not None:
            show_batches(runtime.metrics, process.lane)

        def ready() -> None:
            port = sock.getsockname()[1]
            if settings.worker is not None:
                _report_ready(settings.worker, process.stop)
            else:
                _log_serving(log, loaded, port)
            on_listening(port)

        gc.collect()
        gc.freeze()
        gc.set_threshold(*GC_THRESHOLD)
        async with watchers.watching():
            await process.run(ready)
    finally:
        sock.close()
        runtime.close()


class _Runtime:
    """What outlives reloads: the log, the pool, the sinks, and the `Live` around them."""

    def __init__(self, settings: Settings, loaded: Loaded) -> None:
        clock = self.clock = SystemClock()
        self._shared = settings.metrics_dir
        self.random = Random()
        self.redactor = Redactor(loaded.secrets)
        self.log = make_logger(settings.log_format, self.redactor)
        _route_logging(self.log)
        self.pool = Pool(clock)
        self.limits = LimitsHolder(limits_of(loaded))
        self.sinks = Sinks(
            loaded, self.redactor, clock, self.log, settings.env, settings.log_format, settings.metrics_dir
        )
        self.metrics = self.sinks.metrics
        around = Surroundings(
            self.pool,
            clock,
            self.random,
            self.sinks.all,
            self._bug,
            transition=self._transition,
            warn=self._degraded,
            tokens=installed(),
            parker=self._parker(loaded),
            env=settings.env,
        )
        self.live = Live(lambda: _still_fits(settings.load(), loaded, self.log), around, self.log.info, self._apply)
        show(self.metrics, self.live, clock)

    def _parker(self, loaded: Loaded) -> "Parked | None":
        """What has requests of batches wait; not even imported where there are none."""
        if (batches := loaded.config.batches) is None:
            return None
        from llmctl.batches.parked import Parked

        return Parked(Path(batches.dir) / "parked", self.pool, SystemClock(), self.log.info)

    def close(self) -> None:
        """Stop sending, write what is left, hand the counts over."""
        self.pool.close()
        self.sinks.close()

    def _apply(self, new: Loaded) -> None:
        self.redactor.learn(new.secrets)
        self.limits.limits = limits_of(new)
        if self._shared is not None:
            with suppress(OSError):  # a full disk; only a worker that dies while files are spoilt would miss it
                keep(self._shared, new)
        self.sinks.configure(new)

    def _bug(self, request_id: str, error: BaseException) -> None:
        self.log.error("bug", request_id=request_id, exc_info=error)

    def _transition(self, model: str, before: str, after: str, reason: str) -> None:
        self.metrics.transition(model, before, after, reason)
        self.log.warning("breaker", model=model, before=before, after=after, reason=reason)

    def _degraded(self, message: str) -> None:
        self.log.warning("degraded", detail=message)


def _still_fits(new: Loaded, first: Loaded, log: FilteringBoundLogger) -> Loaded:
    """`new`, if it may go live on the socket that is bound. Says what of it waits for a restart."""
    host = first.config.server.host
    if not is_loopback(host) and not new.config.keys:
        message = (
            f"the port is bound to {host}, where anyone could call; keep a key, or restart to bind another address"
        )
        raise ConfigError([new.finding(("keys",), message)], new.sources)
    changed = [
        f"server.{name}" for name in AT_START if getattr(new.config.server, name) != getattr(first.config.server, name)
    ]
    sections = ("records", "telemetry", "batches", "alerts", "evals")
    changed += [name for name in sections if getattr(new.config, name) != getattr(first.config, name)]
    if changed:
        log.warning("needs_restart", settings=changed)
    return new


def _report_ready(pipes: WorkerPipes, stop: Callable[[], None]) -> None:
    """Tell the supervisor, and stop, once, when the supervisor's end of the pipe closes."""
    os.write(pipes.ready, b"1")
    os.close(pipes.ready)
    loop = asyncio.get_running_loop()

    def closed() -> None:
        loop.remove_reader(pipes.parent)
        stop()

    loop.add_reader(pipes.parent, closed)
