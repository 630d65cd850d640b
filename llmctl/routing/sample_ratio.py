"""Whether arms hold as many subjects as their weights say: Pearson's chi-square test of the sample ratio.

An experiment whose ratio is off has lost or doubled subjects, and its outcomes mean nothing (Fabijan et al.,
"Diagnosing sample ratio mismatch in online controlled experiments", KDD 2019).
"""

from collections.abc import Sequence
from math import exp, inf, lgamma, log
from typing import NamedTuple

LEAST_EXPECTED = 5.0
"""Subjects expected in the smallest arm below which the test says nothing (Cochran, Biometrics 10(4), 1954)."""
MISMATCH = 0.001

_EPSILON = 1e-16
_TINY = 1e-300
_MOST_TERMS = 10_000


class Ratio(NamedTuple):
    """The test's outcome. `p` is None where there are too few subjects to say."""

    chi_square: float
    degrees: int
    p: float | None


def sample_ratio(counts: Sequence[int], weights: Sequence[float]) -> Ratio:
    """Observed `counts` against `weights`, which need not add up to one. Raises ValueError."""
    if len(counts) != len(weights) or len(counts) < 2:
        raise ValueError("needs two arms or more, with a count and a weight each")
    if min(counts) < 0 or not all(0 < weight < inf for weight in weights):
        raise ValueError("counts are no less than 0 and weights positive")
    total, whole = sum(counts), sum(weights)
    expected = [total * weight / whole for weight in weights]
    if not total:
        return Ratio(0.0, len(counts) - 1, None)
    statistic = sum((count - wanted) ** 2 / wanted for count, wanted in zip(counts, expected, strict=True))
    enough = min(expected) >= LEAST_EXPECTED
    return Ratio(statistic, len(counts) - 1, chi_square_tail(statistic, len(counts) - 1) if enough else None)


def chi_square_tail(statistic: float, degrees: int) -> float:
    """P(X >= statistic) of a chi-square distribution. Raises ValueError."""
    if degrees < 1 or not statistic >= 0:
        raise ValueError("needs a degree of freedom and a statistic of 0 or more")
    return upper_gamma(degrees / 2, statistic / 2)


def upper_gamma(a: float, x: float) -> float:
    """The regularised upper incomplete gamma function Q(a, x), a > 0, x >= 0.

    By its series where x < a + 1 (https://dlmf.nist.gov/8.11.E4), else by its continued fraction
    (https://dlmf.nist.gov/8.9.E2) with Lentz's method, as in Numerical Recipes, 3rd ed., §6.2.
    """
    if x == 0:
        return 1.0
    if x == inf:
        return 0.0
    scale = exp(a * log(x) - x - lgamma(a))
    return 1 - scale * _series(a, x) if x < a + 1 else scale * _fraction(a, x)


def _series(a: float, x: float) -> float:
    """The sum of x^n / (a (a+1) ... (a+n)) over n."""
    term = total = 1 / a
    for n in range(1, _MOST_TERMS):
        term *= x / (a + n)
        total += term
        if term < total * _EPSILON:
            break
    return total


def _fraction(a: float, x: float) -> float:
    """1/(x+1-a- 1(1-a)/(x+3-a- 2(2-a)/(x+5-a- ...))), evaluated forwards."""
    b = x + 1 - a
    c, d = 1 / _TINY, 1 / b
    value = d
    for n in range(1, _MOST_TERMS):
        numerator = n * (a - n)
        b += 2
        d = 1 / (_away_from_zero(numerator * d + b))
        c = _away_from_zero(b + numerator / c)
        value *= c * d
        if abs(c * d - 1) < 1e-15:
            break
    return value


def _away_from_zero(value: float) -> float:
    return value if abs(value) > _TINY else _TINY
