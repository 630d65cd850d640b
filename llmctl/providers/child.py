"""Keeps one child process running: waits for its ready line, starts it again when it dies, ends it at the end."""

import asyncio
import contextlib
import json
import logging
from asyncio.subprocess import PIPE, Process
from collections import deque
from collections.abc import Callable, Sequence

LAST_WORDS = "; it last said: "
SHORTEST, LONGEST = 0.2, 10.0
STABLE = 30.0
GRACE = 2.0


class Child:
    """A supervised process that, once ready, prints one JSON line with its `port` and then serves there.

    `reason` says why it cannot serve now, or is None. A restart waits 0.2 s, doubling to 10 s until a child lasted
    half a minute. The child holds the other end of its stdin, and must end when that closes.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        ready: Callable[[int], None],
        *,
        startup_timeout: float,
        log: logging.Logger,
    ) -> None:
        """`ready` is called with the port each time the child has come up; `name` is for the log."""
        self.reason: str | None = f"{name} is not started"
        self.pid: int | None = None
        self.restarts = 0
        self._name = name
        self._command = command
        self._ready = ready
        self._startup_timeout = startup_timeout
        self._log = log
        self._task: asyncio.Task[None] | None = None
        self._said: deque[str] = deque(maxlen=20)

    def start(self) -> None:
        """Start it and look after it; returns at once."""
        if self._task is None:
            self.reason = f"{self._name} is loading"
            self._task = asyncio.create_task(self._supervise(), name=f"child {self._name}")

    async def close(self) -> None:
        """End it. Returns when it has ended."""
        if (task := self._task) is not None:
            self._task = None
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        self.reason = f"{self._name} is closed"

    async def _supervise(self) -> None:
        loop = asyncio.get_running_loop()
        pause = SHORTEST
        while True:
            began = loop.time()
            why = await self._run()
            if loop.time() - began > STABLE:
                pause = SHORTEST
            # Clients are told this; what the child said, file names and all, is for the log.
            self.reason = f"{self._name} {why.partition(LAST_WORDS)[0]}; it is being started again"
            self._log.warning("%s %s; starting it again in %.1f s", self._name, why, pause)
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST)
            self.restarts += 1

    async def _run(self) -> str:
        """One life of the child; returns how it ended."""
        self._said.clear()
        try:
            process = await asyncio.create_subprocess_exec(*self._command, stdin=PIPE, stdout=PIPE, stderr=PIPE)
        except OSError as error:
            return f"could not be started: {error.strerror or error}"
        listening = asyncio.create_task(self._listen(process))
        self.pid = process.pid
        try:
            port = await self._port(process)
            if isinstance(port, str):
                await _end(process)
                await asyncio.wait({listening}, timeout=1)
                return port + self._last_words()
            self._ready(port)
            self.reason = None
            self._log.info("%s is ready on port %d (pid %d)", self._name, port, process.pid)
            code = await process.wait()
            await asyncio.wait({listening}, timeout=1)
            return f"ended with {_ending(code)}{self._last_words()}"
        finally:
            self.pid = None
            self.reason = f"{self._name} is down"
            await _end(process)
            listening.cancel()

    async def _port(self, process: Process) -> int | str:
        """The port, or what went wrong instead."""
        assert process.stdout is not None
        try:
            line = await asyncio.wait_for(process.stdout.readline(), self._startup_timeout)
            return int(json.loads(line)["port"]) if line else "did not come up"
        except TimeoutError:
            return f"did not come up within {self._startup_timeout:g} s"
        except (ValueError, TypeError, KeyError):
            return "said no port"

    async def _listen(self, process: Process) -> None:
        """Keep what it last said; read all of it, since a full pipe would stop the child."""
        assert process.stderr is not None
        with contextlib.suppress(ValueError):  # a line over the reader's limit
            while line := await process.stderr.readline():
                self._said.append(line.decode("utf-8", "replace").strip()[:500])
        while await process.stderr.read(65536):
            pass

    def _last_words(self) -> str:
        return f"{LAST_WORDS}{' | '.join(list(self._said)[-3:])}" if self._said else ""


def _ending(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}"


async def _end(process: Process) -> None:
    """SIGTERM, then SIGKILL; returns when it is gone."""
    if process.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), GRACE)
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
