import time
from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from llmctl.routing.breaker import PROBING_S, Breaker, BreakerOptions
from llmctl.testing.clock import ManualClock
from tests.routing.breakers import OPTIONS


class Told:
    """Keeps the transitions."""

    def __init__(self) -> None:
        self.all: list[tuple[str, str, str]] = []

    def __call__(self, before: str, after: str, reason: str) -> None:
        self.all.append((before, after, reason))


def made(clock: ManualClock, told: Told | None = None, **changes: Any) -> Breaker:
    options = BreakerOptions(**{**OPTIONS.model_dump(), "jitter": 0, **changes})
    return Breaker(options, clock.monotonic, Random(1), told)


def fail(breaker: Breaker, times: int = 4) -> None:
    for _ in range(times):
        breaker.record(False, 0.1, breaker.allow())


def test_the_whole_way_round() -> None:
    clock, told = ManualClock(), Told()
    breaker = made(clock, told)
    fail(breaker, 3)
    assert breaker.state == "closed"
    fail(breaker, 1)
    assert (breaker.allow(), breaker.retry_after()) == (0, 4.0)
    clock.advance(4)
    probes = [breaker.allow(), breaker.allow()]
    assert all(probes)
    assert (breaker.allow(), breaker.retry_after()) == (0, PROBING_S)
    for ticket in probes:
        breaker.record(True, 0.1, ticket)
    assert breaker.allow()
    assert told.all == [
        ("closed", "open", "error_rate"),
        ("open", "half_open", "elapsed"),
        ("half_open", "closed", "probes_passed"),
    ]


def test_each_failed_probe_doubles_the_time_up_to_the_most() -> None:
    clock = ManualClock()
    breaker = made(clock)
    fail(breaker)
    waits = []
    for _ in range(6):
        waits.append(breaker.retry_after())
        clock.advance(waits[-1])
        fail(breaker, 1)
    assert waits == [4, 8, 16, 20, 20, 20]


def test_what_fails_again_at_once_has_not_recovered() -> None:
    clock = ManualClock()
    breaker = made(clock, probes=1)
    for pause, expected in ((0.0, 4), (7.5, 8), (8.0, 4)):
        clock.advance(pause)
        fail(breaker)
        assert breaker.retry_after() == expected
        clock.advance(expected)
        breaker.record(True, 0.1, breaker.allow())
        assert breaker.state == "closed"


def test_few_calls_prove_nothing_and_old_ones_neither() -> None:
    clock = ManualClock()
    breaker = made(clock)
    for _ in range(10):
        fail(breaker, 3)
        clock.advance(8)
    assert breaker.state == "closed"


@pytest.mark.parametrize(("rate", "calls"), [(0.55, 100), (0.1, 30), (0.07, 100), (1.0, 7)])
def test_the_rate_itself_opens_it(rate: float, calls: int) -> None:
    breaker = made(ManualClock(), error_rate=rate, minimum_calls=calls)
    failed = round(rate * calls)
    for i in range(calls):
        assert breaker.state == "closed"
        breaker.record(i >= failed, 0.1)
    assert breaker.state == "open"
    breaker = made(ManualClock(), error_rate=rate, minimum_calls=calls)
    for i in range(calls):
        breaker.record(i >= failed - 1, 0.1)
    assert breaker.state == "closed"


def test_slow_calls_open_it_and_slow_probes_do_not_close_it() -> None:
    clock, told = ManualClock(), Told()
    breaker = made(clock, told)
    for seconds in (2.1, 2.1, 2.0, 2.1):
        breaker.record(True, seconds)
    assert breaker.state == "open"
    clock.advance(4)
    breaker.record(True, 3.0, breaker.allow())
    assert [reason for _, _, reason in told.all] == ["slow_rate", "elapsed", "probe_slow"]
    assert breaker.retry_after() == 8


def test_without_a_limit_nothing_is_slow() -> None:
    breaker = made(ManualClock(), slow_call=None)
    for _ in range(100):
        breaker.record(True, 1e9)
    assert breaker.state == "closed"


def test_a_call_from_before_is_no_probe() -> None:
    clock = ManualClock()
    breaker = made(clock, probes=1)
    old = breaker.allow()
    fail(breaker)
    clock.advance(4)
    probe = breaker.allow()
    breaker.cancelled(old)
    breaker.record(False, 100.0, old)
    breaker.record(True, 100.0, old)
    assert (breaker.state, breaker.allow()) == ("half_open", 0)
    breaker.record(True, 0.1, probe)
    assert breaker.state == "closed"


def test_a_probe_that_says_nothing_gives_its_place_back() -> None:
    clock = ManualClock()
    breaker = made(clock, probes=1)
    fail(breaker)
    clock.advance(4)
    for _ in range(5):
        ticket = breaker.allow()
        assert ticket
        assert not breaker.allow()
        breaker.cancelled(ticket)
    assert breaker.state == "half_open"


def test_only_so_many_probes_go_out_in_all() -> None:
    clock = ManualClock()
    breaker = made(clock, probes=3)
    fail(breaker)
    clock.advance(4)
    tickets = [breaker.allow() for _ in range(5)]
    assert [bool(ticket) for ticket in tickets] == [True, True, True, False, False]
    breaker.record(True, 0.1, tickets[0])
    assert not breaker.allow()
    breaker.record(True, 0.1, tickets[1])
    assert not breaker.allow()
    breaker.record(True, 0.1, tickets[2])
    assert breaker.state == "closed"


def test_closing_forgets_what_opened_it() -> None:
    clock = ManualClock()
    breaker = made(clock, probes=1)
    fail(breaker)
    clock.advance(4)
    breaker.record(True, 0.1, breaker.allow())
    fail(breaker, 3)
    assert breaker.state == "closed"


@pytest.mark.parametrize(("ask", "expected"), [(Breaker.allow, 0), (Breaker.retry_after, 8)])
def test_a_lost_probe_does_not_block_for_ever(ask: Callable[[Breaker], float], expected: float) -> None:
    clock, told = ManualClock(), Told()
    breaker = made(clock, told, probes=1)
    fail(breaker)
    clock.advance(4)
    assert breaker.allow()
    clock.advance(31.9)
    assert (breaker.allow(), breaker.state) == (0, "half_open")
    clock.advance(0.1)
    assert (ask(breaker), breaker.state) == (expected, "open")
    assert told.all[-1] == ("half_open", "open", "probe_timeout")
    clock.advance(8)
    assert breaker.allow()


@given(st.floats(0, 1), st.integers(0, 2**32))
def test_jitter_only_adds_and_no_more_than_its_share(jitter: float, seed: int) -> None:
    clock = ManualClock()
    options = BreakerOptions(**{**OPTIONS.model_dump(), "jitter": jitter})
    breaker = Breaker(options, clock.monotonic, Random(seed))
    fail(breaker)
    for length in (4.0, 8.0, 16.0, 20.0, 20.0):
        assert length <= breaker.retry_after() <= length * (1 + jitter) + 1e-9
        clock.advance(breaker.retry_after() + 1e-9)
        fail(breaker, 1)


@pytest.mark.parametrize(("growth", "longest"), [(1, 4), (1.5, 20), (10, 20)])
def test_an_outage_may_last_for_days(growth: float, longest: float) -> None:
    clock = ManualClock()
    breaker = made(clock, growth=growth)
    fail(breaker)
    for _ in range(3_000):
        clock.advance(breaker.retry_after())
        fail(breaker, 1)
    assert breaker.retry_after() == longest


@pytest.mark.parametrize(
    "wrong", [{"window": 0}, {"error_rate": 0}, {"error_rate": 1.1}, {"probes": 0}, {"growth": 0.9}, {"nonsense": 1}]
)
def test_options_that_cannot_be(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        BreakerOptions(**wrong)


def test_options_are_described_and_have_defaults() -> None:
    assert BreakerOptions(open_for="250ms").open_for == 0.25
    assert [name for name, field in BreakerOptions.model_fields.items() if not field.description] == []


def test_a_call_costs_little() -> None:
    breaker = Breaker(BreakerOptions(slow_call=5.0), time.monotonic)
    best = float("inf")
    for _ in range(5):
        start = time.thread_time()
        for i in range(10_000):
            ticket = breaker.allow()
            breaker.record(i % 5 > 0, 0.1, ticket)
        best = min(best, time.thread_time() - start)
    assert best / 10_000 < 5e-6  # about 0.4 µs on an idle core; the margin is for CI
