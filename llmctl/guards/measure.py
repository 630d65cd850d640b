"""How good a guard is: rates with their intervals, ranking, spans. Plain Python; nothing here reads files or time."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from math import ceil
from typing import NamedTuple

from llmctl.statistics.wilson import limits

Place = tuple[str, int, int]
"""A span as it is compared: type, start, end."""


class Rate(NamedTuple):
    """A share with its 95% Wilson interval; all three are None where there is nothing to divide by."""

    value: float | None
    low: float | None
    high: float | None


class Binary(NamedTuple):
    """Counts of a yes-or-no judgement; positive means bad."""

    tp: int
    fp: int
    fn: int
    tn: int

    @property
    def precision(self) -> Rate:
        """Of what was flagged, the share that is bad."""
        return rate(self.tp, self.tp + self.fp)

    @property
    def recall(self) -> Rate:
        """Of what is bad, the share that was flagged."""
        return rate(self.tp, self.tp + self.fn)

    @property
    def fpr(self) -> Rate:
        """Of what is not bad, the share that was flagged."""
        return rate(self.fp, self.fp + self.tn)

    @property
    def f1(self) -> float | None:
        """Harmonic mean of precision and recall; None where nothing is bad and nothing was flagged."""
        weight = 2 * self.tp + self.fp + self.fn
        return 2 * self.tp / weight if weight else None


def rate(successes: int, trials: int) -> Rate:
    """A proportion with its interval."""
    return Rate(successes / trials, *limits(successes / trials, trials)) if trials else Rate(None, None, None)


def binary(labels: Sequence[bool], flagged: Sequence[bool]) -> Binary:
    """Counts by label and judgement, row by row."""
    counts = Counter(zip(labels, flagged, strict=True))
    return Binary(counts[True, True], counts[False, True], counts[True, False], counts[False, False])


def auc(labels: Sequence[bool], scores: Sequence[float]) -> float | None:
    """Probability that a bad row scores above a good one, ties counting half; None unless there are both."""
    good = sorted(score for label, score in zip(labels, scores, strict=True) if not label)
    bad = [score for label, score in zip(labels, scores, strict=True) if label]
    if not good or not bad:
        return None
    ordered = sorted(set(bad))
    below = dict(zip(ordered, _counts_below(good, ordered), strict=True))
    return sum(under + over for under, over in (below[score] for score in bad)) / (2 * len(good) * len(bad))


def _counts_below(good: list[float], values: list[float]) -> Iterable[tuple[int, int]]:
    """For each value, how many of the sorted `good` are below it, and below or equal."""
    low = 0
    for value in values:
        while low < len(good) and good[low] < value:
            low += 1
        yield low, bisect_right(good, value, low)


class SpanScore(NamedTuple):
    """Micro-averaged agreement of spans: by exact place and type, and counting any overlap of the same type."""

    gold: int
    found: int
    precision: Rate
    recall: Rate
    f1: float | None
    overlap_f1: float | None


def spans(gold: Sequence[Iterable[Place]], found: Sequence[Iterable[Place]]) -> SpanScore:
    """Agreement over all rows. Each span counts once; overlaps are matched one to one, leftmost first."""
    golds, founds = [set(row) for row in gold], [set(row) for row in found]
    wanted, said = sum(map(len, golds)), sum(map(len, founds))
    exact = sum(len(g & f) for g, f in zip(golds, founds, strict=True))
    touching = sum(_overlapping(g, f) for g, f in zip(golds, founds, strict=True))

    def f1(hits: int) -> float | None:
        return 2 * hits / (wanted + said) if wanted + said else None

    return SpanScore(wanted, said, rate(exact, said), rate(exact, wanted), f1(exact), f1(touching))


def _overlapping(gold: set[Place], found: set[Place]) -> int:
    exact = gold & found
    free = sorted(found - exact, key=lambda place: place[1:])
    hits = len(exact)
    for kind, start, end in sorted(gold - exact, key=lambda place: place[1:]):
        for candidate in free:
            if candidate[0] == kind and candidate[1] < end and start < candidate[2]:
                free.remove(candidate)
                hits += 1
                break
    return hits


def percentile(values: Sequence[float], share: float) -> float | None:
    """The smallest value with at least `share` of the values at or below it."""
    return sorted(values)[max(0, ceil(share * len(values)) - 1)] if values else None
