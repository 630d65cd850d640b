from math import ceil
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from llmctl.gateway.hedge import REMEMBERED, HedgeOptions, HedgePolicy


def policy(**options: Any) -> HedgePolicy:
    return HedgePolicy(HedgeOptions(**options))


def test_a_fixed_delay_needs_no_samples() -> None:
    asked = policy(after=0.8)
    asked.observe("a", 5.0)
    assert asked.delay("a") == asked.delay("never seen") == 0.8


def test_without_enough_samples_nobody_knows() -> None:
    asked = policy(minimum_samples=3)
    for _ in range(2):
        asked.observe("a", 1.0)
        assert asked.delay("a") is None
    asked.observe("b", 1.0)
    asked.observe("a", 1.0)
    assert (asked.delay("a"), asked.delay("b")) == (1.0, None)


@given(
    st.lists(st.sampled_from([0.0, 0.5, 0.5, 2.0]) | st.floats(0, 1e6), min_size=1, max_size=700),
    st.floats(0.01, 0.99),
)
def test_the_delay_is_the_quantile_of_the_last_256(times: list[float], quantile: float) -> None:
    asked = policy(quantile=quantile, minimum_samples=1, minimum_delay=0)
    for seconds in times:
        asked.observe("a", seconds)
    ranked = sorted(times[-REMEMBERED:])
    delay = asked.delay("a")
    assert delay == ranked[ceil(quantile * len(ranked)) - 1]
    assert sum(seconds <= delay for seconds in ranked) >= quantile * len(ranked)
    assert sum(seconds < delay for seconds in ranked) < quantile * len(ranked)


def test_a_model_that_has_become_slow_is_known_to_be() -> None:
    asked = policy()
    for _ in range(1_000):
        asked.observe("a", 0.3)
    assert asked.delay("a") == 0.3
    for _ in range(REMEMBERED // 10):
        asked.observe("a", 9.0)
    assert asked.delay("a") == 9.0


def test_never_at_once() -> None:
    asked = policy(minimum_samples=1)
    asked.observe("a", 0.0)
    assert asked.delay("a") == 0.05


@pytest.mark.parametrize("seconds", [float("nan"), float("inf"), -0.1])
def test_what_is_no_time_is_not_counted(seconds: float) -> None:
    asked = policy(minimum_samples=1)
    asked.observe("a", seconds)
    assert asked.delay("a") is None


@given(
    share=st.sampled_from([0.0, 0.05, 0.1, 1 / 3, 1.0]),
    burst=st.sampled_from([1.0, 3.0, 10.0]),
    steps=st.lists(st.tuples(st.booleans(), st.integers(1, 60)), max_size=40),
)
def test_no_interleaving_gets_past_the_budget(share: float, burst: float, steps: list[tuple[bool, int]]) -> None:
    asked = policy(after=1, share=share, burst=burst)
    requests = hedges = 0
    lowest = 0.0  # of hedges less their share, up to now
    for asking, times in steps:
        for _ in range(times):
            if asking:
                asked.delay("a")
                requests += 1
            else:
                hedges += asked.spend()
            assert hedges <= share * requests + 1e-6
            lowest = min(lowest, hedges - share * requests)
            assert hedges - share * requests - lowest <= burst + 1e-6


def test_the_whole_share_can_be_had() -> None:
    asked = policy(after=1, share=0.05)
    hedges = 0
    for _ in range(10_000):
        asked.delay("a")
        hedges += asked.spend()
    assert hedges == 500


def test_hedging_at_the_95th_percentile_stays_within_its_budget_by_itself() -> None:
    asked, random = policy(quantile=0.95, minimum_delay=0), Random(4)
    late = refused = 0
    for _ in range(20_000):
        seconds = random.expovariate(2.0)
        delay = asked.delay("a")
        if delay is not None and seconds > delay:
            late += 1
            refused += not asked.spend()
        asked.observe("a", seconds)
    assert 800 < late < 1_200
    assert refused < 0.25 * late


def test_options_are_strict_and_described() -> None:
    assert [name for name, field in HedgeOptions.model_fields.items() if not field.description] == []
    for wrong in ({"quantile": 1}, {"after": 0}, {"share": 1.1}, {"minimum_samples": 257}, {"nonsense": 1}):
        with pytest.raises(ValidationError):
            HedgeOptions(**wrong)
