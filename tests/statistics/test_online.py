"""Against scipy and statsmodels to 1e-9, and coverage by simulation."""

import numpy as np
import pytest
import scipy.stats
import statsmodels.api
from hypothesis import given, settings
from hypothesis import strategies as st

from llmctl.statistics.online import cuped, difference, ratio, ratio_difference, sample_ratio


@given(st.lists(st.integers(0, 10_000), min_size=2, max_size=5).filter(sum), st.integers(1, 9))
@settings(deadline=None)
def test_sample_ratio(counts: list[int], weight: int) -> None:
    arms = [f"arm {at}" for at in range(len(counts))]
    weights = [float(weight), *[1.0] * (len(counts) - 1)]
    ours = sample_ratio(dict(zip(arms, counts, strict=True)), dict(zip(arms, weights, strict=True)))
    expected = np.array(weights) * sum(counts) / sum(weights)
    assert ours.p == pytest.approx(scipy.stats.chisquare(counts, expected).pvalue, abs=1e-9)


def test_a_broken_split_blocks() -> None:
    broken, fine = (
        sample_ratio({"a": 5000, "b": 5400}, {"a": 1, "b": 1}),
        sample_ratio({"a": 9, "b": 1}, {"a": 9, "b": 1}),
    )
    assert broken.blocks
    assert "a 5,000 of 5,200.0" in broken.words
    assert not fine.blocks
    assert "as asked for" in fine.words
    with pytest.raises(ValueError, match="two arms or more"):
        sample_ratio({"a": 5}, {"a": 1})
    with pytest.raises(ValueError, match="no subject was assigned"):
        sample_ratio({"a": 0, "b": 0}, {"a": 1, "b": 1})
    with pytest.raises(ValueError, match="subjects of a: needs a count"):
        sample_ratio({"a": -1, "b": 1}, {"a": 1, "b": 1})


def test_the_difference_is_welchs() -> None:
    random = np.random.default_rng(0)
    a, b = random.normal(1, 2, 40), random.normal(0, 1, 70)
    interval = scipy.stats.ttest_ind(a, b, equal_var=False).confidence_interval(0.95)
    ours = difference(a, b)
    assert (ours.low, ours.high) == pytest.approx((interval.low, interval.high), abs=1e-9)
    assert "no value differs" in difference([1, 1], [0, 0]).caution
    assert not np.isfinite(difference([1, 1], [0, 0]).high)


def test_cuped_is_the_regression_on_arm_and_before() -> None:
    """The same theta and estimate as least squares with a constant per arm; a narrower interval than without."""
    random = np.random.default_rng(1)
    x = random.normal(5, 1, 3000)
    y = 2 * x + random.normal(0, 0.5, 3000)
    y[:1500] += 0.1
    ours = cuped(y[:1500], x[:1500], y[1500:], x[1500:])
    arm = np.arange(3000) < 1500
    fit = statsmodels.api.OLS(y, np.column_stack([np.ones(3000), arm, x])).fit()
    assert ours.estimate == pytest.approx(float(fit.params[1]), abs=1e-9)
    assert ours.method == f"CUPED, θ = {fit.params[2]:.4g}"
    assert (ours.high - ours.low) / 2 == pytest.approx(1.96 * float(fit.bse[1]), rel=0.01)
    plain = difference(y[:1500], y[1500:])
    assert ours.high - ours.low < 0.3 * (plain.high - plain.low)
    swapped = cuped(y[1500:], x[1500:], y[:1500], x[:1500])
    assert (swapped.low, swapped.high) == pytest.approx((-ours.high, -ours.low), abs=1e-12)


def test_cuped_with_nothing_known_before_is_welchs() -> None:
    a, b = [1.0, 2.0, 4.0], [0.0, 1.0, 1.5]
    ours, plain = cuped(a, [1.0] * 3, b, [1.0] * 3), difference(a, b)
    assert (ours.estimate, ours.low, ours.high) == (plain.estimate, plain.low, plain.high)
    with pytest.raises(ValueError, match="before_a has 2"):
        cuped(a, [1.0, 1.0], b, [1.0] * 3)


def subjects(random: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    requests = random.poisson(4, n) + 1.0
    return requests * random.gamma(2, 0.5, n), requests


def test_a_ratio_is_the_linearised_mean() -> None:
    above, below = subjects(np.random.default_rng(2), 300)
    ours = ratio(above, below)
    r = above.sum() / below.sum()
    x, y = below.mean(), above.mean()
    table = np.cov(above, below)
    variance = (table[0, 0] / x**2 - 2 * y / x**3 * table[0, 1] + y**2 / x**4 * table[1, 1]) / 300
    half = scipy.stats.t.ppf(0.975, 299) * np.sqrt(variance)
    assert (ours.low, ours.estimate, ours.high) == pytest.approx((r - half, r, r + half), abs=1e-9)
    assert "no spread" in ratio([0.1, 0.3, 0.7], [1.0, 3.0, 7.0]).caution
    with pytest.raises(ValueError, match="sum to 0"):
        ratio([1.0, 2.0], [0.0, 0.0])


def test_coverage() -> None:
    random = np.random.default_rng(3)
    singles = both = adjusted = 0
    for _ in range(2000):
        a, b = subjects(random, 400), subjects(random, 400)
        one, two = ratio(*a), ratio_difference(*a, *b)
        singles += one.low <= 1 <= one.high
        both += two.low <= 0 <= two.high
        x = random.exponential(size=(2, 200))
        y = x + random.normal(size=(2, 200))
        three = cuped(y[0], x[0], y[1], x[1])
        adjusted += three.low <= 0 <= three.high
    assert 0.94 <= both / 2000 <= 0.96
    assert 0.94 <= adjusted / 2000 <= 0.96
    assert 0.94 <= singles / 2000 <= 0.96
