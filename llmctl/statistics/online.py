"""Experiments on live traffic: whether the split is what was asked for, and differences with less noise.

Sources: sample-ratio mismatch after Fabijan et al., "Diagnosing sample ratio mismatch", 2019; CUPED after Deng, Xu,
Kohavi and Walker, "Improving the sensitivity of online controlled experiments", 2013; ratios by the delta method after
Deng, Knoblich and Lu, "Applying the delta method in metric analytics", 2018. Units are what was assigned (subjects).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from llmctl.statistics.interval import Interval
from llmctl.statistics.observations import Floats, counts, level, same_length, vector
from llmctl.statistics.special import chi_square_tail, normal_quantile, t_quantile

MISMATCH = 0.001


@dataclass(frozen=True, slots=True)
class SampleRatio:
    """Whether the arms got the shares that they should have; below p = 0.001 no verdict may be given."""

    statistic: float
    p: float
    observed: dict[str, int]
    expected: dict[str, float]

    @property
    def blocks(self) -> bool:
        """Whether the split is broken, so that the arms are not comparable."""
        return self.p < MISMATCH

    @property
    def words(self) -> str:
        """What is wrong, or that nothing is."""
        shares = ", ".join(f"{arm} {self.observed[arm]:,} of {self.expected[arm]:,.1f}" for arm in self.observed)
        if self.blocks:
            return f"sample-ratio mismatch (p = {self.p:.2g}): {shares}; find what drops subjects of one arm"
        return f"the split is as asked for (p = {self.p:.2g}): {shares}"


def sample_ratio(observed: Mapping[str, int], shares: Mapping[str, float]) -> SampleRatio:
    """The χ² test of subjects per arm against the weights asked for, which need not sum to 1.

    Raises ValueError for other arms than two or more with a weight above 0, or without subjects.
    """
    if set(observed) != set(shares) or len(shares) < 2 or min(shares.values()) <= 0:
        raise ValueError(
            f"needs the subjects and a weight above 0 of two arms or more, got {sorted(observed)} and {sorted(shares)}"
        )
    for arm, count in observed.items():
        counts(**{f"subjects of {arm}": count})
    total, weight = sum(observed.values()), sum(shares.values())
    if not total:
        raise ValueError("no subject was assigned yet; wait for traffic")
    expected = {arm: total * shares[arm] / weight for arm in observed}
    statistic = sum((observed[arm] - mean) ** 2 / mean for arm, mean in expected.items())
    return SampleRatio(statistic, chi_square_tail(statistic, len(expected) - 1), dict(observed), expected)


def difference(a: ArrayLike, b: ArrayLike, confidence: float = 0.95) -> Interval:
    """The difference of two means, A - B, of different subjects, by Welch's t; (m,) and (n,) values."""
    left, right = vector(a, "a"), vector(b, "b")
    return _welch(left, right, confidence, "Welch")


def cuped(a: ArrayLike, before_a: ArrayLike, b: ArrayLike, before_b: ArrayLike, confidence: float = 0.95) -> Interval:
    """The difference of two means, A - B, less what was known of each subject before the assignment.

    (m,) and (n,) values, and the same of before, which the assignment cannot have changed. θ = Cov(Y, X)/Var X over
    both arms, each around its own means. Without any variance before, it is Welch's interval.
    """
    y = vector(a, "a"), vector(b, "b")
    x = vector(before_a, "before_a"), vector(before_b, "before_b")
    same_length(a=y[0], before_a=x[0])
    same_length(b=y[1], before_b=x[1])
    centred = [before - before.mean() for before in x]
    spread = sum(float(before @ before) for before in centred)
    shared = sum(float(before @ values) for before, values in zip(centred, y, strict=True))
    theta = shared / spread if spread else 0.0
    overall = float(np.concatenate(x).mean())
    left, right = (values - theta * (before - overall) for values, before in zip(y, x, strict=True))
    return _welch(left, right, confidence, f"CUPED, θ = {theta:.4g}")


def ratio(numerators: ArrayLike, denominators: ArrayLike, confidence: float = 0.95) -> Interval:
    """Σ numerators over Σ denominators by the delta method, (subjects,) sums of each subject: cost per request, say.

    Raises ValueError where the denominators sum to nothing.
    """
    value, variance, n = _ratio(numerators, denominators)
    half = t_quantile((1 + level(confidence)) / 2, n - 1) * math.sqrt(variance)
    return Interval.around(value, half, confidence, n, "ratio by the delta method")


def ratio_difference(
    numerators_a: ArrayLike,
    denominators_a: ArrayLike,
    numerators_b: ArrayLike,
    denominators_b: ArrayLike,
    confidence: float = 0.95,
) -> Interval:
    """The difference of two ratios, A - B, of different subjects."""
    left, variance_a, m = _ratio(numerators_a, denominators_a)
    right, variance_b, n = _ratio(numerators_b, denominators_b)
    half = normal_quantile((1 + level(confidence)) / 2) * math.sqrt(variance_a + variance_b)
    return Interval.around(left - right, half, confidence, m + n, "difference of ratios by the delta method")


def _welch(a: Floats, b: Floats, confidence: float, method: str) -> Interval:
    parts = float(a.var(ddof=1)) / len(a), float(b.var(ddof=1)) / len(b)
    value, variance = float(a.mean() - b.mean()), sum(parts)
    half = 0.0
    if variance > 0:
        degrees = variance**2 / (parts[0] ** 2 / (len(a) - 1) + parts[1] ** 2 / (len(b) - 1))
        half = t_quantile((1 + level(confidence)) / 2, degrees) * math.sqrt(variance)
    return Interval.around(value, half, confidence, len(a) + len(b), method)


def _ratio(numerators: ArrayLike, denominators: ArrayLike) -> tuple[float, float, int]:
    """Value, variance and number of subjects."""
    above, below = vector(numerators, "numerators"), vector(denominators, "denominators")
    n = same_length(numerators=above, denominators=below)
    mean = float(below.mean())
    if not mean:
        raise ValueError("denominators: they sum to 0, so there is no ratio; leave out subjects that asked nothing")
    value = float(above.mean()) / mean
    return value, float((above - value * below).var(ddof=1)) / (n * mean**2), n
