"""What order says: quantiles with intervals that assume no distribution, and how far one sample lies above another.

Sources: binomial order statistics (David and Nagaraja, "Order statistics", 7.1); Mann and Whitney, 1947; Hodges and
Lehmann, 1963, whose interval is the inversion of the former's test.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from llmctl.statistics.interval import Interval
from llmctl.statistics.observations import Floats, level, vector
from llmctl.statistics.special import binomial_cdf, normal_cdf, normal_quantile

_ROUNDING = 1e-13  # of probabilities, so that a limit which is met exactly is met


@dataclass(frozen=True, slots=True)
class Shift(Interval):
    """How far A lies above B: the median of all differences; `n` counts both samples, `p` is two-sided."""

    p: float = math.nan


def quantile_interval(values: ArrayLike, quantile: float, confidence: float = 0.95) -> Interval:
    """A quantile with its limits on both sides, each missing with at most half of what may be missed.

    (n,) values. A limit that so few values cannot give is infinite, and the caution says how many would do.
    """
    ordered, n = _ordered(values, quantile)
    tail = (1 - level(confidence)) / 2
    low, high = _rank(n, quantile, tail, above=True) - 1, _rank(n, quantile, 1 - tail)
    limits = (float(ordered[low - 1]) if low else -math.inf, float(ordered[high - 1]) if high <= n else math.inf)
    caution = ""
    if not low or high > n:
        enough = max(least_observations(quantile, 1 - tail), least_observations(1 - quantile, 1 - tail))
        caution = f"{n} values are too few for both limits: {enough} would do"
    estimate = float(np.quantile(ordered, quantile, method="inverted_cdf"))
    return Interval(estimate, *limits, confidence, n, f"p{100 * quantile:g} by order statistics", caution)


def quantile_bound(values: ArrayLike, quantile: float, confidence: float = 0.95) -> Interval:
    """A quantile with its upper limit alone: a p95 needs 59 values for one at 95%, else it is infinite."""
    ordered, n = _ordered(values, quantile)
    rank = _rank(n, quantile, level(confidence))
    caution = ""
    if rank > n:
        caution = f"{n} values are too few for an upper limit: {least_observations(quantile, confidence)} would do"
    estimate = float(np.quantile(ordered, quantile, method="inverted_cdf"))
    high = float(ordered[rank - 1]) if rank <= n else math.inf
    method = f"p{100 * quantile:g} upper limit by order statistics"
    return Interval(estimate, -math.inf, high, confidence, n, method, caution)


def least_observations(quantile: float, confidence: float = 0.95) -> int:
    """How many values an upper limit of a quantile needs: the least n with quantile^n ≤ 1 - confidence."""
    return math.ceil(math.log1p(-level(confidence)) / math.log(quantile) - 1e-12)


def mann_whitney(a: ArrayLike, b: ArrayLike) -> float:
    """The two-sided p of "neither lies above the other", by the normal approximation, corrected for ties and steps."""
    left, right = vector(a, "a", least=1), vector(b, "b", least=1)
    m, n = len(left), len(right)
    deviation = _deviation(left, right)
    if not deviation:
        return 1.0
    ordered = np.sort(right)
    below = np.searchsorted(ordered, left, "left").sum() + np.searchsorted(ordered, left, "right").sum()
    distance = abs(float(below) / 2 - m * n / 2)
    return min(1.0, 2 * normal_cdf(-max(0.0, distance - 0.5) / deviation))


def hodges_lehmann(a: ArrayLike, b: ArrayLike, confidence: float = 0.98) -> Shift:
    """The median of all differences A - B with its interval; (m,) and (n,) values of independent samples.

    Takes O((m + n)·log(m + n)) time for each of its limits and O(m + n) memory: the differences are counted, not made.
    """
    left, right = np.sort(vector(a, "a", least=1)), np.sort(vector(b, "b", least=1))
    pairs = len(left) * len(right)
    spread = _deviation(left, right) or math.sqrt(pairs * (len(left) + len(right) + 1) / 12)
    rank = math.floor(pairs / 2 - normal_quantile((1 + level(confidence)) / 2) * spread)
    middle = {(pairs - 1) // 2, pairs // 2}
    estimate = sum(_difference(left, right, at) for at in middle) / len(middle)
    low, high, caution = -math.inf, math.inf, ""
    if rank < 1:
        caution = f"{len(left)} and {len(right)} values are too few for an interval at {confidence:.0%}"
    else:
        low, high = _difference(left, right, rank - 1), _difference(left, right, pairs - rank)
    p = mann_whitney(left, right)
    return Shift(estimate, low, high, confidence, len(left) + len(right), "Hodges-Lehmann", caution, p)


def _ordered(values: ArrayLike, quantile: float) -> tuple[Floats, int]:
    if not 0 < quantile < 1:
        raise ValueError(f"quantile: needs a share between 0 and 1, such as 0.95; got {quantile}")
    ordered = np.sort(vector(values, "values", least=1))
    return ordered, len(ordered)


def _rank(n: int, quantile: float, share: float, *, above: bool = False) -> int:
    """The least k at which fewer than k of n values are below the quantile so often, or more often if `above`."""
    low, high = 0, n + 1
    while high - low > 1:
        middle = (low + high) // 2
        probability = binomial_cdf(middle - 1, n, quantile)
        if probability > share + _ROUNDING if above else probability >= share - _ROUNDING:
            high = middle
        else:
            low = middle
    return high


def _deviation(a: Floats, b: Floats) -> float:
    """The standard deviation of Mann and Whitney's U where both are alike, with ties."""
    m, n = len(a), len(b)
    _, ties = np.unique(np.concatenate([a, b]), return_counts=True)
    tied = ties.astype(np.float64)
    total = m + n
    shrink = float((tied**3 - tied).sum()) / (total * (total - 1))
    return math.sqrt(max(0.0, m * n / 12 * (total + 1 - shrink)))


def _difference(a: Floats, b: Floats, rank: int) -> float:
    """The difference a - b at this rank, from 0, of all of them in order; both are sorted."""
    low, high = float(a[0] - b[-1]), float(a[-1] - b[0])
    while True:
        middle = low + (high - low) / 2
        if not low < middle < high:
            break
        if _up_to(a, b, middle) > rank:
            high = middle
        else:
            low = middle
    value = low if _up_to(a, b, low) > rank else high
    at = np.clip(np.searchsorted(b, a - value), 0, len(b) - 1)
    near = np.concatenate([a - b[at], a - b[np.maximum(at - 1, 0)], a - b[np.minimum(at + 1, len(b) - 1)]])
    return float(near[np.argmin(np.abs(near - value))])


def _up_to(a: Floats, b: Floats, value: float) -> int:
    """How many differences are at most `value`."""
    return int(len(a) * len(b) - np.searchsorted(b, a - value, "left").sum())
