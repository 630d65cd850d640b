import asyncio
from collections.abc import Awaitable, Callable
from random import Random
from typing import NamedTuple

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from pydantic import ValidationError

from llmctl.clock import SystemClock
from llmctl.errors import Unavailable
from llmctl.gateway.queue import Slots, SlotsOptions
from llmctl.testing.clock import ManualClock

NOW = SystemClock().monotonic


def made(limit: int | None, max_queue: int = 100, now: Callable[[], float] = NOW) -> Slots:
    return Slots(SlotsOptions(limit=limit, max_queue=max_queue), now)


async def turns() -> None:
    """Let everything run that can."""
    for _ in range(6):
        await asyncio.sleep(0)


class Loop(asyncio.SelectorEventLoop):
    """Its time is moved by hand."""

    at = 1_000.0

    def time(self) -> float:
        return self.at


class Caller(NamedTuple):
    """One in the model's queue; those that come first compare less."""

    rank: int  # the priority, negated
    number: int
    deadline: float


class Machine(RuleBasedStateMachine):
    """Against a sorted list: who is in, who waits, and what became of everybody."""

    @initialize(limit=st.integers(1, 3), max_queue=st.integers(0, 4))
    def begin(self, limit: int, max_queue: int) -> None:
        self.loop = Loop()
        self.slots = made(limit, max_queue, self.loop.time)
        self.limit, self.max_queue = limit, max_queue
        self.tasks: list[asyncio.Task[None]] = []
        self.ends: list[asyncio.Event] = []
        self.actual: list[str] = []  # by number: what became of it
        self.fates: list[str] = []  # the same, in the model
        self.entered: list[int] = []
        self.expected: list[int] = []
        self.inside: list[int] = []
        self.waiting: list[Caller] = []
        self.again: list[float] = []

    async def call(self, number: int, priority: int, deadline: float | None) -> None:
        try:
            async with self.slots.acquire(priority, deadline):
                self.actual[number] = "in"
                self.entered.append(number)
                await self.ends[number].wait()
                self.actual[number] = "done"
        except Unavailable as error:
            self.again.append(error.retry_after)
            self.actual[number] = "late" if "deadline" in error.message else "shed"
        except asyncio.CancelledError:
            self.actual[number] = "cancelled"

    def run(self, work: Awaitable[None] | None = None) -> None:
        self.loop.run_until_complete(work or turns())

    def enter(self, number: int) -> None:
        self.inside.append(number)
        self.expected.append(number)
        self.fates[number] = "in"

    def leave(self, number: int) -> None:
        self.inside.remove(number)
        if self.waiting:
            self.enter(self.waiting.pop(0).number)

    @rule(priority=st.integers(-1, 2), patience=st.none() | st.integers(0, 5))
    def arrive(self, priority: int, patience: int | None) -> None:
        number = len(self.tasks)
        deadline = None if patience is None else self.loop.at + patience
        self.ends.append(asyncio.Event())
        self.actual.append("new")
        self.fates.append("waits")
        if patience == 0:
            self.fates[number] = "late"
        elif len(self.inside) < self.limit:
            self.enter(number)
        else:
            caller = Caller(-priority, number, float("inf") if deadline is None else deadline)
            self.waiting = sorted([*self.waiting, caller])
            if len(self.waiting) > self.max_queue:
                self.fates[self.waiting.pop().number] = "shed"
        self.tasks.append(self.loop.create_task(self.call(number, priority, deadline)))
        self.run()

    @rule(which=st.integers(0, 9))
    def finish(self, which: int) -> None:
        if self.inside:
            number = self.inside[which % len(self.inside)]
            self.ends[number].set()
            self.leave(number)
            self.fates[number] = "done"
            self.run()

    @rule(which=st.integers(0, 99))
    def cancel(self, which: int) -> None:
        if not self.tasks:
            return
        number = which % len(self.tasks)
        self.tasks[number].cancel()
        if number in self.inside:
            self.leave(number)
            self.fates[number] = "cancelled"
        elif any(caller.number == number for caller in self.waiting):
            self.waiting = [caller for caller in self.waiting if caller.number != number]
            self.fates[number] = "cancelled"
        self.run()

    @rule(cancelled_first=st.booleans())
    def cancel_who_is_just_getting_the_slot(self, cancelled_first: bool) -> None:
        if not self.inside or not self.waiting:
            return
        holder, waiter = self.inside[0], self.waiting.pop(0).number

        async def race() -> None:
            if not cancelled_first:
                self.ends[holder].set()
                await asyncio.sleep(0)  # the holder has run, and handed over; the waiter has not
            self.tasks[waiter].cancel()
            self.ends[holder].set()
            await turns()

        self.run(race())
        self.fates[waiter] = "cancelled"
        self.leave(holder)
        self.fates[holder] = "done"

    @rule(seconds=st.integers(0, 3))
    def wait(self, seconds: int) -> None:
        self.loop.at += seconds
        for caller in [caller for caller in self.waiting if caller.deadline <= self.loop.at]:
            self.fates[caller.number] = "late"
            self.waiting.remove(caller)
        self.run()

    @invariant()
    def agree(self) -> None:
        assert [fate.replace("new", "waits") for fate in self.actual] == self.fates
        assert self.entered == self.expected
        assert all(1 <= seconds <= 60 for seconds in self.again)
        assert (self.slots.active, self.slots.depth) == (len(self.inside), len(self.waiting))
        assert (self.slots.shed, self.slots.expired) == (self.fates.count("shed"), self.fates.count("late"))

    def teardown(self) -> None:
        if not hasattr(self, "loop"):
            return
        for task in self.tasks:
            task.cancel()
        self.run()
        assert (self.slots.active, self.slots.depth) == (0, 0)
        assert all(task.done() for task in self.tasks)
        assert all(timer.cancelled() for timer in self.loop._scheduled)  # type: ignore[attr-defined]
        self.loop.close()


Machine.TestCase.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)
TestSlots = Machine.TestCase


@pytest.mark.parametrize("seed", range(5))
async def test_two_hundred_with_random_cancels_leave_nothing_behind(seed: int) -> None:
    random, slots = Random(seed), made(5, 40)
    inside = most = served = refused = 0

    async def call(priority: int, deadline: float | None) -> None:
        nonlocal inside, most, served, refused
        try:
            async with slots.acquire(priority, deadline):
                inside += 1
                most = max(most, inside)
                try:
                    await asyncio.sleep(random.random() * 0.01)
                    if random.random() < 0.1:
                        raise ValueError
                finally:
                    inside -= 1
        except Unavailable:
            refused += 1
        except ValueError:
            pass
        else:
            served += 1

    tasks = []
    for _ in range(200):
        deadline = None if random.random() < 0.5 else NOW() + random.random() * 0.1
        tasks.append(asyncio.create_task(call(random.randrange(3), deadline)))
        if random.random() < 0.3:
            random.choice(tasks).cancel()
        if random.random() < 0.5:
            await asyncio.sleep(random.random() * 0.002)
        assert 0 <= slots.active <= 5
        assert 0 <= slots.depth <= 40
    ended = await asyncio.gather(*tasks, return_exceptions=True)
    assert {type(result) for result in ended} <= {type(None), asyncio.CancelledError}
    assert (slots.active, slots.depth, inside) == (0, 0, 0)
    # One that is cancelled in the very turn in which it was refused is counted, but sees its cancellation.
    cancelled = sum(type(result) is asyncio.CancelledError for result in ended)
    assert refused <= slots.shed + slots.expired <= refused + cancelled
    assert 0 < most <= 5
    assert served > 50


async def test_the_deadline_ends_the_wait_in_time() -> None:
    slots = made(1)
    async with slots.acquire():
        start = NOW()
        with pytest.raises(Unavailable, match="deadline") as caught:
            async with slots.acquire(0, start + 0.05):
                pytest.fail("there was no slot")
        assert 0.045 < NOW() - start < 0.5
        assert caught.value.retry_after >= 1
        assert (slots.active, slots.depth, slots.expired) == (1, 0, 1)
    assert slots.active == 0


async def test_nobody_is_let_in_after_the_deadline_even_where_there_is_room() -> None:
    with pytest.raises(Unavailable):
        await made(1).acquire(0, NOW() - 1).take()


async def test_a_slot_may_outlive_its_function_and_is_given_back_once() -> None:
    slots = made(2)
    slot = await slots.acquire().take()
    other = await slots.acquire().take()
    slot.release()
    slot.release()
    assert slots.active == 1
    slots.acquire().release()
    assert slots.active == 1
    other.release()
    assert slots.active == 0


async def test_without_a_limit_everybody_is_in() -> None:
    slots = made(None, 0)
    held = [await slots.acquire().take() for _ in range(50)]
    assert (slots.active, slots.depth, slots.retry_after()) == (50, 0, 1.0)
    for slot in held:
        slot.release()
    assert slots.active == 0


async def test_retry_after_grows_with_the_queue_and_the_time_a_slot_is_held() -> None:
    clock = ManualClock()
    slots = made(1, 3, clock.monotonic)
    async with slots.acquire():
        clock.advance(4)
    async with slots.acquire():
        waiting = [asyncio.create_task(slots.acquire().take()) for _ in range(3)]
        await turns()
        with pytest.raises(Unavailable, match="full") as caught:
            await slots.acquire().take()
        assert caught.value.retry_after == 16
        clock.advance(1e6)
    for task in waiting:
        (await task).release()
    assert slots.retry_after() == 60


async def test_who_is_cancelled_and_shed_in_one_turn_is_cancelled() -> None:
    slots = made(1, 1)
    async with slots.acquire():
        low = asyncio.create_task(slots.acquire(0).take())
        await turns()
        high = asyncio.create_task(slots.acquire(1).take())
        low.cancel()
        await turns()
        assert low.cancelled()
        assert (slots.depth, slots.shed) == (1, 0)
    (await high).release()
    assert (slots.active, slots.depth) == (0, 0)


async def test_priorities_that_come_and_go_leave_nothing_behind() -> None:
    slots = made(1)
    for priority in range(500):
        async with slots.acquire(priority):
            task = asyncio.create_task(slots.acquire(priority).take())
            await turns()
            task.cancel()
            await turns()
    assert not slots._queues


def test_options_are_strict_and_described() -> None:
    assert [name for name, field in SlotsOptions.model_fields.items() if not field.description] == []
    for wrong in ({"limit": 0}, {"max_queue": -1}, {"nonsense": 1}):
        with pytest.raises(ValidationError):
            SlotsOptions(**wrong)
