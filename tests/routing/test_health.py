from collections import Counter
from fractions import Fraction
from itertools import combinations
from math import exp, sqrt
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from llmctl.routing.health import Health, HealthOptions, two_choices
from llmctl.testing.clock import ManualClock

LOADS = st.lists(st.sampled_from([0.0, 1.0, 2.0, 3.5]) | st.floats(0, 1e9), min_size=1, max_size=9)


def made(clock: ManualClock, **options: Any) -> Health:
    return Health(HealthOptions(**options), clock.monotonic)


def called(health: Health, ok: bool, seconds: float, error: str | None = None) -> None:
    health.begin()
    health.end(ok, seconds, error)


def test_it_rises_at_once_and_falls_with_tau() -> None:
    clock = ManualClock()
    health = made(clock, tau=10)
    assert health.latency == 1.0
    called(health, True, 0.2)
    assert health.latency == 0.2
    called(health, True, 3.0)
    assert health.latency == 3.0
    clock.advance(10)
    assert health.latency == pytest.approx(3 * exp(-1))
    called(health, True, 1.0)
    assert health.latency == pytest.approx(3 * exp(-1) + 1 - exp(-1))


def test_load_counts_the_calls_under_way_and_the_one_to_come() -> None:
    health = made(ManualClock())
    called(health, True, 0.5)
    assert health.load == 0.5
    health.begin()
    health.begin()
    assert (health.inflight, health.load) == (2, 1.5)
    health.cancelled()
    assert (health.inflight, health.load, health.snapshot().calls) == (1, 1.0, 1)


def test_failing_fast_is_not_being_fast_but_failing_slowly_is_being_slow() -> None:
    clock = ManualClock()
    health = made(clock)
    called(health, True, 2.0)
    called(health, False, 0.001)
    assert health.latency == 2.0
    called(health, False, 30.0)
    assert health.latency == 30.0


def test_success_is_a_moving_average_that_starts_with_the_first_call() -> None:
    clock = ManualClock()
    health = made(clock, success_weight=0.1)
    assert health.success is None
    called(health, False, 1.0, "upstream_timeout")
    assert health.success == 0.0
    called(health, True, 1.0)
    assert health.success == pytest.approx(0.1)
    clock.advance(7)
    shown = health.snapshot()
    assert (shown.last_error, shown.last_error_age_s, shown.calls, shown.inflight) == ("upstream_timeout", 7.0, 2, 0)
    assert health.last_error == "upstream_timeout"


@given(
    tau=st.floats(0.1, 100),
    steps=st.lists(st.tuples(st.floats(-100, 100), st.booleans(), st.floats(0, 1e3)), min_size=1, max_size=40),
)
def test_the_estimate_is_that_of_a_model_on_any_clock(tau: float, steps: list[tuple[float, bool, float]]) -> None:
    time, known, at = 0.0, None, 0.0
    health = Health(HealthOptions(tau=tau, initial=1.0), lambda: time)
    for step, ok, seconds in steps:
        time += step
        called(health, ok, seconds)
        if known is None:
            if ok or seconds >= 1.0:
                known, at = seconds, time
        elif seconds >= known:
            known, at = seconds, time
        elif ok:
            keep = exp(-max(time - at, 0) / tau)
            known, at = known * keep + seconds * (1 - keep), time
        if known is not None:
            assert health.latency == pytest.approx(known * exp(-max(time - at, 0) / tau))
        assert 0 <= health.latency <= max(1.0, *(seconds for _, _, seconds in steps))
        assert health.inflight == 0
        assert 0 <= (health.success or 0) <= 1


@pytest.mark.parametrize("seconds", [float("nan"), float("inf"), -1.0])
def test_what_is_no_time_is_not_counted(seconds: float) -> None:
    health = made(ManualClock())
    called(health, True, 0.5)
    called(health, True, seconds)
    assert health.latency == 0.5


def test_more_ends_than_beginnings_do_no_harm() -> None:
    health = made(ManualClock())
    health.end(True, 0.5)
    health.cancelled()
    assert (health.inflight, health.load) == (0, 0.5)


def propensities(loads: list[float]) -> list[float]:
    """Each one's probability of being chosen, pair by pair."""
    expected = [Fraction(0)] * len(loads)
    if len(loads) == 1:
        expected[0] = Fraction(1)
    pairs = list(combinations(range(len(loads)), 2))
    for a, b in pairs:
        for i, other in ((a, b), (b, a)):
            share = Fraction(loads[i] < loads[other]) + Fraction(loads[i] == loads[other]) / 2
            expected[i] += share / len(pairs)
    assert sum(expected) == 1
    return [float(p) for p in expected]


@given(LOADS, st.integers(0, 2**32))
def test_the_choice_tells_its_own_exact_propensity(loads: list[float], seed: int) -> None:
    chosen, propensity = two_choices(loads, Random(seed))
    assert propensity == propensities(loads)[chosen] > 0


@pytest.mark.parametrize(
    "loads",
    [[1.0], [1.0, 2.0], [1.0, 1.0], [3.0, 1.0, 2.0], [1.0, 1.0, 5.0, 5.0, 2.0], [2.0] * 7, [0.0, 0.0, 0.0, 1.0]],
)
def test_the_propensity_is_the_frequency(loads: list[float]) -> None:
    random, draws = Random(5), 20_000
    counts = Counter(two_choices(loads, random)[0] for _ in range(draws))
    for i, p in enumerate(propensities(loads)):
        assert abs(counts[i] / draws - p) <= 4 * sqrt(p * (1 - p) / draws)


def test_the_lighter_one_is_chosen() -> None:
    clock = ManualClock()
    slow, fast = made(clock), made(clock)
    called(slow, True, 5.0)
    called(fast, True, 0.1)
    assert two_choices([slow.load, fast.load], Random(1)) == (1, 1.0)
    for _ in range(60):
        fast.begin()
    assert two_choices([slow.load, fast.load], Random(1)) == (0, 1.0)


def test_no_candidate_is_an_error() -> None:
    with pytest.raises(ValueError, match="no candidate"):
        two_choices([], Random(1))


def test_load_spreads_over_equal_models_and_leaves_a_slow_one() -> None:
    clock, random = ManualClock(), Random(2)
    models = {name: made(clock) for name in ("a", "b", "c")}
    served = {"a": 0.1, "b": 0.1, "c": 2.0}
    counts: Counter[str] = Counter()
    for _ in range(3_000):
        name = list(models)[two_choices([model.load for model in models.values()], random)[0]]
        called(models[name], True, served[name])
        counts[name] += 1
        clock.advance(0.01)
    assert counts["a"] + counts["b"] > 2_700
    assert counts["c"] > 0
    assert 0.5 < counts["a"] / counts["b"] < 2


def test_options_are_strict_and_described() -> None:
    assert [name for name, field in HealthOptions.model_fields.items() if not field.description] == []
    for wrong in ({"tau": 0}, {"success_weight": 0}, {"initial": 0}, {"nonsense": 1}):
        with pytest.raises(ValidationError):
            HealthOptions(**wrong)
