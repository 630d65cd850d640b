"""One metric of two variants over the same items: which method its values call for, and what that says."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from llmctl.evals.measured import cluster_sums, is_binary, per_cluster, skewness
from llmctl.statistics.interval import Interval
from llmctl.statistics.observations import Floats
from llmctl.statistics.paired import FEW_CLUSTERS, bootstrap_difference, paired_difference
from llmctl.statistics.rates import mcnemar, tango
from llmctl.statistics.sequential import START, Design, observe

SKEWED = 1.5  # |third standardised moment| of the clusters' sums, from which on t intervals lean to one side
FEW_DIFFERING = 10
_ROUNDING = 1e-12
ONE_CLUSTER = "all items are of one cluster, which says nothing about the spread between them"

Clusters = Sequence[tuple[bool, str]]


@dataclass(frozen=True, slots=True)
class Found:
    """The difference A - B, its two-sided p, and the interval of twice the alpha where non-inferiority is asked."""

    difference: Interval
    p: float | None
    one_sided: Interval | None = None


@dataclass(frozen=True, slots=True)
class Method:
    """How sure to be, what resampling starts from, and whether one limit will be asked for too.

    With a `horizon` the difference was looked at while it came, and only what holds at any look is said.
    """

    confidence: float
    seed: int = 0
    one_sided: bool = False
    horizon: int | None = None

    @property
    def levels(self) -> tuple[float, ...]:
        """Confidences of the intervals that are needed."""
        return (self.confidence, 2 * self.confidence - 1) if self.one_sided else (self.confidence,)


def paired(a: Floats, b: Floats, clusters: Clusters, method: Method) -> Found:
    """(items,) values of both sides, within 0 and 1.

    Right or wrong: Tango's interval and exact McNemar. Else t over clusters, and BCa over them where they are skewed.
    Looked at while they came: a confidence sequence of one mean per cluster, and no p.
    """
    if method.horizon is not None:
        observed = per_cluster(a - b, clusters)
        horizon = max(START, method.horizon)
        return _found([observe(observed, Design(horizon, 1 - level)).interval() for level in method.levels], None)
    count = len(set(clusters))
    if is_binary(a, b) and count == len(a):
        only_a, only_b = int((a > b).sum()), int((a < b).sum())
        return _found([tango(only_a, only_b, len(a), level) for level in method.levels], mcnemar(only_a, only_b))
    if not (a - b).any():  # nothing differs anywhere: no spread for t, but no less is known than of right or wrong
        return _found(
            [replace(tango(0, 0, count, level), method="Tango over clusters") for level in method.levels], 1.0
        )
    return paired_means(a, b, clusters, method)


def paired_means(a: Floats, b: Floats, clusters: Clusters, method: Method) -> Found:
    """(items,) values in any unit: t over clusters, BCa over them where they are skewed."""
    count = len(set(clusters))
    if count < 2:
        nothing = Interval(float((a - b).mean()), -np.inf, np.inf, method.confidence, count, "paired t", ONE_CLUSTER)
        return Found(nothing, 1.0, nothing)
    if np.ptp(a - b) <= _ROUNDING * max(np.abs(a).max(), np.abs(b).max()):
        a, b = np.full(len(a), (a - b).mean()), np.zeros(len(a))  # or t finds a spread, of rounding
    names: Sequence[Hashable] | None = None if count == len(a) else clusters
    plain = [paired_difference(a, b, names, level) for level in method.levels]
    p = plain[0].p
    found: list[Interval] = list(plain)
    if count >= FEW_CLUSTERS and abs(skewness(cluster_sums(a - b, clusters))) > SKEWED:
        found = [bootstrap_difference(a, b, names, level, seed=method.seed) for level in method.levels]
    if 0 < np.count_nonzero(a - b) < FEW_DIFFERING:
        found = [_cautioned(one) for one in found]
    return _found(found, p)


def _found(intervals: Sequence[Interval], p: float | None) -> Found:
    return Found(intervals[0], p, intervals[1] if len(intervals) > 1 else None)


def _cautioned(found: Interval) -> Interval:
    caution = f"fewer than {FEW_DIFFERING} items differ: the interval may be too narrow"
    return replace(found, caution="; ".join(filter(None, (found.caution, caution))))
