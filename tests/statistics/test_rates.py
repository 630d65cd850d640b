"""Against statsmodels and scipy to 1e-9; Tango's interval against its quartic and against a numeric likelihood."""

import math

import numpy as np
import pytest
import scipy.optimize
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.contingency_tables import mcnemar as their_mcnemar
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from llmctl.statistics.rates import mcnemar, newcombe, tango, tango_limits, tango_score, wilson

CONFIDENCES = st.sampled_from([0.8, 0.9, 0.95, 0.99])


@st.composite
def tables(draw: st.DrawFn) -> tuple[int, int, int]:
    items = draw(st.integers(1, 2000))
    only_a = draw(st.integers(0, items))
    return only_a, draw(st.integers(0, items - only_a)), items


@given(st.integers(1, 10_000), st.floats(0, 1), CONFIDENCES)
def test_wilson(trials: int, share: float, confidence: float) -> None:
    successes = round(trials * share)
    ours = wilson(successes, trials, confidence)
    theirs = proportion_confint(successes, trials, 1 - confidence, method="wilson")
    assert (ours.low, ours.high) == pytest.approx(theirs, abs=1e-9)
    assert 0 <= ours.low <= ours.estimate <= ours.high <= 1


@given(st.integers(1, 500), st.integers(1, 500), st.floats(0, 1), st.floats(0, 1))
@settings(deadline=None)
def test_newcombe(m: int, n: int, share_a: float, share_b: float) -> None:
    a, b = round(m * share_a), round(n * share_b)
    ours, swapped = newcombe(a, m, b, n), newcombe(b, n, a, m)
    theirs = confint_proportions_2indep(a, m, b, n, method="newcomb", compare="diff")
    assert (ours.low, ours.high) == pytest.approx(theirs, abs=1e-9)
    assert ours.low <= ours.estimate <= ours.high
    assert (swapped.low, swapped.high) == pytest.approx((-ours.high, -ours.low), abs=1e-12)


@given(st.integers(0, 3000), st.integers(0, 3000))
@settings(deadline=None)
def test_mcnemar(only_a: int, only_b: int) -> None:
    table = [[7, only_a], [only_b, 5]]
    assert mcnemar(only_a, only_b) == pytest.approx(their_mcnemar(table, exact=True).pvalue, abs=1e-9)
    assert mcnemar(only_a, only_b) == mcnemar(only_b, only_a)


def test_two_that_never_differ_have_no_p() -> None:
    assert mcnemar(0, 0) == 1.0


def quartic(only_a: int, only_b: int, items: int, confidence: float) -> list[float]:
    """The real roots of Yang, Sun and Hardin's quartic, 2013, by which the score is z or -z."""
    g = scipy.stats.norm.ppf((1 + confidence) / 2) ** 2
    b, c, n = float(only_a), float(only_b), float(items)
    d = b - c
    coefficients = [
        n**2 * (n / g + 1) ** 2,
        -n * d * (n / g + 1) * (4 * n / g + 1),
        2 * n * d**2 * (3 * n / g + 2) / g - n**2 * ((b + c) / g + 1),
        n * d * (2 * (b + c) / g + 1) - d**3 * (4 * n / g + 1) / g,
        d**2 * (d**2 / g - (b + c)) / g,
    ]
    return sorted(float(root.real) for root in np.roots(coefficients) if abs(root.imag) < 1e-7)


@pytest.mark.parametrize("table", [(150, 86, 1600), (12, 2, 54), (1, 0, 20), (30, 30, 200), (9, 1, 10), (5, 40, 100)])
def test_tango_against_its_quartic(table: tuple[int, int, int]) -> None:
    ours, roots = tango(*table), quartic(*table, 0.95)
    for limit in (ours.low, ours.high):
        assert min(abs(limit - root) for root in roots) < 1e-9


@given(tables(), CONFIDENCES)
@settings(deadline=None)
def test_tango_is_where_the_score_is_z(table: tuple[int, int, int], confidence: float) -> None:
    ours = tango(*table, confidence)
    z = scipy.stats.norm.ppf((1 + confidence) / 2)
    assert -1 <= ours.low <= ours.estimate <= ours.high <= 1
    if ours.high < 1:
        assert float(tango_score(*table, ours.high)) == pytest.approx(-z, abs=1e-6)
    if ours.low > -1:
        assert float(tango_score(*table, ours.low)) == pytest.approx(z, abs=1e-6)
    swapped = tango(table[1], table[0], table[2], confidence)
    assert (swapped.low, swapped.high) == pytest.approx((-ours.high, -ours.low), abs=1e-12)


@pytest.mark.parametrize(("table", "difference"), [((12, 3, 40), 0.05), ((12, 3, 40), 0.4), ((0, 4, 30), 0.1)])
def test_tangos_score_uses_the_likeliest_share(table: tuple[int, int, int], difference: float) -> None:
    b, c, n = table

    def against(q: float) -> float:
        shares = (q + difference, q, 1 - difference - 2 * q)
        return -sum(k * math.log(p) for k, p in zip((b, c, n - b - c), shares, strict=True) if k)

    room = (1e-12, (1 - difference) / 2 - 1e-12)
    q = scipy.optimize.minimize_scalar(against, bounds=room, method="bounded", options={"xatol": 1e-12}).x
    score = (b - c - n * difference) / np.sqrt(n * (2 * q + difference * (1 - difference)))
    assert float(tango_score(b, c, n, difference)) == pytest.approx(score, abs=1e-5)


@pytest.mark.parametrize("items", [1, 2, 50, 100_000])
def test_tango_at_its_corners(items: int) -> None:
    square = scipy.stats.norm.ppf(0.975) ** 2
    never = tango(0, 0, items)
    assert (never.low, never.high) == pytest.approx((-square / (items + square), square / (items + square)), abs=1e-12)
    always = tango(items, 0, items)
    assert (always.estimate, always.high) == (1, 1)
    assert always.low == pytest.approx((items - square) / (items + square), abs=1e-9)


def test_more_items_narrow_intervals() -> None:
    widths = [(one.high - one.low) for one in (tango(k, k, 10 * k) for k in (1, 5, 20, 100))]
    assert widths == sorted(widths, reverse=True)
    widths = [(one.high - one.low) for one in (wilson(k, 10 * k) for k in (1, 5, 20, 100))]
    assert widths == sorted(widths, reverse=True)


def test_many_tables_at_once_are_as_one_by_one() -> None:
    b, c = np.array([0, 3, 10]), np.array([0, 1, 40])
    low, high = tango_limits(b, c, 50)
    for at in range(3):
        one = tango(int(b[at]), int(c[at]), 50)
        assert (low[at], high[at]) == (one.low, one.high)


def test_counts_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match=r"got 0 of 0"):
        wilson(0, 0)
    with pytest.raises(ValueError, match=r"got 3 \+ 3 of 5"):
        tango(3, 3, 5)
    with pytest.raises(ValueError, match="only_a: needs a count"):
        mcnemar(-1, 2)


@pytest.mark.parametrize(
    ("only_a", "only_b", "items"), [(0.1, 0.07, 200), (0.2, 0.05, 500), (0.02, 0.02, 300), (0.15, 0.12, 1000)]
)
def test_coverage_of_paired_rates(only_a: float, only_b: float, items: int) -> None:
    random = np.random.default_rng(7)
    drawn = random.multinomial(items, [only_a, only_b, 1 - only_a - only_b], 20_000)
    tables, times = np.unique(drawn, axis=0, return_counts=True)
    low, high = tango_limits(tables[:, 0], tables[:, 1], items)
    covered = ((low <= only_a - only_b) & (only_a - only_b <= high)) @ times / times.sum()
    assert 0.94 <= covered <= 0.96


@pytest.mark.parametrize(("share", "trials"), [(0.3, 200), (0.5, 1000), (0.1, 400), (0.9, 500), (0.7, 300)])
def test_coverage_of_one_rate_over_all_that_can_happen(share: float, trials: int) -> None:
    intervals = [wilson(successes, trials) for successes in range(trials + 1)]
    chances = scipy.stats.binom.pmf(np.arange(trials + 1), trials, share)
    assert 0.94 <= sum(chances[[one.low <= share <= one.high for one in intervals]]) <= 0.96
