"""Against statsmodels to 1e-9, and how often the interval covers."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.proportion import proportion_confint

from llmctl.statistics.special import normal_quantile
from llmctl.statistics.wilson import Z95, limits


def test_the_constant_is_the_normal_quantile() -> None:
    assert normal_quantile(0.975) == pytest.approx(Z95, abs=1e-15)


@pytest.mark.parametrize("trials", [1, 2, 7, 40, 1_000, 100_000])
@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.9, 1.0])
def test_it_agrees_with_statsmodels(share: float, trials: int) -> None:
    hits = round(share * trials)
    assert limits(hits / trials, trials) == pytest.approx(proportion_confint(hits, trials, method="wilson"), abs=1e-9)


def test_by_hand_and_at_the_ends() -> None:
    low, high = limits(0.0, 10)
    assert low == 0.0
    assert high == pytest.approx(0.27753279)
    low, high = limits(1.0, 10)
    assert low == pytest.approx(0.72246721)
    assert high == 1.0


@given(st.floats(-1e-6, 1 + 1e-6), st.floats(0.1, 1e9))
def test_counts_that_are_not_whole(share: float, trials: float) -> None:
    low, high = limits(share, trials)
    assert 0 <= low <= min(max(share, 0), 1) <= high <= 1


@pytest.mark.parametrize("trials", [0, -1, float("nan")])
def test_without_trials_there_is_nothing_to_say(trials: float) -> None:
    with pytest.raises(ValueError, match="trial"):
        limits(0.5, trials)


@pytest.mark.parametrize("share", [0.05, 0.5, 0.9])
def test_it_covers_as_often_as_it_says(share: float) -> None:
    rng = random.Random(7)
    covered = 0
    for _ in range(2_000):
        low, high = limits(sum(rng.random() < share for _ in range(100)) / 100, 100)
        covered += low <= share <= high
    assert 0.92 <= covered / 2_000 <= 0.98
