from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import gammaincc
from scipy.stats import chi2, chisquare

from llmctl.routing.sample_ratio import chi_square_tail, sample_ratio, upper_gamma


@pytest.mark.parametrize(
    ("statistic", "degrees", "p"),
    # NIST/SEMATECH e-Handbook, table 1.3.6.7.4: upper critical values
    [(3.841, 1, 0.05), (10.828, 1, 0.001), (5.991, 2, 0.05), (16.919, 9, 0.05), (124.342, 100, 0.05)],
)
def test_tabulated_values(statistic: float, degrees: int, p: float) -> None:
    assert chi_square_tail(statistic, degrees) == pytest.approx(p, rel=2e-3)


@given(st.integers(1, 200), st.floats(0, 500))
def test_the_tail_is_scipys(degrees: int, statistic: float) -> None:
    assert chi_square_tail(statistic, degrees) == pytest.approx(chi2.sf(statistic, degrees), rel=1e-9, abs=1e-12)


@given(st.floats(0.05, 300), st.floats(0, 600))
def test_the_gamma_function_is_scipys(a: float, x: float) -> None:
    assert upper_gamma(a, x) == pytest.approx(gammaincc(a, x), rel=1e-9, abs=1e-12)


def test_the_ends_of_the_tail() -> None:
    assert chi_square_tail(0, 3) == 1
    assert chi_square_tail(float("inf"), 3) == 0
    assert 0 <= chi_square_tail(5_000, 1) < 1e-300


@given(st.lists(st.tuples(st.integers(0, 10_000), st.floats(0.1, 10)), min_size=2, max_size=8))
def test_the_test_is_pearsons(arms: list[tuple[int, float]]) -> None:
    counts, weights = [count for count, _ in arms], [weight for _, weight in arms]
    found = sample_ratio(counts, weights)
    expected = [sum(counts) * weight / sum(weights) for weight in weights]
    if min(expected) < 5:
        assert found.p is None
        return
    statistic, p = chisquare(counts, expected)
    assert found.chi_square == pytest.approx(statistic, rel=1e-9, abs=1e-9)
    assert found.p == pytest.approx(p, rel=1e-9, abs=1e-12)


def test_it_warns_no_more_often_than_it_says() -> None:
    rng = Random(11)
    alarms = 0
    for _ in range(2_000):
        canary = sum(rng.random() < 0.1 for _ in range(300))
        p = sample_ratio([canary, 300 - canary], [1, 9]).p
        assert p is not None
        alarms += p < 0.05
    assert 0.03 < alarms / 2_000 < 0.07


@pytest.mark.parametrize(
    ("counts", "weights"),
    [([1], [1]), ([1, 2], [1]), ([1, 2], [1, 0]), ([1, 2], [1, float("nan")]), ([1, -1], [1, 1]), ([], [])],
)
def test_what_is_no_experiment_is_refused(counts: list[int], weights: list[float]) -> None:
    with pytest.raises(ValueError, match=r"arms|counts"):
        sample_ratio(counts, weights)


def test_no_subjects_say_nothing() -> None:
    assert sample_ratio([0, 0], [1, 1]) == (0, 1, None)


@pytest.mark.parametrize(("statistic", "degrees"), [(-1, 1), (float("nan"), 1), (1, 0)])
def test_what_is_no_statistic_is_refused(statistic: float, degrees: int) -> None:
    with pytest.raises(ValueError, match="degree of freedom"):
        chi_square_tail(statistic, degrees)
