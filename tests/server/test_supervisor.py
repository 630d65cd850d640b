"""Worker processes: ready together, restarted apart, ended together. The workers are a few lines of Python."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from llmctl.server.supervisor import Supervisor, WorkerPipes

STEADY = """
import os, signal, sys
parent, ready, folder = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
signal.signal(signal.SIGHUP, lambda *_: open(f"{folder}/{os.getpid()}.hup", "w").close())
open(f"{folder}/{os.getpid()}", "w").close()
os.write(ready, b"1")
while True:
    try:
        os.read(parent, 1)
        os._exit(7)
    except InterruptedError:
        pass
"""
STUBBORN = STEADY.replace("lambda *_: os._exit(0)", "signal.SIG_IGN", 1)
FAILS = "import sys; sys.exit(3)"
KILLED = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"


class Bench:
    """A supervisor under way."""

    def __init__(self, folder: Path, *scripts: str, drain: float = 5.0) -> None:
        self.folder = folder
        self.ready = 0
        self.events: list[tuple[str, dict[str, Any]]] = []
        left = list(scripts)

        def command(pipes: WorkerPipes) -> list[str]:
            script = left.pop(0) if len(left) > 1 else left[0]
            return [sys.executable, "-S", "-c", script, str(pipes.parent), str(pipes.ready), str(folder)]

        self.supervisor = Supervisor(command, 2, drain, lambda event, **more: self.events.append((event, more)))

    def on_ready(self) -> None:
        self.ready += 1

    @property
    def pids(self) -> list[int]:
        return [int(path.name) for path in self.folder.iterdir() if path.name.isdigit()]

    async def run(self) -> int:
        async with asyncio.timeout(30):
            return await self.supervisor.run(self.on_ready)


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.01)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@asynccontextmanager
async def supervising(bench: Bench) -> AsyncIterator["asyncio.Task[int]"]:
    task = asyncio.create_task(bench.run())
    try:
        await until(lambda: bench.ready)
        yield task
    finally:
        bench.supervisor.stop()
        await task


async def test_ready_is_said_once_when_all_are(tmp_path: Path) -> None:
    bench = Bench(tmp_path, STEADY)
    async with supervising(bench) as task:
        assert len(bench.pids) == 2
    assert (bench.ready, task.result()) == (1, 0)
    assert not any(alive(pid) for pid in bench.pids)


async def test_sigterm_ends_all_with_zero(tmp_path: Path) -> None:
    bench = Bench(tmp_path, STEADY)
    async with supervising(bench) as task:
        os.kill(os.getpid(), signal.SIGTERM)
        assert await task == 0
    assert [event for event, _ in bench.events] == ["draining"]
    assert not any(alive(pid) for pid in bench.pids)


async def test_a_dead_worker_is_replaced_and_the_other_left_alone(tmp_path: Path) -> None:
    bench = Bench(tmp_path, STEADY)
    async with supervising(bench):
        victim, other = bench.pids
        os.kill(victim, signal.SIGKILL)
        await until(lambda: len(bench.pids) == 3)
        assert alive(other)
    event, more = bench.events[0]
    assert (event, more["code"]) == ("worker_died", -signal.SIGKILL)
    assert bench.ready == 1


async def test_sighup_reaches_every_worker(tmp_path: Path) -> None:
    bench = Bench(tmp_path, STEADY)
    async with supervising(bench):
        os.kill(os.getpid(), signal.SIGHUP)
        await until(lambda: len(list(tmp_path.glob("*.hup"))) == 2)


async def test_a_worker_that_cannot_start_ends_the_group_with_its_code(tmp_path: Path) -> None:
    bench = Bench(tmp_path, FAILS)
    assert await bench.run() == 3
    assert bench.ready == 0


async def test_one_that_cannot_start_takes_the_others_with_it(tmp_path: Path) -> None:
    bench = Bench(tmp_path, STEADY, FAILS)
    assert await bench.run() == 3
    assert bench.ready == 0
    assert not any(alive(pid) for pid in bench.pids)


async def test_one_killed_before_it_was_ready_is_no_success(tmp_path: Path) -> None:
    assert await Bench(tmp_path, KILLED).run() == 1


async def test_who_will_not_end_is_killed_after_the_drain(tmp_path: Path) -> None:
    bench = Bench(tmp_path, STUBBORN, drain=-4.5)  # half a second in all
    async with supervising(bench) as task:
        bench.supervisor.stop()
        assert await task == 0
    assert not any(alive(pid) for pid in bench.pids)


async def test_a_stop_while_workers_are_being_spawned_reaches_them(tmp_path: Path) -> None:
    bench = Bench(tmp_path, STEADY, drain=-2.0)  # SIGKILL after three seconds
    task = asyncio.create_task(bench.run())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    began = time.monotonic()
    bench.supervisor.stop()
    assert await task == 0
    assert time.monotonic() - began < 2.5
