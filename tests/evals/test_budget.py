import asyncio
from contextlib import suppress

import pytest

from llmctl.evals.budget import Budget, Pace, Spent
from llmctl.model.usage import Cost
from llmctl.scoring.result import Result
from llmctl.testing.clock import ManualClock


def result(usd: float | None, *, cached: bool = False, judging: float | None = None, error: str = "") -> Result:
    cost = Cost(usd, "exact") if usd is not None else Cost()
    judged = Cost(judging, "exact") if judging is not None else Cost()
    return Result("i", 0, 0, "v", 1.0, True, cost=cost, cached=cached, judging=judged, error=error)


async def reserved(budget: Budget) -> bool:
    """Whether it is let through now."""
    task = asyncio.create_task(budget.reserve())
    await asyncio.sleep(0)
    task.cancel()
    return task.done()


def test_the_first_call_goes_alone_until_its_price_is_known() -> None:
    async def scenario() -> None:
        budget = Budget(1.0)
        assert await reserved(budget)
        assert not await reserved(budget)
        budget.spend(result(0.3))
        budget.release()
        assert [await reserved(budget) for _ in range(3)] == [True, True, False]  # 0.3 + 3 * 0.3 is over

    asyncio.run(scenario())


def test_nothing_is_begun_that_could_take_it_over() -> None:
    budget = Budget(1.0)
    paid = 0
    with suppress(Spent):
        while paid < 10:
            asyncio.run(budget.reserve())
            budget.spend(result(0.3))
            budget.release()
            paid += 1
    assert paid == 3
    assert budget.paid == pytest.approx(0.9)


def test_the_dearest_call_is_what_the_next_is_reckoned_at() -> None:
    budget = Budget(1.0)
    for usd in (0.1, 0.5, 0.1):
        budget.spend(result(usd))
    with pytest.raises(Spent):
        asyncio.run(budget.reserve())


def test_what_was_not_paid_in_this_run_does_not_count_and_judges_do() -> None:
    budget = Budget(None)
    for one in (result(5.0, cached=True), result(0.1, judging=0.2), result(None), result(None, error="down")):
        budget.spend(one)
    assert budget.paid == pytest.approx(0.3)
    assert budget.unpriced == 1


def test_without_a_limit_nobody_waits() -> None:
    async def scenario() -> None:
        budget = Budget(None)
        assert all([await reserved(budget) for _ in range(100)])

    asyncio.run(scenario())


def test_who_waits_goes_on_when_a_call_turns_out_cheap() -> None:
    async def scenario() -> None:
        budget = Budget(1.0)
        await budget.reserve()
        waiting = asyncio.create_task(budget.reserve())
        await asyncio.sleep(0)
        assert not waiting.done()
        budget.spend(result(0.01))
        budget.release()
        await asyncio.wait_for(waiting, 1)

    asyncio.run(scenario())


def test_calls_are_spread_over_the_minute() -> None:
    clock = ManualClock()
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    async def scenario() -> None:
        pace = Pace(120.0, clock, sleep)
        for _ in range(3):
            await pace.turn()
        clock.advance(10)
        await pace.turn()

    asyncio.run(scenario())
    assert slept == pytest.approx([0.5, 1.0])
