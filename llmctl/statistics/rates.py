"""Rates and their differences: one share, two independent ones, and two of the same items.

Sources: Wilson, 1927; Newcombe, 1998 (method 10), for independent samples; McNemar's test by the exact binomial; Tango,
"Equivalence test and confidence interval for the difference in proportions for the paired-sample design", 1998.
"""

import math

import numpy as np
from numpy.typing import ArrayLike

from llmctl.statistics.interval import Interval
from llmctl.statistics.observations import Floats, counts, level
from llmctl.statistics.special import binomial_cdf, normal_quantile
from llmctl.statistics.wilson import limits

_HALVINGS = 62  # of an interval of length 1: to the last digit of a double


def wilson(successes: int, trials: int, confidence: float = 0.95) -> Interval:
    """One rate, by Wilson's score interval. Raises ValueError without trials."""
    counts(successes=successes, trials=trials)
    if trials < 1 or successes > trials:
        raise ValueError(f"needs a trial at least, and no more successes than trials; got {successes} of {trials}")
    share = successes / trials
    low, high = limits(share, trials, _z(confidence))
    return Interval(share, low, high, confidence, trials, "Wilson")


def newcombe(successes_a: int, trials_a: int, successes_b: int, trials_b: int, confidence: float = 0.95) -> Interval:
    """The difference of two rates, A - B, of different items. Raises ValueError where one has no trials."""
    a, b = wilson(successes_a, trials_a, confidence), wilson(successes_b, trials_b, confidence)
    difference = a.estimate - b.estimate
    low = difference - math.hypot(a.estimate - a.low, b.high - b.estimate)
    high = difference + math.hypot(a.high - a.estimate, b.estimate - b.low)
    return Interval(difference, max(-1.0, low), min(1.0, high), confidence, trials_a + trials_b, "Newcombe")


def mcnemar(only_a: int, only_b: int) -> float:
    """The exact two-sided p of "neither wins more often"; 1 where the two never differ.

    `only_a` counts the items that only A got right, `only_b` those that only B did.
    """
    counts(only_a=only_a, only_b=only_b)
    return min(1.0, 2 * binomial_cdf(min(only_a, only_b), only_a + only_b, 0.5)) if only_a + only_b else 1.0


def tango(only_a: int, only_b: int, items: int, confidence: float = 0.95) -> Interval:
    """The difference of two rates, A - B, of the same items, by Tango's score interval.

    It holds at the corners too: where the two never differ it is ±z²/(items + z²).
    Raises ValueError without items, or where more differ than there are.
    """
    counts(only_a=only_a, only_b=only_b, items=items)
    if items < 1 or only_a + only_b > items:
        raise ValueError(
            f"needs an item at least, and no more that differ than there are; got {only_a} + {only_b} of {items}"
        )
    low, high = tango_limits([only_a], [only_b], items, confidence)
    estimate = (only_a - only_b) / items
    return Interval(estimate, float(low[0]), float(high[0]), confidence, items, "Tango")


def tango_limits(
    only_a: ArrayLike, only_b: ArrayLike, items: ArrayLike, confidence: float = 0.95
) -> tuple[Floats, Floats]:
    """Tango's limits, low and high, for many tables at once; the counts are broadcast against each other."""
    given = (np.asarray(counted, dtype=np.float64) for counted in (only_a, only_b, items))
    b, c, n = np.broadcast_arrays(*given)
    z = _z(confidence)
    return -_upper_limit(c, b, n, z), _upper_limit(b, c, n, z)


def tango_score(only_a: ArrayLike, only_b: ArrayLike, items: ArrayLike, difference: ArrayLike) -> Floats:
    """The score statistic of "the difference is this", about standard normal if it is."""
    b, c, n, delta = (np.asarray(value, dtype=np.float64) for value in (only_a, only_b, items, difference))
    # The share that only B gets right is the larger root q of 2n·q² + linear·q - c·delta·(1 - delta).
    linear = -b - c + (2 * n - b + c) * delta
    constant = -c * delta * (1 - delta)
    root = np.sqrt(np.maximum(linear**2 - 8 * n * constant, 0))
    with np.errstate(divide="ignore", invalid="ignore"):
        q = np.where(linear > 0, -2 * constant / (root + linear), (root - linear) / (4 * n))
        variance = np.maximum(n * (2 * q + delta * (1 - delta)), 0)
        distance = b - c - n * delta
        return np.where(distance == 0, 0.0, distance / np.sqrt(variance))


def _upper_limit(b: Floats, c: Floats, n: Floats, z: float) -> Floats:
    """The difference above the estimate at which the score is -z, by halving: the score falls in the difference."""
    low, high = (b - c) / n, np.ones_like(n)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        beyond = tango_score(b, c, n, middle) <= -z
        low, high = np.where(beyond, low, middle), np.where(beyond, middle, high)
    return np.asarray(high)


def _z(confidence: float) -> float:
    return normal_quantile((1 + level(confidence)) / 2)
