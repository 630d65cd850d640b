"""What comes to its end though it be cancelled."""

import asyncio

import pytest

from llmctl.chaos.unhurried import unhurried


async def test_that_it_ends_and_then_is_cancelled() -> None:
    go, ended = asyncio.Event(), []

    async def work() -> None:
        await go.wait()
        ended.append(True)

    task = asyncio.create_task(unhurried(work()))
    for _ in range(3):
        await asyncio.sleep(0)
        task.cancel()
    await asyncio.sleep(0)
    assert not task.done()
    go.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended == [True]


async def test_that_what_it_raises_is_raised() -> None:
    async def work() -> None:
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        await unhurried(work())
