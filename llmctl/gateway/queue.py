"""A cap on what is under way at a time, with a bounded queue before it that sheds the least important first."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from types import TracebackType

from pydantic import BaseModel, ConfigDict, Field

from llmctl.errors import Unavailable

MOST_RETRY_AFTER_S = 60.0
HOLD_WEIGHT = 0.1  # of the newest hold in the mean that retry times are guessed from

Waiter = asyncio.Future[None]


class SlotsOptions(BaseModel):
    """How many at a time, and how many may wait."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    limit: int | None = Field(None, ge=1, description="Calls under way at a time. Default: no limit.")
    max_queue: int = Field(
        128, ge=0, description="Calls that may wait; beyond it the least important, newest, is refused."
    )


class Slots:
    """Hands out slots. A higher priority goes first; within one, who came first does. For one event loop.

    A freed slot passes straight to the next waiter, so nobody overtakes, and as long as somebody waits, all are taken.
    """

    def __init__(self, options: SlotsOptions, now: Callable[[], float], what: str = "the gateway") -> None:
        """`now` gives seconds, such as `Clock.monotonic`; `what` is busy, for messages."""
        self._limit = options.limit
        self._max_queue = options.max_queue
        self._now = now
        self._what = what
        self._active = 0
        self._depth = 0
        self._queues: dict[int, OrderedDict[Waiter, None]] = {}  # by priority; none is empty
        self._hold = 0.0  # mean seconds that a slot is held
        self.shed = 0  # calls refused or dropped because the queue was full
        self.expired = 0  # calls whose deadline came before their slot

    @property
    def active(self) -> int:
        """Slots taken."""
        return self._active

    @property
    def depth(self) -> int:
        """Calls that wait."""
        return self._depth

    def acquire(self, priority: int = 0, deadline: float | None = None) -> "Slot":
        """For `async with`. `deadline` is on the clock that was injected.

        Entering raises Unavailable, with a guess when to come back, where the queue is full of what is as important,
        when something more important takes the place in it, or when the deadline passes.
        """
        return Slot(self, priority, deadline)

    def retry_after(self) -> float:
        """Seconds, a guess: until all that wait now would have had their turn. 1 to 60."""
        rounds = (self._depth + 1) / self._limit if self._limit is not None else 0.0
        return min(max(self._hold * rounds, 1.0), MOST_RETRY_AFTER_S)

    async def _take(self, priority: int, deadline: float | None) -> float:
        """Wait for a slot; the time at which it was got."""
        now = self._now()
        if deadline is not None and now >= deadline:
            raise self._late()
        if self._limit is None or self._active < self._limit:
            self._active += 1
            return now
        if self._depth >= self._max_queue and not self._shed(priority):
            raise self._full()
        await self._wait(priority, None if deadline is None else deadline - now)
        return self._now()

    async def _wait(self, priority: int, seconds: float | None) -> None:
        loop = asyncio.get_running_loop()
        waiter = loop.create_future()
        self._queues.setdefault(priority, OrderedDict())[waiter] = None
        self._depth += 1
        timer = loop.call_later(seconds, self._expire, priority, waiter) if seconds is not None else None
        try:
            await waiter
        except BaseException:
            # Cancelled in the very turn in which the slot was handed over: it goes on to the next.
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                self._pass_on()
            self._discard(priority, waiter)
            raise
        finally:
            if timer is not None:
                timer.cancel()

    def _give_back(self, since: float) -> None:
        held = max(self._now() - since, 0.0)
        self._hold += (held - self._hold) * (HOLD_WEIGHT if self._hold else 1.0)
        self._pass_on()

    def _pass_on(self) -> None:
        while self._queues:
            priority = max(self._queues)
            waiter = next(iter(self._queues[priority]))
            self._discard(priority, waiter)
            if not waiter.done():  # else it was cancelled and has not run since
                waiter.set_result(None)
                return
        self._active -= 1

    def _shed(self, priority: int) -> bool:
        """Whether the full queue has room for such a priority: made at the cost of the newest of the lowest."""
        if not self._queues or (lowest := min(self._queues)) >= priority:
            return False
        waiter = next(reversed(self._queues[lowest]))
        self._discard(lowest, waiter)
        if not waiter.done():
            waiter.set_exception(self._full())
        return True

    def _expire(self, priority: int, waiter: Waiter) -> None:
        if not waiter.done():
            self._discard(priority, waiter)
            waiter.set_exception(self._late())

    def _discard(self, priority: int, waiter: Waiter) -> None:
        queue = self._queues.get(priority)
        if queue is not None and waiter in queue:
            del queue[waiter]
            self._depth -= 1
            if not queue:
                del self._queues[priority]

    def _full(self) -> Unavailable:
        self.shed += 1
        return Unavailable(
            f"{self._what} is busy and its queue is full; try again later", retry_after=self.retry_after()
        )

    def _late(self) -> Unavailable:
        self.expired += 1
        return Unavailable(
            f"{self._what} was busy until the request's deadline; try again later", retry_after=self.retry_after()
        )


class Slot:
    """One slot, once entered. For a stream that outlives the function: `await take()`, and `release()` in the end."""

    __slots__ = ("_deadline", "_priority", "_since", "_slots")

    def __init__(self, slots: Slots, priority: int, deadline: float | None) -> None:
        self._slots = slots
        self._priority = priority
        self._deadline = deadline
        self._since: float | None = None

    async def take(self) -> "Slot":
        """Wait for the slot. Raises Unavailable."""
        assert self._since is None
        self._since = await self._slots._take(self._priority, self._deadline)
        return self

    def release(self) -> None:
        """Give it back. Again, or before it was taken: does nothing."""
        since, self._since = self._since, None
        if since is not None:
            self._slots._give_back(since)

    async def __aenter__(self) -> "Slot":
        return await self.take()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()
