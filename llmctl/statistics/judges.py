"""What a judge's labels are worth: a mean from few human labels and many of a judge, and how far two labellers agree.

Sources: Angelopoulos, Duchi and Zrnic, "PPI++: efficient prediction-powered inference", 2023; Cohen's kappa with the
large-sample variance of Fleiss, Cohen and Everitt, 1969.
"""

import math
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from llmctl.statistics.interval import Interval
from llmctl.statistics.observations import level, same_length, vector
from llmctl.statistics.rates import wilson
from llmctl.statistics.special import normal_quantile

Preference = Literal["first", "second", "tie"]


@dataclass(frozen=True, slots=True)
class Consistency:
    """A pairwise judge that saw each pair in both orders: how often it held to its choice, and to a place."""

    consistent: Interval
    first: Interval
    """How often, of what it decided, it chose the answer shown first: 0.5 where places do not matter."""


def prediction_powered(
    labels: ArrayLike, judged: ArrayLike, judged_only: ArrayLike, confidence: float = 0.95
) -> Interval:
    """The mean of what people would say, from (n,) labels, the judge's of the same items, and its of N others.

    θ̂ = λ·mean_N f + mean_n(y - λf) with λ = Cov(y, f)/((1 + n/N)·Var f), within 0 and 1: a judge that is worth nothing
    takes nothing away. Both samples must be drawn from the same items.
    """
    y, f, others = vector(labels, "labels"), vector(judged, "judged"), vector(judged_only, "judged_only")
    n, many = same_length(labels=y, judged=f), len(others)
    variance = float(np.concatenate([f, others]).var(ddof=1))
    shared = float((y - y.mean()) @ (f - f.mean())) / (n - 1)
    power = min(1.0, max(0.0, shared / ((1 + n / many) * variance))) if variance else 0.0
    left = y - power * f
    value = power * float(others.mean()) + float(left.mean())
    error = math.sqrt(power**2 * float(others.var(ddof=1)) / many + float(left.var(ddof=1)) / n)
    half = normal_quantile((1 + level(confidence)) / 2) * error
    return Interval.around(value, half, confidence, n, f"PPI++, λ = {power:.3g}, {many:,} judged only")


def self_consistency(
    straight: Sequence[Preference], swapped: Sequence[Preference], confidence: float = 0.95
) -> Consistency:
    """How a pairwise judge held to its choices: what it chose for each pair, then for the same in the other order.

    Raises ValueError where there are not as many of both.
    """
    if len(straight) != len(swapped) or not straight:
        raise ValueError(f"needs each pair in both orders, got {len(straight)} and {len(swapped)}")
    other: dict[Preference, Preference] = {"first": "second", "second": "first", "tie": "tie"}
    held = sum(one == other[two] for one, two in zip(straight, swapped, strict=True))
    counted = Counter([*straight, *swapped])
    decided = counted["first"] + counted["second"]
    if not decided:
        raise ValueError("the judge called every pair a tie: nothing to hold to")
    return Consistency(wilson(held, len(straight), confidence), wilson(counted["first"], decided, confidence))


def kappa(one: Sequence[Hashable], two: Sequence[Hashable], confidence: float = 0.95) -> Interval:
    """Cohen's kappa: agreement of two labellers of the same items beyond what their habits make by chance.

    Raises ValueError where both use one label only, which says nothing.
    """
    if len(one) != len(two) or not one:
        raise ValueError(f"needs both labels of each item, got {len(one)} and {len(two)}")
    codes = {label: code for code, label in enumerate(dict.fromkeys([*one, *two]))}
    table = np.zeros((len(codes), len(codes)))
    np.add.at(table, ([codes[label] for label in one], [codes[label] for label in two]), 1.0 / len(one))
    rows, columns = table.sum(axis=1), table.sum(axis=0)
    agreed, chance = float(np.trace(table)), float(rows @ columns)
    if chance >= 1 - 1e-15:
        raise ValueError("both used a single label: agreement by chance is certain; label items that differ")
    value, slack = (agreed - chance) / (1 - chance), 1 - (agreed - chance) / (1 - chance)
    habits = columns[:, None] + rows[None, :]
    on = float((np.diag(table) * (1 - np.diag(habits) * slack) ** 2).sum())
    apart = table * habits**2
    off = slack**2 * float(apart.sum() - np.trace(apart))
    variance = (on + off - (value - chance * slack) ** 2) / ((1 - chance) ** 2 * len(one))
    half = normal_quantile((1 + level(confidence)) / 2) * math.sqrt(max(0.0, variance))
    limits, caution = (max(-1.0, value - half), min(1.0, value + half)), ""
    if list(one) == list(two):
        limits, caution = (-1.0, 1.0), "they agreed on every item, which tells no spread; ask for the rate of agreement"
    return Interval(value, *limits, confidence, len(one), "Cohen's kappa", caution)
