"""Against scipy to 1e-9, over parameters from small to large and both tails."""

import math

import numpy as np
import pytest
import scipy.special
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from llmctl.statistics import special

SHARES = st.floats(1e-8, 1 - 1e-8)
PARAMETERS = st.floats(-1, 5).map(lambda power: 10.0**power)


@given(SHARES, PARAMETERS, PARAMETERS)
@settings(max_examples=150, deadline=None)
def test_incomplete_beta_and_its_inverse(p: float, a: float, b: float) -> None:
    x = special.inverse_beta(p, a, b)
    assert x == pytest.approx(scipy.special.betaincinv(a, b, p), rel=1e-9, abs=1e-300)
    assert special.incomplete_beta(x, a, b) == pytest.approx(scipy.special.betainc(a, b, x), abs=1e-9)
    assert special.log_beta(a, b) == pytest.approx(scipy.special.betaln(a, b), rel=1e-9, abs=1e-9)


@given(SHARES, PARAMETERS)
@settings(max_examples=150, deadline=None)
def test_incomplete_gamma_and_its_inverse(p: float, a: float) -> None:
    x = special.inverse_gamma(p, a)
    assert x == pytest.approx(scipy.special.gammaincinv(a, p), rel=1e-9)
    assert special.incomplete_gamma(a, x) == pytest.approx(scipy.special.gammainc(a, x), abs=1e-9)
    assert special.incomplete_gamma_upper(a, x) == pytest.approx(scipy.special.gammaincc(a, x), abs=1e-9)


@given(SHARES, st.floats(0, 6).map(lambda power: 10.0**power))
@settings(max_examples=150, deadline=None)
def test_student_t(p: float, degrees: float) -> None:
    t = special.t_quantile(p, degrees)
    assert t == pytest.approx(scipy.stats.t.ppf(p, degrees), rel=1e-9, abs=1e-9)
    assert special.t_cdf(t, degrees) == pytest.approx(scipy.stats.t.cdf(t, degrees), abs=1e-9)


@pytest.mark.parametrize("degrees", [1, 2, 3, 7, 29, 30, 100, 9_999, 10**6])
@pytest.mark.parametrize("p", [1e-12, 0.0005, 0.025, 0.3, 0.5, 0.500001, 0.75, 0.975, 0.99999])
def test_t_quantiles_of_whole_degrees(p: float, degrees: int) -> None:
    assert special.t_quantile(p, degrees) == pytest.approx(scipy.stats.t.ppf(p, degrees), rel=1e-9, abs=1e-9)


@given(SHARES)
def test_the_normal_distribution(p: float) -> None:
    z = special.normal_quantile(p)
    assert z == pytest.approx(scipy.special.ndtri(p), abs=1e-9)
    assert special.normal_cdf(z) == pytest.approx(p, rel=1e-9)


@given(st.integers(1, 100_000), st.floats(0, 1), st.floats(0.001, 0.999))
@settings(max_examples=100, deadline=None)
def test_the_binomial_distribution(n: int, share: float, p: float) -> None:
    k = round(n * share)
    assert special.binomial_cdf(k, n, p) == pytest.approx(scipy.stats.binom.cdf(k, n, p), abs=1e-9)


@given(st.floats(0, 1000), st.integers(1, 200))
@settings(deadline=None)
def test_the_chi_square_distribution(x: float, degrees: int) -> None:
    assert special.chi_square_tail(x, degrees) == pytest.approx(scipy.stats.chi2.sf(x, degrees), abs=1e-9)


def test_log_gamma_of_many() -> None:
    x = np.array([[0.5, 1.0, 1.5], [10.0, 1e3, 1e6]])
    assert special.log_gamma(x) == pytest.approx(scipy.special.gammaln(x), rel=1e-12, abs=1e-12)


def test_the_edges() -> None:
    assert special.incomplete_beta(0.0, 2, 3) == 0
    assert special.incomplete_beta(1.0, 2, 3) == 1
    assert (special.inverse_beta(0.0, 2, 3), special.inverse_beta(1.0, 2, 3)) == (0, 1)
    assert (special.inverse_gamma(0.0, 2), special.inverse_gamma(1.0, 2)) == (0, math.inf)
    assert special.incomplete_gamma_upper(2, math.inf) == 0
    assert special.t_quantile(0.5, 3) == 0
    assert (special.t_quantile(0.0, 3), special.t_quantile(1.0, 3)) == (-math.inf, math.inf)
    assert (special.normal_quantile(0.0), special.normal_quantile(1.0)) == (-math.inf, math.inf)
    assert special.t_tail(math.inf, 3) == 0
    assert (special.binomial_cdf(-1, 5, 0.3), special.binomial_cdf(5, 5, 0.3)) == (0, 1)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: special.normal_quantile(1.5),
        lambda: special.incomplete_beta(-0.1, 1, 1),
        lambda: special.incomplete_beta(0.5, 0, 1),
        lambda: special.incomplete_gamma(-1.0, -2.0),
        lambda: special.t_quantile(0.9, 0),
        lambda: special.t_quantile(math.nan, 5),
    ],
)
def test_what_is_outside_is_refused(wrong) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match="need"):
        wrong()
