"""Against scipy to 1e-9, against all differences made one by one, and coverage by simulation."""

import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from llmctl.statistics.order import (
    hodges_lehmann,
    least_observations,
    mann_whitney,
    quantile_bound,
    quantile_interval,
)

SAMPLE = st.lists(st.integers(-40, 40).map(lambda value: value / 8), min_size=1, max_size=40)


def test_a_p95_upper_limit_needs_59_values() -> None:
    assert least_observations(0.95) == 59
    assert least_observations(0.5, 0.5) == 1
    short, enough = quantile_bound(range(58), 0.95), quantile_bound(range(59), 0.95)
    assert short.high == math.inf
    assert "59 would do" in short.caution
    assert (enough.high, enough.caution) == (58, "")


@given(st.integers(1, 400), st.sampled_from([0.05, 0.5, 0.9, 0.95, 0.99]), st.sampled_from([0.9, 0.95, 0.99]))
@settings(deadline=None)
def test_limits_are_where_the_binomial_puts_them(n: int, quantile: float, confidence: float) -> None:
    ours = quantile_interval(np.arange(1, n + 1), quantile, confidence)
    below, tail = scipy.stats.binom(n, quantile), (1 - confidence) / 2
    ranks = [k for k in range(1, n + 1) if below.cdf(k - 1) <= tail + 1e-12]
    assert ours.low == (max(ranks) if ranks else -math.inf)
    ranks = [k for k in range(1, n + 1) if below.sf(k - 1) <= tail + 1e-12]
    assert ours.high == (min(ranks) if ranks else math.inf)
    assert ours.low <= ours.estimate <= ours.high
    assert bool(ours.caution) == (math.isinf(ours.low) or math.isinf(ours.high))


def test_a_caution_names_enough_values() -> None:
    words = quantile_interval(range(10), 0.95).caution
    enough = int(words.split(": ")[1].split()[0])
    assert not quantile_interval(range(enough), 0.95).caution
    assert quantile_interval(range(enough - 1), 0.95).caution


@given(SAMPLE, SAMPLE)
@settings(deadline=None)
def test_mann_whitney(a: list[float], b: list[float]) -> None:
    ours = mann_whitney(a, b)
    if len({*a, *b}) == 1:
        assert ours == 1
    else:
        assert ours == pytest.approx(scipy.stats.mannwhitneyu(a, b, method="asymptotic").pvalue, abs=1e-9)


@given(SAMPLE, SAMPLE, st.sampled_from([0.9, 0.98]))
@settings(deadline=None)
def test_the_shift_is_among_all_differences(a: list[float], b: list[float], confidence: float) -> None:
    ours, swapped = hodges_lehmann(a, b, confidence), hodges_lehmann(b, a, confidence)
    differences = np.sort(np.subtract.outer(a, b).ravel())
    assert ours.estimate == pytest.approx(np.median(differences), abs=1e-12)
    assert ours.low <= ours.estimate <= ours.high
    assert (swapped.estimate, swapped.low, swapped.high) == (-ours.estimate, -ours.high, -ours.low)
    if math.isfinite(ours.low):
        at = np.searchsorted(differences, [ours.low, ours.high])
        assert differences[at].tolist() == [ours.low, ours.high]
        above = int((differences < ours.low).sum()), int((differences > ours.high).sum())
        assert max(above) < len(differences) / 2


def test_the_interval_inverts_the_test() -> None:
    random = np.random.default_rng(2)
    a, b = random.normal(1, 1, 60), random.normal(0, 1, 50)
    ours = hodges_lehmann(a, b, 0.95)
    for limit, inward in ((ours.low, 1), (ours.high, -1)):
        assert mann_whitney(a - limit - inward * 0.02, b) > 0.05
        assert mann_whitney(a - limit + inward * 0.02, b) < 0.05


def test_differences_are_found_to_the_last_digit() -> None:
    random = np.random.default_rng(4)
    a, b = random.lognormal(size=81), random.lognormal(size=64)
    differences = np.sort(np.subtract.outer(a, b).ravel())
    ours = hodges_lehmann(a, b)
    assert ours.estimate == (differences[81 * 32 - 1] + differences[81 * 32]) / 2
    assert ours.low in differences
    assert ours.high in differences


def test_a_hundred_thousand_are_not_too_many() -> None:
    random = np.random.default_rng(5)
    ours = hodges_lehmann(random.lognormal(size=100_000) + 0.1, random.lognormal(size=100_000))
    assert ours.low < 0.1 < ours.high
    assert ours.high - ours.low < 0.03


def test_too_few_have_no_interval() -> None:
    ours = hodges_lehmann([1.0, 2.0], [0.0])
    assert (ours.estimate, ours.low, ours.high) == (1.5, -math.inf, math.inf)
    assert "too few" in ours.caution
    with pytest.raises(ValueError, match="quantile: needs a share"):
        quantile_interval([1.0], 95)


def test_coverage() -> None:
    random = np.random.default_rng(6)
    shifts = medians = bounds = 0
    for _ in range(1000):
        a, b = random.exponential(size=60) + 0.3, random.exponential(size=60)
        ours = hodges_lehmann(a, b)
        shifts += ours.low <= 0.3 <= ours.high
    for _ in range(2000):
        values = random.exponential(size=400)
        median = quantile_interval(values, 0.5)
        medians += median.low <= math.log(2) <= median.high
        bounds += math.log(20) <= quantile_bound(values, 0.95).high
    assert 0.97 <= shifts / 1000 <= 0.99
    assert 0.94 <= medians / 2000 <= 0.97  # order statistics come in steps: never below, a little above
    assert 0.94 <= bounds / 2000 <= 0.975
