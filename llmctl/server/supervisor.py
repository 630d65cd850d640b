"""Several worker processes behind one port: starts them, restarts the dead, passes signals on.

Workers bind the port themselves with SO_REUSEPORT. Each holds the reading end of a pipe whose writing end only the
supervisor has, so a supervisor that is killed takes its workers with it.
"""

import asyncio
import os
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass

RESTART_AFTER = (0.0, 0.2, 0.5, 1.0, 2.0, 5.0)  # seconds, by the number of deaths in a row
STEADY = 10.0  # a worker that has lived this long starts over with the shortest wait

Log = Callable[..., None]


@dataclass(frozen=True, slots=True)
class WorkerPipes:
    """File descriptors a worker is given: end of `parent` means that the supervisor died; one byte on `ready`."""

    parent: int
    ready: int


class Supervisor:
    """Runs `command(pipes)` in `count` processes until told to stop."""

    def __init__(self, command: Callable[[WorkerPipes], Sequence[str]], count: int, drain: float, log: Log) -> None:
        self._command = command
        self._count = count
        self._drain = drain
        self._log = log
        self._stopping = False
        self._workers: dict[int, asyncio.subprocess.Process] = {}
        self._ready: set[int] = set()  # have been ready once
        self._serving: set[int] = set()  # are ready now
        self._tasks: list[asyncio.Task[int]] = []

    async def run(self, on_ready: Callable[[], None]) -> int:
        """Serve until SIGTERM or SIGINT; the exit code: 0, or a worker's own if it never became ready."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        loop.add_signal_handler(signal.SIGHUP, self._reload)
        read_end, write_end = os.pipe()
        self._tasks = [asyncio.create_task(self._keep(n, read_end, on_ready)) for n in range(self._count)]
        try:
            codes = await asyncio.gather(*self._tasks)
        finally:
            os.close(read_end)
            os.close(write_end)
        return max(codes)

    def stop(self) -> None:
        """Drain all workers, then kill those that do not end."""
        if not self._stopping:
            self._stopping = True
            self._log("draining", workers=len(self._workers))
            asyncio.get_running_loop().call_later(self._drain + 5.0, self._signal, signal.SIGKILL)
        self._signal(signal.SIGTERM)

    def _reload(self) -> None:
        """To those that listen for it: a worker still starting would die of it, and reads the files anyway."""
        for slot in self._serving:
            process = self._workers[slot]
            if process.returncode is None:
                process.send_signal(signal.SIGHUP)

    def _signal(self, number: int) -> None:
        for process in self._workers.values():
            if process.returncode is None:
                process.send_signal(number)

    async def _keep(self, slot: int, parent: int, on_ready: Callable[[], None]) -> int:
        """Keep one worker alive; returns when it ended because we are stopping, or could not start at all."""
        loop = asyncio.get_running_loop()
        deaths = 0
        while True:
            started = loop.time()
            code, was_ready = await self._live_once(slot, parent, on_ready)
            if self._stopping:
                return 0
            if not was_ready and len(self._ready) < self._count:
                self.stop()  # it failed before the group ever served: the cause is ours, not an accident
                return code if code > 0 else 1
            deaths = 0 if loop.time() - started > STEADY else deaths + 1
            wait = RESTART_AFTER[min(deaths, len(RESTART_AFTER) - 1)] if deaths else 0.0
            self._log("worker_died", worker=slot, code=code, restart_in_s=wait)
            await asyncio.sleep(wait)
            if self._stopping:
                return 0

    async def _live_once(self, slot: int, parent: int, on_ready: Callable[[], None]) -> tuple[int, bool]:
        ready_read, ready_write = os.pipe()
        try:
            command = self._command(WorkerPipes(parent, ready_write))
            process = await asyncio.create_subprocess_exec(*command, pass_fds=(parent, ready_write))
        finally:
            os.close(ready_write)
        self._workers[slot] = process
        if self._stopping:  # it was being started when the others were told
            process.terminate()
        became_ready = await self._wait_ready(ready_read)
        if became_ready:
            self._serving.add(slot)
        if became_ready and slot not in self._ready:
            self._ready.add(slot)
            if len(self._ready) == self._count and not self._stopping:
                on_ready()
        code = await process.wait()
        self._serving.discard(slot)
        return code, became_ready

    async def _wait_ready(self, fd: int) -> bool:
        """True once the worker has written its byte, false when it ended without."""
        loop = asyncio.get_running_loop()
        heard = loop.create_future()
        os.set_blocking(fd, False)
        loop.add_reader(fd, lambda: None if heard.done() else heard.set_result(None))
        try:
            await heard
            return os.read(fd, 1) == b"1"
        finally:
            loop.remove_reader(fd)
            os.close(fd)
