"""A call with a second one beside it when its answer is late. The first to bring an answer is taken."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from llmctl.errors import LlmctlError
from llmctl.gateway.attempt import Begun
from llmctl.gateway.hedge import HedgePolicy

Calling = Callable[[], Coroutine[Any, Any, Begun]]


async def hedged(
    policy: HedgePolicy,
    name: str,
    first: Calling,
    second: Callable[[], Calling | None],
    now: Callable[[], float],
    surplus: Callable[[Begun], None],
) -> Begun:
    """The first answer of the two. `second` is asked who else could be called once the first is late.

    `name` is what times are kept by; `surplus` is told of an answer that came complete and is not taken. Raises the
    first call's LlmctlError where neither brings an answer.
    """
    delay, began = policy.delay(name), now()
    if delay is None:
        begun = await first()
        policy.observe(name, now() - began)
        return begun
    tasks = [asyncio.create_task(first())]
    try:
        done, _ = await asyncio.wait(tasks, timeout=delay)
        if not done and policy.spend() and (other := second()) is not None:
            tasks.append(asyncio.create_task(other()))
        winner = await _fastest(tasks)
        policy.observe(name, now() - began)
        await _give_up([task for task in tasks if task is not winner], surplus)
    except BaseException:
        await _give_up(tasks, surplus)  # the winner too, if it was in that moment that the client left
        raise
    finally:
        tasks.clear()  # a failure knows this frame, and must not be known by it: the exchange would be held in a cycle
    return winner.result()


async def _fastest(tasks: list[asyncio.Task[Begun]]) -> asyncio.Task[Begun]:
    waiting = set(tasks)
    while waiting:
        done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            if task in done and task.exception() is None:
                return task
    failures = [failure for task in tasks if (failure := task.exception()) is not None]
    failures.sort(key=lambda failure: isinstance(failure, LlmctlError))  # what is a bug goes first
    done.clear()
    del task
    for failure in failures:
        failure.__traceback__ = None
    try:
        raise failures[0]
    finally:
        failures.clear()


async def _give_up(tasks: list[asyncio.Task[Begun]], surplus: Callable[[Begun], None]) -> None:
    """Nobody waits for these any more: cancel them, and close the stream of one that has just begun."""
    for task in tasks:
        task.cancel()
    for ended in await asyncio.gather(*tasks, return_exceptions=True):
        if not isinstance(ended, Begun):
            continue
        if ended.chunks is None:
            surplus(ended)
        else:
            await ended.chunks.aclose()  # type: ignore[attr-defined]  # every source of chunks can be closed
