"""Foreign code that hangs costs its own callers, and nobody else."""

import asyncio
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from llmctl.errors import Unavailable
from llmctl.guards.asked.threads import ForeignExit, LoopThread, Workers


async def give_up(call: Any, seconds: float = 0.05) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(seconds):
            await call


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.005)


def raising(error: BaseException) -> Callable[[], None]:
    def call() -> None:
        raise error

    return call


async def test_answers_and_errors_come_back() -> None:
    workers = Workers("w", 2)
    found = await asyncio.gather(*(workers.run(partial(pow, n, 2)) for n in range(20)))
    assert found == [n * n for n in range(20)]
    with pytest.raises(KeyError):
        await workers.run(raising(KeyError("x")))
    workers.close()


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), asyncio.CancelledError(), GeneratorExit()])
async def test_what_would_end_the_process_does_not(error: BaseException) -> None:
    workers = Workers("w", 1)
    with pytest.raises(ForeignExit, match=type(error).__name__):
        await workers.run(raising(error))
    assert await workers.run(lambda: 1) == 1
    workers.close()


async def test_no_thread_before_the_first_call_and_none_after_close() -> None:
    def mine() -> list[threading.Thread]:
        return [thread for thread in threading.enumerate() if thread.name.startswith("guard-lazy")]

    workers = Workers("lazy", 3)
    assert mine() == []
    await workers.run(lambda: None)
    assert len(mine()) == 3
    assert all(thread.daemon for thread in mine())
    workers.close()
    workers.close()
    await until(lambda: mine() == [])
    with pytest.raises(Unavailable, match="closed"):
        await workers.run(lambda: None)


async def test_the_loop_runs_on_while_a_call_hangs() -> None:
    workers, release = Workers("w", 1), threading.Event()
    hanging = asyncio.ensure_future(workers.run(release.wait))
    started = time.monotonic()
    await asyncio.sleep(0.02)
    assert time.monotonic() - started < 1
    release.set()
    assert await hanging
    workers.close()


async def test_when_all_threads_hang_calls_fail_at_once_until_one_returns() -> None:
    workers, release = Workers("w", 2), threading.Event()
    await give_up(workers.run(release.wait))
    assert await workers.run(lambda: "other thread") == "other thread"
    await give_up(workers.run(release.wait))
    started = time.monotonic()
    for _ in range(50):
        with pytest.raises(Unavailable, match="all of its 2 threads hang"):
            await workers.run(lambda: None)
    assert time.monotonic() - started < 1
    release.set()
    await until(lambda: workers._kept == 0)
    assert await asyncio.gather(*(workers.run(lambda: "again") for _ in range(4))) == ["again"] * 4
    workers.close()


async def test_what_waits_behind_the_last_to_hang_fails_with_it() -> None:
    workers, release = Workers("w", 1), threading.Event()
    first = asyncio.ensure_future(workers.run(release.wait))
    await asyncio.sleep(0.01)
    waiting = asyncio.ensure_future(workers.run(lambda: None))
    await asyncio.sleep(0.01)
    first.cancel()
    with pytest.raises(Unavailable, match="hang"):
        await asyncio.wait_for(waiting, 2)
    release.set()
    await until(lambda: workers._kept == 0)
    workers.close()


async def test_a_call_given_up_while_it_waits_is_never_made() -> None:
    workers, release, made = Workers("w", 1), threading.Event(), []
    first = asyncio.ensure_future(workers.run(release.wait))
    await asyncio.sleep(0.01)
    await give_up(workers.run(lambda: made.append(1)))
    release.set()
    await first
    assert await workers.run(lambda: 1) == 1
    assert made == []
    assert workers._kept == 0
    workers.close()


async def test_hanging_in_one_starves_no_other() -> None:
    release = threading.Event()
    bad, good = Workers("bad", 1), Workers("good", 1)
    await give_up(bad.run(release.wait))
    assert await good.run(lambda: 1) == 1
    release.set()
    bad.close()
    good.close()


# --- coroutines


async def test_coroutines_run_on_a_loop_of_their_own() -> None:
    loop = LoopThread("l")

    async def where() -> tuple[bool, str]:
        await asyncio.sleep(0)
        return asyncio.get_running_loop() is mine, threading.current_thread().name

    mine = asyncio.get_running_loop()
    assert await loop.run(where) == (False, "guard-l")
    loop.close()
    loop.close()
    with pytest.raises(Unavailable, match="closed"):
        await loop.run(where)


@pytest.mark.parametrize(
    ("error", "raised"),
    [(KeyError("x"), KeyError), (SystemExit(1), ForeignExit), (asyncio.CancelledError(), ForeignExit)],
)
async def test_what_coroutines_raise(error: BaseException, raised: type[Exception]) -> None:
    loop = LoopThread("l")

    async def fails() -> None:
        raise error

    async def works() -> int:
        return 1

    with pytest.raises(raised):
        await loop.run(fails)
    assert await loop.run(works) == 1
    loop.close()


async def test_a_coroutine_that_waits_is_cancelled_and_harms_nobody() -> None:
    loop, ended = LoopThread("l"), threading.Event()

    async def waits() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()

    async def works() -> int:
        return 1

    await give_up(loop.run(waits))
    assert await loop.run(works) == 1
    assert ended.is_set()
    loop.close()


async def test_a_coroutine_that_blocks_fails_the_next_soon_until_it_returns() -> None:
    loop, release = LoopThread("l"), threading.Event()

    async def blocks() -> None:
        release.wait()

    async def works() -> int:
        return 1

    await give_up(loop.run(blocks))
    started = time.monotonic()
    with pytest.raises(Unavailable, match="blocks its event loop"):
        await loop.run(works)
    assert time.monotonic() - started < 1
    release.set()
    await asyncio.sleep(0.05)
    assert await loop.run(works) == 1
    loop.close()


async def test_closing_ends_what_still_runs() -> None:
    loop = LoopThread("l")

    async def waits() -> None:
        await asyncio.sleep(60)

    running = asyncio.ensure_future(loop.run(waits))
    await asyncio.sleep(0.02)
    loop.close()
    with pytest.raises(Unavailable, match="closed"):
        await asyncio.wait_for(running, 2)
