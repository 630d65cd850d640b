"""What a run measured of each item: repeats averaged, and what has no value counted instead of left out in silence."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import numpy as np

from llmctl.scoring.result import Result, Scored
from llmctl.statistics.interval import Interval
from llmctl.statistics.observations import Floats
from llmctl.statistics.paired import cluster_codes, cluster_means, paired_difference
from llmctl.statistics.rates import wilson

Value = Callable[[Result], float | None]


@dataclass(frozen=True, slots=True)
class Measured:
    """A metric of one variant, per item: `values` of those that have one, in the order in which items first appear.

    `unscored` are items whose repeats all lack it. `lacking` counts single results without, `results` all of them.
    """

    metric: str
    values: dict[str, float]
    clusters: dict[str, str]
    columns: dict[str, dict[str, Any]]
    unscored: tuple[str, ...]
    lacking: int
    results: int


def measure(results: Iterable[Result], metric: str, value: Value | None = None) -> Measured:
    """`metric` as suites name it: `score`, `passed`, or a scorer's metric; with a `value` what that says of a result.

    A repeat that is there twice counts once, as it is there last.
    """
    value = value or value_of(metric)
    last = {(result.item, result.repeat): result for result in results}
    found: dict[str, list[float]] = {}
    clusters: dict[str, str] = {}
    columns: dict[str, dict[str, Any]] = {}
    lacking = 0
    for (item, _), result in last.items():
        there = found.setdefault(item, [])
        clusters[item], columns[item] = result.cluster, result.columns
        if (one := value(result)) is None:
            lacking += 1
        else:
            there.append(one)
    values = {item: fmean(there) for item, there in found.items() if there}
    unscored = tuple(item for item, there in found.items() if not there)
    return Measured(metric, values, clusters, columns, unscored, lacking, len(last))


def value_of(metric: str) -> Value:
    """How a result is asked for it. A metric of several scorers is their weighted mean."""
    if metric == "score":
        return lambda result: result.score
    if metric == "passed":
        return lambda result: None if result.passed is None else float(result.passed)
    return lambda result: _named([one for one in result.scored if one.metric == metric])


def dollars(result: Result) -> float | None:
    """What the answer cost, where all of it has a price."""
    return result.cost.usd if result.cost.status in ("exact", "estimated") else None


def seconds(result: Result) -> float | None:
    """How long the answer took; an error is no answer."""
    return None if result.error else result.seconds


def metric_names(results: Iterable[Result]) -> list[str]:
    """`score`, `passed` and every metric that scorers name, in the order in which they first appear."""
    names = {"score": None, "passed": None}
    for result in results:
        names |= dict.fromkeys(one.metric for one in result.scored)
    return list(names)


def units(items: Sequence[str], clusters: dict[str, str]) -> list[tuple[bool, str]]:
    """Each item's cluster; an item that names none is its own."""
    return [(bool(clusters[item]), clusters[item] or item) for item in items]


def is_binary(*sides: Floats) -> bool:
    """Whether all are right or wrong, without anything between."""
    return all(bool(((values == 0) | (values == 1)).all()) for values in sides)


def mean_interval(values: Floats, clusters: Sequence[tuple[bool, str]], confidence: float) -> Interval | None:
    """The mean of (items,) values: Wilson where each is right or wrong and its own cluster, else t over clusters.

    None without any; without limits where one cluster is all there is.
    """
    if not len(values):
        return None
    count = len(set(clusters))
    binary = is_binary(values)
    if binary and count == len(values):
        return wilson(int(values.sum()), len(values), confidence)
    if binary and not np.ptp(values):  # every cluster says the same, which t has no width for
        found = wilson(count if values[0] else 0, count, confidence)
        return _as(found, "Wilson over clusters")
    if count < 2:
        caution = "one cluster says nothing about the spread between them"
        return Interval(float(values.mean()), -np.inf, np.inf, confidence, count, "t over clusters", caution)
    found = paired_difference(values, np.zeros(len(values)), clusters, confidence)
    return _as(found, "t" if count == len(values) else "t over clusters")


def per_cluster(values: Floats, clusters: Sequence[tuple[bool, str]]) -> Floats:
    """One value per cluster, the mean of its items."""
    return values if len(set(clusters)) == len(values) else cluster_means(values, clusters)


def skewness(values: Floats) -> float:
    """The third standardised moment; 0 where nothing varies."""
    deviations = values - values.mean()
    variance = float((deviations**2).mean())
    return float((deviations**3).mean()) / variance**1.5 if variance > 0 else 0.0


def cluster_sums(values: Floats, clusters: Sequence[tuple[bool, str]]) -> Floats:
    """The sums over clusters of what deviates from the mean of all."""
    return np.asarray(np.bincount(cluster_codes(clusters), values - values.mean()), dtype=np.float64)


def _as(found: Interval, method: str) -> Interval:
    return Interval(found.estimate, found.low, found.high, found.confidence, found.n, method, found.caution)


def _named(scored: Sequence[Scored]) -> float | None:
    told = [(one.value, one.weight) for one in scored if one.value is not None]
    if not told:
        return None
    weight = sum(each for _, each in told)
    if not weight:
        return fmean(value for value, _ in told)
    return sum(value * each for value, each in told) / weight
