"""The difference of two means over the same items: repeats averaged per item, clusters kept together.

Sources: clustered standard errors after Miller, "Adding error bars to evals", 2024, with the factor C/(C-1) and t of
C-1 degrees; BCa after Efron, "Better bootstrap confidence intervals", 1987, resampling whole clusters.
"""

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from llmctl.statistics.interval import Interval
from llmctl.statistics.observations import Floats, Integers, level, same_length, vector
from llmctl.statistics.special import normal_cdf, normal_quantile, t_quantile, t_tail

FEW_CLUSTERS = 30
LEAST_RESAMPLES = 5_000
_BLOCK = 1 << 21  # indices drawn at once


@dataclass(frozen=True, slots=True)
class PairedDifference(Interval):
    """The mean of A - B per item; `n` counts clusters, `p` is two-sided."""

    items: int = 0
    standard_error: float = math.nan
    p: float = math.nan


def item_means(scores: ArrayLike, name: str = "scores") -> Floats:
    """(items, repeats) scores, NaN where a repeat is missing, as (items,) means; (items,) scores as they are.

    Raises ValueError naming an item without any score.
    """
    array = np.asarray(scores, dtype=np.float64)
    if array.ndim == 2:
        there = ~np.isnan(array)
        empty = np.flatnonzero(~there.any(axis=1))
        if len(empty):
            raise ValueError(f"{name}: item {empty[0]} has no score at all; leave it out of both sides")
        array = np.where(there, array, 0.0).sum(axis=1) / there.sum(axis=1)
    return vector(array, name, least=1)


def cluster_codes(clusters: Sequence[Hashable]) -> Integers:
    """(items,) numbers 0, 1, … of each item's cluster, in the order in which clusters first appear."""
    codes: dict[Hashable, int] = {}
    return np.array([codes.setdefault(cluster, len(codes)) for cluster in clusters], dtype=np.int64)


def cluster_means(values: ArrayLike, clusters: Sequence[Hashable]) -> Floats:
    """(items,) values as (clusters,) means, in the order in which clusters first appear: what a sequence is fed."""
    array = vector(values, "values", least=1)
    codes = _codes(clusters, len(array))
    return np.bincount(codes, array) / np.bincount(codes)


def paired_difference(
    a: ArrayLike, b: ArrayLike, clusters: Sequence[Hashable] | None = None, confidence: float = 0.95
) -> PairedDifference:
    """Mean of A - B with its interval by t over clusters; without `clusters` every item is one.

    `a` and `b` are (items,) or (items, repeats), the items in the same order. Raises ValueError below two clusters.
    """
    differences, codes = _differences(a, b, clusters)
    items, count, mean = len(differences), int(codes.max()) + 1, float(differences.mean())
    sums = np.bincount(codes, differences - mean)
    error = math.sqrt(count / (count - 1) * float(sums @ sums)) / items if np.ptp(differences) else 0.0
    half, p = math.inf, 1.0
    if error:
        half = t_quantile((1 + level(confidence)) / 2, count - 1) * error
        p = 2 * t_tail(abs(mean) / error, count - 1)
    method = "paired t" if clusters is None else "paired t over clusters"
    caution = _caution(count, error > 0)
    return PairedDifference(mean, mean - half, mean + half, confidence, count, method, caution, items, error, p)


def bootstrap_difference(
    a: ArrayLike,
    b: ArrayLike,
    clusters: Sequence[Hashable] | None = None,
    confidence: float = 0.95,
    *,
    seed: int,
    resamples: int = LEAST_RESAMPLES,
) -> Interval:
    """Mean of A - B with its interval by BCa, resampling whole clusters. The same seed gives the same limits.

    Shapes and errors as in `paired_difference`; raises ValueError below 5,000 resamples too.
    """
    if resamples < LEAST_RESAMPLES:
        raise ValueError(f"resamples: needs {LEAST_RESAMPLES} or more for limits that hold still, got {resamples}")
    differences, codes = _differences(a, b, clusters)
    sums = np.asarray(np.bincount(codes, differences), dtype=np.float64)
    sizes = np.asarray(np.bincount(codes), dtype=np.float64)
    count, mean = len(sums), float(differences.mean())
    means = _resampled(sums, sizes, resamples, np.random.default_rng(seed))
    jackknife = (sums.sum() - sums) / (sizes.sum() - sizes)
    deviations = jackknife.mean() - jackknife
    spread = float(deviations @ deviations) if np.ptp(differences) else 0.0
    low, high = -math.inf, math.inf
    if spread > 0:
        acceleration = float((deviations**3).sum()) / (6 * spread**1.5)
        below = float((means < mean).mean() + (means <= mean).mean()) / 2
        shares = [_adjusted(side, below, acceleration) for side in ((1 - level(confidence)) / 2, (1 + confidence) / 2)]
        low, high = (float(limit) for limit in np.quantile(means, shares))
    method = f"bootstrap BCa of clusters, {resamples:,} resamples"
    return Interval(mean, min(low, mean), max(high, mean), confidence, count, method, _caution(count, spread > 0))


def _differences(a: ArrayLike, b: ArrayLike, clusters: Sequence[Hashable] | None) -> tuple[Floats, Integers]:
    left, right = item_means(a, "a"), item_means(b, "b")
    items = same_length(a=left, b=right)
    codes = _codes(clusters, items) if clusters is not None else np.arange(items)
    count = len(np.unique(codes))
    if count < 2:
        raise ValueError(
            f"needs two clusters at least, got {count}: one says nothing about the spread between them; "
            "add items from other clusters"
        )
    return left - right, codes


def _codes(clusters: Sequence[Hashable], items: int) -> Integers:
    if len(clusters) != items:
        raise ValueError(f"clusters: needs one per item, got {len(clusters)} for {items} items")
    return cluster_codes(clusters)


def _caution(clusters: int, spread: bool) -> str:
    if not spread:
        return "every cluster differs by the same, which tells no spread; of right-or-wrong scores ask for a rate"
    if clusters < FEW_CLUSTERS:
        return f"only {clusters} clusters: below {FEW_CLUSTERS} the interval tends to be too narrow"
    return ""


def _resampled(sums: Floats, sizes: Floats, resamples: int, random: np.random.Generator) -> Floats:
    """(resamples,) means, each over as many clusters as there are, drawn with replacement."""
    count = len(sums)
    step = max(1, _BLOCK // count)
    even = bool((sizes == sizes[0]).all())
    blocks: list[NDArray[np.float64]] = []
    for start in range(0, resamples, step):
        drawn = random.integers(0, count, (min(step, resamples - start), count))
        total = sums[drawn].sum(axis=1)
        blocks.append(total / (count * sizes[0] if even else sizes[drawn].sum(axis=1)))
    return np.concatenate(blocks)


def _adjusted(share: float, below: float, acceleration: float) -> float:
    """The share of resamples that BCa takes for `share`; all or none of them where the estimate is at their edge."""
    if below in (0.0, 1.0):
        return below
    bias = normal_quantile(below)
    moved = bias + normal_quantile(share)
    room = 1 - acceleration * moved
    if room <= 0:
        return 1.0 if moved > 0 else 0.0
    return normal_cdf(bias + moved / room)
