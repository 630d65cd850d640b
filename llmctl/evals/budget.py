"""What a run may spend, and how fast it may ask."""

import asyncio
from collections.abc import Awaitable, Callable

from llmctl.clock import Clock
from llmctl.scoring.result import Result

Sleep = Callable[[float], Awaitable[None]]


class Spent(Exception):
    """The next call might take the run over what it may spend."""


class Budget:
    """US dollars of a run: `paid` so far, and what calls under way are reckoned at.

    A call is reckoned at what the dearest one so far cost, and is let through only where all that are under way,
    so reckoned, still fit. The first one goes alone: until it is settled nobody knows what a call costs. So the limit
    is exceeded only where calls turn out dearer than every one before them, and by that difference times the calls
    under way at most (by the whole price where the first call alone is over the limit).
    """

    def __init__(self, limit: float | None) -> None:
        """None: whatever it takes."""
        self.limit = limit
        self.paid = 0.0
        self.unpriced = 0
        """Answers whose price nobody knows: what they took is not in `paid`."""
        self._dearest: float | None = None
        self._under_way = 0
        self._settled = asyncio.Event()

    async def reserve(self) -> None:
        """Before an item is asked. Waits where calls under way decide; raises Spent."""
        while self.limit is not None:
            least = self._dearest or 0.0
            fits = self.paid + (self._under_way + 1) * least <= self.limit and self.paid < self.limit
            if fits and (self._dearest is not None or not self._under_way):
                break
            if not self._under_way:
                raise Spent
            self._settled.clear()
            await self._settled.wait()
        self._under_way += 1

    def release(self) -> None:
        """It is no longer under way; what it came to was told before."""
        self._under_way -= 1
        self._settled.set()

    def spend(self, result: Result) -> None:
        """Count what a result of this run was paid for, its judges included."""
        paid = 0.0
        if not result.cached:
            paid += result.cost.usd or 0.0
            self.unpriced += result.cost.usd is None and not result.error
        paid += result.judging.usd or 0.0
        self.paid += paid
        if paid or (not result.cached and result.cost.usd is not None):
            self._dearest = max(self._dearest or 0.0, paid)


class Pace:
    """At most so many calls a minute, evenly spread."""

    def __init__(self, per_minute: float | None, clock: Clock, sleep: Sleep = asyncio.sleep) -> None:
        self._gap = 60.0 / per_minute if per_minute else 0.0
        self._clock, self._sleep = clock, sleep
        self._next = 0.0

    async def turn(self) -> None:
        """Wait for one's turn."""
        if self._gap:
            now = self._clock.monotonic()
            at = max(now, self._next)
            self._next = at + self._gap
            if at > now:
                await self._sleep(at - now)
