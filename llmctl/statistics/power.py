"""How many items a comparison needs, and what so many can tell, for two sides over the same items with repeats.

n = (z_{alpha/2} + z_beta)²·(omega² + s_A²/K_A + s_B²/K_B)/delta² after Miller, "Adding error bars to evals", 2024.
Here omega² is the variance over items of the difference of their true means, s² that of one side's repeats of one item,
K how many repeats there are.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from llmctl.statistics.observations import level
from llmctl.statistics.paired import item_means
from llmctl.statistics.special import normal_cdf, normal_quantile


@dataclass(frozen=True, slots=True)
class Spread:
    """The variances that make up a difference per item, in squared units of the scores; the noise is of one repeat."""

    between: float
    noise_a: float = 0.0
    noise_b: float = 0.0

    def __post_init__(self) -> None:
        parts = (self.between, self.noise_a, self.noise_b)
        if not all(math.isfinite(part) and part >= 0 for part in parts):
            raise ValueError(f"needs variances, 0 or more, got {parts}")

    def variance(self, repeats_a: int = 1, repeats_b: int = 1) -> float:
        """The variance of one item's difference of means. Raises ValueError without repeats."""
        if min(repeats_a, repeats_b) < 1:
            raise ValueError(f"needs a repeat at least on each side, got {repeats_a} and {repeats_b}")
        return self.between + self.noise_a / repeats_a + self.noise_b / repeats_b


@dataclass(frozen=True, slots=True)
class Plan:
    """A comparison with so many items: the effect that it tells from none, with this power, at a two-sided alpha."""

    items: int
    effect: float
    power: float
    alpha: float


def items_needed(
    effect: float, spread: Spread, repeats_a: int = 1, repeats_b: int = 1, alpha: float = 0.05, power: float = 0.8
) -> Plan:
    """The least items that tell `effect` from none; the plan's power is what they really have.

    Raises ValueError for no effect, or a power that chance alone has.
    """
    if effect == 0 or not math.isfinite(effect):
        raise ValueError("effect: no number of items tells an effect of 0 from none; name the least that matters")
    if power <= alpha / 2:
        raise ValueError(f"power: needs more than alpha/2 = {alpha / 2:g}, got {power}")
    reach = _z(alpha) + normal_quantile(level(power))
    items = max(1, math.ceil(reach**2 * spread.variance(repeats_a, repeats_b) / effect**2 - 1e-9))
    return Plan(items, effect, power_of(items, effect, spread, repeats_a, repeats_b, alpha), alpha)


def power_of(
    items: int, effect: float, spread: Spread, repeats_a: int = 1, repeats_b: int = 1, alpha: float = 0.05
) -> float:
    """The chance that so many items tell `effect` from none, on its own side."""
    error = math.sqrt(spread.variance(repeats_a, repeats_b) / _some(items))
    return normal_cdf(abs(effect) / error - _z(alpha)) if error else float(effect != 0)


def detectable(
    items: int, spread: Spread, repeats_a: int = 1, repeats_b: int = 1, alpha: float = 0.05, power: float = 0.8
) -> Plan:
    """The least effect that so many items tell from none with this power."""
    error = math.sqrt(spread.variance(repeats_a, repeats_b) / _some(items))
    return Plan(items, (_z(alpha) + normal_quantile(level(power))) * error, power, alpha)


def binary_spread(rate_a: float, rate_b: float, correlation: float = 0.0) -> Spread:
    """The spread for right-or-wrong scores, one per item and side, whose rates are these.

    `correlation` is between the two sides over items: above 0 where they fail on the same items, which needs fewer.
    Raises ValueError where no such items can exist.
    """
    if not (0 <= rate_a <= 1 and 0 <= rate_b <= 1 and -1 <= correlation <= 1):
        raise ValueError(
            f"needs rates within 0 and 1 and a correlation within ±1, got {rate_a}, {rate_b}, {correlation}"
        )
    both = rate_a * rate_b + correlation * math.sqrt(rate_a * (1 - rate_a) * rate_b * (1 - rate_b))
    if not max(0.0, rate_a + rate_b - 1) - 1e-12 <= both <= min(rate_a, rate_b) + 1e-12:
        raise ValueError(f"correlation: rates of {rate_a:g} and {rate_b:g} cannot be correlated by {correlation:g}")
    return discordant_spread(max(0.0, rate_a + rate_b - 2 * both), rate_a - rate_b)


def discordant_spread(differing: float, effect: float) -> Spread:
    """The spread where a share `differing` of the items is right on one side only, and the rates differ by `effect`."""
    if not abs(effect) <= differing + 1e-12 <= 1 + 2e-12:
        raise ValueError(f"differing: a share of {differing:g} cannot make rates differ by {effect:g}")
    return Spread(max(0.0, differing - effect**2))


def estimated_spread(a: ArrayLike, b: ArrayLike) -> Spread:
    """The spread that a pilot shows: (items, repeats) scores of both sides, two repeats at least, NaN where missing.

    What is left between items is no less than 0. Raises ValueError where the repeats cannot tell the noise.
    """
    left, right = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    differences = item_means(left, "a") - item_means(right, "b")
    if len(differences) < 2:
        raise ValueError("needs two items at least in a pilot, to see how they differ")
    noise = [_noise(side, name) for side, name in ((left, "a"), (right, "b"))]
    explained = sum(within * inverse for within, inverse in noise)
    return Spread(max(0.0, float(differences.var(ddof=1)) - explained), noise[0][0], noise[1][0])


def _noise(scores: np.ndarray[tuple[int, ...], np.dtype[np.float64]], name: str) -> tuple[float, float]:
    """The pooled variance within items, and the mean over items of one over their repeats."""
    repeats = (~np.isnan(scores)).sum(axis=1) if scores.ndim == 2 else np.ones(len(scores))
    freedom = float((repeats - 1).sum())
    if freedom < 1:
        raise ValueError(f"{name}: needs items with two repeats at least, to see how repeats differ")
    squares = float(np.nansum((scores - np.nanmean(scores, axis=1, keepdims=True)) ** 2))
    return squares / freedom, float((1 / repeats).mean())


def _z(alpha: float) -> float:
    return normal_quantile(1 - (1 - level(1 - alpha)) / 2)


def _some(items: int) -> int:
    if items < 1:
        raise ValueError(f"items: needs one at least, got {items}")
    return items
