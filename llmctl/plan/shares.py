"""Shares of requests, each computed for every one of them; the interval is for more traffic like it."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from llmctl.plan.report import Figure, Told, figure, untold
from llmctl.statistics.interval import Interval
from llmctl.statistics.paired import paired_difference
from llmctl.statistics.rates import wilson


def share(name: str, values: ArrayLike, groups: Sequence[int] | None = None, *, note: str = "") -> Figure:
    """The mean of (n,) values from 0 to 1, one per request; by Wilson where each is 0 or 1 and requests are apart."""
    array = np.asarray(values, dtype=np.float64)
    if not len(array):
        return untold(name, "share", "not evaluated", note or "there is no such request")
    told: Told = "exact"
    whole = bool(((array == 0) | (array == 1)).all())
    if whole and (groups is None or not np.ptp(array) or len(set(groups)) < 2):
        return figure(name, "share", wilson(int(array.sum()), len(array)), len(array), told=told, note=note)
    if len(array) < 2 or not np.ptp(array) or (groups is not None and len(set(groups)) < 2):
        mean = float(array.mean())
        return Figure(name, "share", told, mean, n=len(array), requests=len(array), note=note or "one group alone")
    found = paired_difference(array, np.zeros(len(array)), groups)
    return figure(name, "share", _within(found), len(array), told=told, note=note)


def _within(found: Interval) -> Interval:
    """A share is none of less than nothing, and of no more than all."""
    limits = max(0.0, found.low), min(1.0, found.high)
    return Interval(found.estimate, *limits, found.confidence, found.n, found.method, found.caution)
