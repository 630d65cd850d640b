"""From intervals to verdicts in words: who is better, whether it matters, or how many more items would tell.

Sources: Holm, "A simple sequentially rejective multiple test procedure", 1979; Benjamini and Hochberg, "Controlling the
false discovery rate", 1995.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from llmctl.statistics.interval import Interval
from llmctl.statistics.observations import Floats, level, vector
from llmctl.statistics.special import normal_quantile

Kind = Literal["A", "B", "equivalent", "non-inferior", "inconclusive"]
Side = Literal["A", "B"]
POWER = 0.8


@dataclass(frozen=True, slots=True)
class Verdict:
    """What may be said of a difference A - B of which more is better.

    `more` is how many further units would decide it with a power of 80% if the estimate is the truth; None where it is
    decided, or where no number would. `p` is after correction for all that were compared, None where none was given.
    """

    kind: Kind
    difference: Interval
    margin: float | None
    more: int | None
    words: str
    p: float | None = None

    @property
    def decided(self) -> bool:
        """Whether it says anything but "go on"."""
        return self.kind != "inconclusive"


def decide(
    difference: Interval,
    margin: float | None = None,
    *,
    candidate: Side = "B",
    one_sided: Interval | None = None,
    p: float | None = None,
) -> Verdict:
    """The verdict of one difference A - B.

    A win needs an interval without zero, and `p` at most alpha where it is given: that is how a correction for several
    comparisons takes part. Equivalent is an interval inside ±`margin`. Non-inferior is a `candidate` that is worse by
    less than the margin: the limit on its bad side of `one_sided`, the interval of twice the alpha, or of `difference`.
    Raises ValueError for a margin that is not above zero.
    """
    if margin is not None and not margin > 0:
        raise ValueError(f"margin: needs the least difference that matters, above 0; got {margin}")
    winner = _winner(difference, p)
    if winner:
        words = f"{winner} is better by {_sized(difference, winner)}"
        if margin is not None and difference.within(margin):
            words += f", which is less than the margin of {margin:g}"
        return Verdict(winner, difference, margin, None, words, p)
    if margin is not None and difference.within(margin):
        words = f"equivalent: they differ by less than {margin:g} {_told(difference)}"
        return Verdict("equivalent", difference, margin, None, words, p)
    if margin is not None and _worst(one_sided or difference, candidate) > -margin:
        words = f"non-inferior: {candidate} is worse by less than {margin:g}, if at all {_told(difference)}"
        return Verdict("non-inferior", difference, margin, None, words, p)
    more = more_needed(difference, margin)
    needed = f"{more:,} more items" if more is not None else "more items than can be told"
    return Verdict("inconclusive", difference, margin, more, f"inconclusive: {needed} {_told(difference)}", p)


def decide_family(
    differences: Mapping[str, tuple[Interval, float]],
    margin: float | None = None,
    *,
    candidate: Side = "B",
    correction: Callable[[ArrayLike], Floats] | None = None,
) -> dict[str, Verdict]:
    """Verdicts of several comparisons by name, of their intervals and p, wins corrected for there being several.

    `correction` is `holm` unless told otherwise, for the primary family; `benjamini_hochberg` for slices.
    """
    adjusted = (correction or holm)([p for _, p in differences.values()]) if differences else ()
    return {
        name: decide(interval, margin, candidate=candidate, p=float(p))
        for (name, (interval, _)), p in zip(differences.items(), adjusted, strict=True)
    }


def more_needed(difference: Interval, margin: float | None = None, power: float = POWER) -> int | None:
    """How many more units would decide, as far as the estimate is the truth.

    By the nearer of two: an interval without zero or, with a margin, one inside it. None where nothing would do.
    """
    target = abs(difference.estimate)
    if margin is not None:
        target = max(target, margin - target)
    half = (difference.high - difference.low) / 2
    if not target or not math.isfinite(half):
        return None
    z = normal_quantile((1 + difference.confidence) / 2)
    total = difference.n * (half / target * (z + normal_quantile(level(power))) / z) ** 2
    return max(1, math.ceil(total - difference.n)) if total < 1e15 else None


def holm(p: ArrayLike) -> Floats:
    """p adjusted so that all of a family's rejections at alpha are right with a chance of 1 - alpha; (n,) for (n,)."""
    values, order = _ordered(p)
    count = len(values)
    raised = np.maximum.accumulate(values[order] * (count - np.arange(count)))
    return _put_back(np.minimum(raised, 1.0), order)


def benjamini_hochberg(p: ArrayLike) -> Floats:
    """p adjusted so that of the rejections at alpha a share of at most alpha is expected to be wrong; (n,) for (n,).

    For independent or positively dependent comparisons, as slices of one data set are.
    """
    values, order = _ordered(p)
    count = len(values)
    raised = values[order] * count / (np.arange(count) + 1)
    return _put_back(np.minimum(np.minimum.accumulate(raised[::-1])[::-1], 1.0), order)


def _winner(difference: Interval, p: float | None) -> Side | None:
    if not difference.excludes_zero or (p is not None and p > difference.alpha + 1e-12):
        return None
    return "A" if difference.low > 0 else "B"


def _worst(difference: Interval, candidate: Side) -> float:
    return difference.low if candidate == "A" else -difference.high


def _sized(difference: Interval, winner: Side) -> str:
    seen = difference if winner == "A" else difference.swapped()
    return f"{seen.estimate:.4g} {_told(seen)}"


def _told(difference: Interval) -> str:
    return f"({difference.confidence:.4g} interval {difference.low:.4g} to {difference.high:.4g}, n = {difference.n:,})"


def _ordered(p: ArrayLike) -> tuple[Floats, np.ndarray[tuple[int], np.dtype[np.intp]]]:
    values = vector(p, "p", least=1)
    if (values < 0).any() or (values > 1).any():
        raise ValueError("p: needs probabilities within 0 and 1")
    return values, np.argsort(values, kind="stable")


def _put_back(values: Floats, order: np.ndarray[tuple[int], np.dtype[np.intp]]) -> Floats:
    result = np.empty_like(values)
    result[order] = values
    return result
