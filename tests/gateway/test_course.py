"""The last resort: whom to ask when every breaker of a route is open. For the rest see test_reserves."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from llmctl.errors import Unavailable, UpstreamLost
from llmctl.testing.clock import ManualClock
from tests.gateway.troupe import Part, Played, breaks, play, refuses, says, streams

TWO = "kind: fixed, model: a, fallbacks: [b]"
FRAGILE = (
    "retry: {attempts_per_model: 1}, probe_every: null, retry_budget: {ratio: 0, per_second: 0, burst: 1}, "
    "breaker: {minimum_calls: 1, open_for: 10, jitter: 0, probes: 1}"
)


def two(folder: Path, route: str = TWO, **parts: list[Part]) -> Played:
    return play(folder, route, {"resilience": FRAGILE, "clock": ManualClock()}, **parts)


async def down(folder: Path, route: str = TWO, *, a: Sequence[Part] = (), b: Sequence[Part] = ()) -> Played:
    """A troupe whose models have all just failed once, and are down for it."""
    troupe = two(folder, route, a=[refuses(500), *a], b=[refuses(500), *b])
    assert (await troupe.ask()).record.state == "failed"
    assert troupe.standing("a").breaker.state == "open"
    troupe.sent.clear()
    return troupe


async def test_the_provider_that_has_just_recovered_is_found_though_all_breakers_are_open(tmp_path: Path) -> None:
    troupe = await down(tmp_path, b=[says("back")])
    troupe.standing("a").health.end(False, 5.0, "timeout")  # so b is the likelier
    asked = await troupe.ask()
    assert (asked.client.text, asked.record.degraded, troupe.called) == ("back", "fallback", ["b"])
    assert troupe.standing("b").breaker.state == "closed"
    assert [(one.target, one.after, one.reason) for one in asked.record.transitions] == [("b", "closed", "reset")]


async def test_when_that_fails_too_the_client_is_told_when_to_come_back(tmp_path: Path) -> None:
    troupe = await down(tmp_path)
    asked = await troupe.ask()
    assert isinstance(asked.failure, Unavailable)
    assert asked.failure.retry_after == pytest.approx(10)
    assert sorted(troupe.called) == ["a", "b"]  # the second is paid for by the budget
    assert troupe.standing("a").breaker.state == troupe.standing("b").breaker.state == "open"


async def test_an_outage_is_not_met_with_a_storm(tmp_path: Path) -> None:
    troupe = await down(tmp_path)
    for _ in range(20):
        await troupe.ask()
    assert len(troupe.called) <= 21  # one each, and the one that the budget had


async def test_a_model_that_stands_alone_is_left_to_its_breaker(tmp_path: Path) -> None:
    troupe = await down(tmp_path, "kind: fixed, model: a, fallbacks: []")
    asked = await troupe.ask()
    assert isinstance(asked.failure, Unavailable)
    assert troupe.called == []


async def test_a_failed_last_resort_does_not_keep_the_model_down_for_longer(tmp_path: Path) -> None:
    troupe = await down(tmp_path)
    before = troupe.standing("a").breaker.retry_after()
    await troupe.ask()
    assert troupe.standing("a").breaker.retry_after() == before > 0


async def test_a_stream_is_continued_by_whoever_is_left(tmp_path: Path) -> None:
    troupe = two(tmp_path, f"{TWO}, resume: true", a=[breaks(UpstreamLost("cut"), "one ")], b=[streams("two")])
    troupe.standing("b").breaker.record(False, 0.1)
    assert troupe.standing("b").breaker.state == "open"
    asked = await troupe.ask(stream=True)
    assert [attempt.why for attempt in asked.record.attempts] == ["first", "resume"]
    assert asked.client.text == "one two"
