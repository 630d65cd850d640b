"""A sample asked again: priced before, never over the budget, measured against what was recorded."""

import asyncio
from pathlib import Path

import pytest

from llmctl.clock import SystemClock
from llmctl.gateway.asking import Call, Reply, Trouble
from llmctl.gateway.local import LocalGateway
from llmctl.gateway.odds import RouteOdds
from llmctl.model.usage import Cost
from llmctl.plan.plan import Question, plan
from llmctl.plan.prices import Pricing
from llmctl.plan.replaying import Sample, replay
from tests.plan.recorded import TWO, asked, chats, configured

FIXED = "routes: {auto: {kind: fixed, model: %s}}\n"


def sampled(folder: Path, new: str, most: int = 30, records: int = 60) -> Sample:
    one, two = configured(folder, "old", TWO + FIXED % "small"), configured(folder, "new", TWO + new)
    clock = SystemClock()
    sample = Sample(most, one, two, RouteOdds(two, clock), Pricing(one, two, clock))
    plan(Question(one, two, "records"), asked(one, chats(records)), clock, [sample.see])
    return sample


def test_it_is_priced_and_measured(tmp_path: Path) -> None:
    sample = sampled(tmp_path, FIXED % "large")
    assert len(sample.drawn) == 30
    two = configured(tmp_path, "new", TWO + FIXED % "large")
    stage = asyncio.run(replay(sample.drawn, LocalGateway(two), 1.0))
    cost, latency, answered = stage.figures
    assert stage.requests == 30
    assert cost.relative is not None
    assert cost.relative[0] == pytest.approx(9, abs=3)
    assert sample.price() == pytest.approx(30 * (cost.base or 0) * 10, rel=0.3)
    assert latency.estimate is not None
    assert answered.estimate == 1.0
    assert "spent $" in stage.notes[0]


class Paid:
    """An asker whose every answer costs the same, or fails."""

    def __init__(self, usd: float | None, *, ok: bool = True) -> None:
        self.usd, self.ok = usd, ok
        self.calls: list[Call] = []

    async def start(self) -> None:
        """Nothing to start."""

    async def ask(self, call: Call) -> Reply:
        self.calls.append(call)
        await asyncio.sleep(0)
        trouble = None if self.ok else Trouble(503, "unavailable", "no")
        return Reply("r", "ok" if self.ok else "failed", 0.1, trouble=trouble, cost=Cost(self.usd, "exact"))

    async def close(self) -> None:
        """Nothing to close."""


def test_no_more_is_spent_than_may_be(tmp_path: Path) -> None:
    sample = sampled(tmp_path, FIXED % "large")
    each = max(one.price for one in sample.drawn)
    asker = Paid(each)
    stage = asyncio.run(replay(sample.drawn, asker, each * 10))
    assert 8 <= len(asker.calls) <= 10
    assert stage.left_out == {"the budget was spent before these were asked": 30 - len(asker.calls)}
    dear = Paid(each * 5)
    asyncio.run(replay(sample.drawn, dear, each * 10, concurrency=1))
    assert len(dear.calls) == 2
    assert all(call.tags and not call.payload["stream"] for call in dear.calls)


def test_failures_are_measured(tmp_path: Path) -> None:
    stage = asyncio.run(replay(sampled(tmp_path, FIXED % "large").drawn, Paid(None, ok=False), 1.0))
    assert stage.figures[0].told == "not evaluated"
    assert stage.figures[2].estimate == 0.0


def test_a_price_that_is_not_known_and_a_choice_that_is_not(tmp_path: Path) -> None:
    unknown = TWO.replace("large: {input: 10.0, output: 20.0}", "").replace("2.0}, }", "2.0}}")
    one = configured(tmp_path, "old", TWO + FIXED % "small")
    two = configured(tmp_path, "new", unknown + FIXED % "large")
    clock, records = SystemClock(), asked(one, chats(4))
    sample = Sample(4, one, two, RouteOdds(two, clock), Pricing(one, two, clock))
    plan(Question(one, two, "records"), records, clock, [sample.see])
    assert sample.price() != sample.price()
    loaded = sampled(tmp_path, "routes: {auto: {kind: latency, models: [small, large]}}\n")
    dearest = sampled(tmp_path, FIXED % "large")
    assert loaded.price() > dearest.price()
    assert sampled(tmp_path, "").price() == 0.0


def test_what_cannot_be_asked_again_is_not_drawn(tmp_path: Path) -> None:
    one = configured(tmp_path, "old", TWO)
    clock = SystemClock()
    sample = Sample(4, one, one, RouteOdds(one, clock), Pricing(one, one, clock))
    texts = ("Mail jo@example.org",)
    plan(Question(one, one, "records"), asked(one, chats(4, "small", texts)), clock, [sample.see])
    assert sample.drawn == []


def test_any_request_is_as_likely(tmp_path: Path) -> None:
    ids = {one.id for one in sampled(tmp_path, FIXED % "large", most=20, records=60).drawn}
    assert len(ids) == 20
