"""Long texts in overlapping windows, each judged by itself: nothing is cut off, and the worst window counts."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TypeVar

from llmctl.errors import InvalidRequest
from llmctl.guards.base import ALLOW, Outcome, Verdict

Asked = TypeVar("Asked")
Answered = TypeVar("Answered")

_BADNESS: dict[Outcome, int] = {"allow": 0, "warn": 1, "redact": 2, "block": 3}


def windows(length: int, size: int, overlap: int, most: int) -> list[tuple[int, int]]:
    """Start and end of each window of `size` over `length`, neighbours sharing `overlap`, the last one flush.

    Raises InvalidRequest where that takes more than `most`: what is not judged must not be taken for harmless.
    """
    if length <= size:
        return [(0, length)]
    step = size - overlap
    count = 1 + -(-(length - size) // step)
    if count > most:
        raise InvalidRequest(
            f"a text of this length takes this guard {count:,} windows, {most:,} at most; "
            "send less, or raise the guard's max_windows or the size of its window"
        )
    return [(at, at + size) for at in range(0, step * (count - 1), step)] + [(length - size, length)]


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """The strictest outcome, of those the highest score; `ALLOW` of none."""
    return max(verdicts, key=lambda verdict: (_BADNESS[verdict.outcome], verdict.score), default=ALLOW)


async def each(ask: Callable[[Asked], Awaitable[Answered]], about: Sequence[Asked], at_once: int = 4) -> list[Answered]:
    """`ask` of every one, at most `at_once` at a time. The first to fail ends them all."""
    if len(about) == 1:
        return [await ask(about[0])]
    gate = asyncio.Semaphore(at_once)

    async def one(item: Asked) -> Answered:
        async with gate:
            return await ask(item)

    tasks = [asyncio.ensure_future(one(item)) for item in about]
    try:
        return await asyncio.gather(*tasks)
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise
