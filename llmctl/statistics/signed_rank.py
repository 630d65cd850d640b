"""How far paired differences lie from zero, whatever their distribution: Wilcoxon's signed ranks, inverted.

Sources: Wilcoxon, "Individual comparisons by ranking methods", 1945; Hodges and Lehmann, "Estimates of location based
on rank tests", 1963. The differences are assumed to be spread alike to both sides of their middle.
"""

import math

import numpy as np
from numpy.typing import ArrayLike

from llmctl.statistics.interval import NO_SPREAD
from llmctl.statistics.observations import Floats, level, vector
from llmctl.statistics.order import Shift
from llmctl.statistics.special import normal_cdf, normal_quantile


def wilcoxon(differences: ArrayLike) -> float:
    """The two-sided p of "as far below zero as above", by the normal approximation, corrected for ties and steps.

    (n,) differences; zeros are left out, as Wilcoxon did.
    """
    values = vector(differences, "differences", least=1)
    values = values[values != 0]
    n = len(values)
    if not n:
        return 1.0
    _, at, ties = np.unique(np.abs(values), return_inverse=True, return_counts=True)
    tied = ties.astype(np.float64)
    ranks = (np.cumsum(tied) - (tied - 1) / 2)[at]
    variance = n * (n + 1) * (2 * n + 1) / 24 - float((tied**3 - tied).sum()) / 48
    distance = abs(float(ranks[values > 0].sum()) - n * (n + 1) / 4)
    return min(1.0, 2 * normal_cdf(-max(0.0, distance - 0.5) / math.sqrt(variance)))


def paired_shift(a: ArrayLike, b: ArrayLike, confidence: float = 0.95) -> Shift:
    """The median of the Walsh averages of A - B, the means of any two differences, with its interval; (n,) of both.

    Takes O(n·log n) time for each limit and O(n) memory: the averages are counted, not made. Raises ValueError where
    the two are not as long.
    """
    left, right = vector(a, "a", least=1), vector(b, "b", least=1)
    if len(left) != len(right):
        raise ValueError(f"needs one value of each per unit: a has {len(left)}, b has {len(right)}")
    ordered = np.sort(left - right)
    n = len(ordered)
    averages = n * (n + 1) // 2
    spread = math.sqrt(n * (n + 1) * (2 * n + 1) / 24)
    rank = math.floor(averages / 2 - normal_quantile((1 + level(confidence)) / 2) * spread)
    middle = {(averages - 1) // 2, averages // 2}
    estimate = sum(_average(ordered, at) for at in middle) / len(middle)
    low, high, caution = -math.inf, math.inf, ""
    if rank < 1:
        caution = f"{n} pairs are too few for an interval at {confidence:.0%}"
    else:
        low, high = _average(ordered, rank - 1), _average(ordered, averages - rank)
        if low == high:
            low, high, caution = -math.inf, math.inf, NO_SPREAD
    return Shift(estimate, low, high, confidence, n, "Hodges-Lehmann of pairs", caution, wilcoxon(left - right))


def _average(ordered: Floats, rank: int) -> float:
    """The Walsh average at this rank, from 0, of all of them in order."""
    low, high = float(ordered[0]), float(ordered[-1])
    if _up_to(ordered, low) > rank:
        return low
    while True:
        middle = low + (high - low) / 2
        if not low < middle < high:
            return high
        if _up_to(ordered, middle) > rank:
            high = middle
        else:
            low = middle


def _up_to(ordered: Floats, value: float) -> int:
    """How many averages (x_i + x_j)/2 with i ≤ j are at most `value`."""
    both = int(np.searchsorted(ordered, 2 * value - ordered, "right").sum())
    single = int(np.searchsorted(ordered, value, "right"))
    return (both + single) // 2
