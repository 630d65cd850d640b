"""The functions that distributions are made of: normal, Student's t, chi-square, binomial.

Prefactors are by Loader's saddle point expansion ("Fast and accurate computation of binomial probabilities", 2000),
which loses no digits for large parameters; incomplete beta and gamma by continued fraction and series (DLMF 8.9, 8.17);
their inverses by Newton's steps within a bracket, on the logit or logarithm, where both tails have all their digits.
"""

import math
from collections.abc import Callable
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike

from llmctl.statistics.observations import Floats

_TINY = 1e-300
_EPSILON = 1e-16
_STEPS = 100_000
_NORMAL = NormalDist()


def normal_cdf(x: float) -> float:
    """The share of the standard normal distribution below `x`."""
    return 0.5 * math.erfc(-x / math.sqrt(2))


def normal_quantile(p: float) -> float:
    """The inverse of `normal_cdf`; infinite at 0 and 1."""
    _share(p)
    if p in (0.0, 1.0):
        return math.inf if p else -math.inf
    return _NORMAL.inv_cdf(p)


def log_gamma(x: ArrayLike) -> Floats:
    """Logarithm of the gamma function of each element, all above zero."""
    values = np.asarray(x, dtype=np.float64)
    return np.asarray(np.frompyfunc(math.lgamma, 1, 1)(values), dtype=np.float64)


def log_beta(a: float, b: float) -> float:
    """Logarithm of the beta function."""
    return math.log((a + b) / (a * b)) - _log_binomial(a, b, a / (a + b), b / (a + b), deviant=False)


def incomplete_beta(x: float, a: float, b: float) -> float:
    """The regularised incomplete beta function: the share of Beta(a, b) below `x`."""
    _share(x)
    return _beta(x, 1.0 - x, a, b)


def inverse_beta(p: float, a: float, b: float) -> float:
    """The `x` below which a share `p` of Beta(a, b) is."""
    _share(p)
    if p in (0.0, 1.0):
        return p
    return _logistic(_beta_logit(p, a, b))


def incomplete_gamma(a: float, x: float) -> float:
    """The regularised lower incomplete gamma function: the share of Gamma(a) below `x`."""
    return 1.0 - _gamma_upper(a, x) if x > a + 1 else _gamma_lower(a, x)


def incomplete_gamma_upper(a: float, x: float) -> float:
    """One less `incomplete_gamma`, with all digits where it is small."""
    return _gamma_upper(a, x) if x > a + 1 else 1.0 - _gamma_lower(a, x)


def inverse_gamma(p: float, a: float) -> float:
    """The `x` below which a share `p` of Gamma(a) is."""
    _share(p)
    if p in (0.0, 1.0):
        return math.inf if p else 0.0
    upper = p > 0.5
    shares = incomplete_gamma_upper if upper else incomplete_gamma
    target = 1.0 - p if upper else p

    def error(u: float) -> tuple[float, float]:
        value = shares(a, math.exp(u)) - target
        slope = _gamma_front(a, math.exp(u))
        return (-value if upper else value), slope

    return math.exp(_root(error, -745.0, 700.0, math.log(a)))


def t_cdf(t: float, degrees: float) -> float:
    """The share of Student's t distribution below `t`."""
    tail = t_tail(abs(t), degrees)
    return 1.0 - tail if t > 0 else tail


def t_tail(t: float, degrees: float) -> float:
    """The share of Student's t distribution above `t`, which is not negative."""
    square = t * t
    if math.isinf(square):
        return 0.0
    whole = degrees + square
    return 0.5 * _beta(degrees / whole, square / whole, degrees / 2, 0.5)


def t_quantile(p: float, degrees: float) -> float:
    """The inverse of `t_cdf`, by the inverse of the incomplete beta function."""
    _share(p)
    if degrees <= 0:
        raise ValueError(f"degrees: needs more than 0 degrees of freedom, got {degrees}; collect more units")
    if p == 0.5:
        return 0.0
    if p in (0.0, 1.0):
        return math.inf if p else -math.inf
    tail = min(p, 1.0 - p)
    if tail < 0.25:
        t = math.sqrt(degrees) * math.exp(-_beta_logit(2 * tail, degrees / 2, 0.5) / 2)
    else:
        t = math.sqrt(degrees) * math.exp(_beta_logit(2 * abs(p - 0.5), 0.5, degrees / 2) / 2)
    return t if p > 0.5 else -t


def chi_square_tail(x: float, degrees: float) -> float:
    """The share of the chi-square distribution above `x`."""
    return incomplete_gamma_upper(degrees / 2, x / 2)


def binomial_cdf(k: int, n: int, p: float) -> float:
    """The probability of at most `k` successes in `n` trials."""
    if k < 0:
        return 0.0
    if k >= n:
        return 1.0
    return _beta(1.0 - p, p, n - k, k + 1)


def _share(p: float) -> None:
    if not 0 <= p <= 1:
        raise ValueError(f"needs a share between 0 and 1, got {p}")


def _logistic(u: float) -> float:
    return 1.0 / (1.0 + math.exp(-u)) if u > 0 else math.exp(u) / (1.0 + math.exp(u))


def _stirling(x: float) -> float:
    """log Γ(x+1) less Stirling's formula."""
    if x < 16:
        return math.lgamma(x + 1) - (x + 0.5) * math.log(x) + x - 0.5 * math.log(2 * math.pi)
    square = x * x
    return (1 / 12 - (1 / 360 - (1 / 1260 - (1 / 1680 - 1 / 1188 / square) / square) / square) / square) / x


def _deviance(x: float, mean: float) -> float:
    """x·log(x/mean) + mean - x, without cancellation where both are near."""
    if abs(x - mean) >= 0.1 * (x + mean):
        return x * math.log(x / mean) + mean - x if mean > 0 else math.inf
    v = (x - mean) / (x + mean)
    total, term, k = (x - mean) * v, 2 * x * v, 1
    while True:
        term *= v * v
        new = total + term / (2 * k + 1)
        if new == total:
            return total
        total, k = new, k + 1


def _log_binomial(a: float, b: float, x: float, y: float, *, deviant: bool = True) -> float:
    """Logarithm of Γ(a+b+1)/(Γ(a+1)Γ(b+1))·x^a·y^b where x + y = 1; at the mode, without the deviance, is its peak."""
    n = a + b
    value = _stirling(n) - _stirling(a) - _stirling(b) + 0.5 * math.log(n / a / b / (2 * math.pi))
    if deviant:
        return value - _deviance(a, n * x) - _deviance(b, n * y)
    return value - a * math.log(x) - b * math.log(y)


def _beta_front(x: float, y: float, a: float, b: float) -> float:
    """x^a·y^b/B(a, b)."""
    if x <= 0 or y <= 0:
        return 0.0
    return a * b / (a + b) * math.exp(_log_binomial(a, b, x, y))


def _beta(x: float, y: float, a: float, b: float) -> float:
    """The share below x, whose complement y is given with its own digits."""
    if not (a > 0 and b > 0):
        raise ValueError(f"the beta function needs parameters above 0, got {a} and {b}")
    if x <= 0 or y <= 0:
        return 0.0 if x <= 0 else 1.0
    front = _beta_front(x, y, a, b)
    if x * (a + b + 2) < a + 1:
        return front * _beta_fraction(x, a, b) / a
    return 1.0 - front * _beta_fraction(y, b, a) / b


def _beta_fraction(x: float, a: float, b: float) -> float:
    """The continued fraction of DLMF 8.17.22, by Lentz's method."""
    c, d = 1.0, 1.0 / _away(1.0 - (a + b) * x / (a + 1))
    value = d
    for m in range(1, _STEPS):
        for step in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1.0 / _away(1.0 + step * d)
            c = _away(1.0 + step / c)
            value *= c * d
        if abs(c * d - 1.0) < 3 * _EPSILON:
            return value
    raise ArithmeticError(f"the incomplete beta function of {x}, {a}, {b} did not converge")


def _away(value: float) -> float:
    return value if abs(value) > _TINY else _TINY


def _beta_logit(p: float, a: float, b: float) -> float:
    """The logit of the inverse of the incomplete beta function."""

    def error(u: float) -> tuple[float, float]:
        x, y = _logistic(u), _logistic(-u)
        return _beta(x, y, a, b) - p, _beta_front(x, y, a, b)

    return _root(error, -745.0, 745.0, math.log(a / b))


def _gamma_front(a: float, x: float) -> float:
    """x^a·e^-x/Γ(a)."""
    if x <= 0:
        return 0.0
    return a * math.exp(-_stirling(a) - _deviance(a, x)) / math.sqrt(2 * math.pi * a)


def _gamma_lower(a: float, x: float) -> float:
    """By the series of DLMF 8.7.1, for x up to a + 1."""
    if a <= 0 or x < 0:
        raise ValueError(f"the gamma function needs a parameter above 0 and no negative x, got {a} and {x}")
    term = total = 1.0 / a
    for k in range(1, _STEPS):
        term *= x / (a + k)
        total += term
        if term < total * _EPSILON:
            return _gamma_front(a, x) * total
    raise ArithmeticError(f"the incomplete gamma function of {a}, {x} did not converge")


def _gamma_upper(a: float, x: float) -> float:
    """By the continued fraction of DLMF 8.9.2, for x above a + 1."""
    if math.isinf(x):
        return 0.0
    b = x + 1 - a
    c, d = 1 / _TINY, 1 / b
    value = d
    for k in range(1, _STEPS):
        step = -k * (k - a)
        b += 2
        d = 1 / _away(step * d + b)
        c = _away(b + step / c)
        value *= c * d
        if abs(c * d - 1) < 3 * _EPSILON:
            return _gamma_front(a, x) * value
    raise ArithmeticError(f"the incomplete gamma function of {a}, {x} did not converge")


def _root(error: Callable[[float], tuple[float, float]], low: float, high: float, start: float) -> float:
    """Where a rising error is zero: Newton's steps, or halves where a step would leave the bracket."""
    u = start
    for _ in range(400):
        value, slope = error(u)
        if value == 0:
            return u
        low, high = (u, high) if value < 0 else (low, u)
        new = u - value / slope if slope > 1e-290 else math.nan
        if not low < new < high:
            new = (low + high) / 2
        if abs(new - u) <= 4e-16 * max(1.0, abs(u)):
            return new
        u = new
    return u
