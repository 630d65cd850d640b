"""How good a router is, from recorded outcomes: what share of calls to the strong model buys what quality.

After RouteLLM (Ong et al. 2024, arXiv 2406.18665): PGR = (q - q_weak) / (q_strong - q_weak), the performance gap
recovered; APGR, the area under PGR over the share of calls that go to the strong model; CPT(x), the least share that
reaches PGR x. Where scores tie, the order among them is random and its mean is taken, which is a straight line.
Intervals are 95% percentile bootstrap over the rows, seeded. Pure NumPy; nothing here reads files or time.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 1_000
LEVEL = 0.95
MAX_UNDEFINED = 0.05

Numbers = NDArray[np.float64]
Interval = tuple[float, float]

FIGURES = ("apgr", "cpt50", "cpt80", "saving95", "saving99")


class Routing(NamedTuple):
    """The figures of a router, or the bounds of their intervals.

    apgr is a share of 1. cpt50 and cpt80 are per cent of calls to the strong model. saving95 and saving99 are per
    cent of calls that need not go to the strong model while the quality stays at 95% or 99% of the strong model's.
    """

    apgr: float
    cpt50: float
    cpt80: float
    saving95: float
    saving99: float


class Report(NamedTuple):
    """A router beside the random one. Intervals are None where too many resamples have no gap to recover."""

    n: int
    weak: float
    strong: float
    value: Routing
    interval: dict[str, Interval] | None
    random: Routing
    random_interval: dict[str, Interval] | None


class Curve(NamedTuple):
    """PGR by share of calls to the strong model, at the ends of runs of equal scores: both start at 0 and end at 1."""

    calls: Numbers
    pgr: Numbers
    weak: float
    strong: float


def curve(scores: Numbers, strong: Numbers, weak: Numbers, counts: Numbers | None = None) -> Curve | None:
    """The curve of sending the highest scores to the strong model; None where it is no better than the weak one.

    `strong` and `weak` are the quality of each model on each row, usually 0 or 1. `counts` say how often a row counts.
    """
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order]
    ends = np.append(np.flatnonzero(ranked[1:] != ranked[:-1]), len(ranked) - 1)
    return _curve(order, ends, strong, weak, np.ones(len(scores)) if counts is None else counts)


def _curve(
    order: NDArray[np.intp], ends: NDArray[np.intp], strong: Numbers, weak: Numbers, counts: Numbers
) -> Curve | None:
    total = counts.sum()
    low, high = float(counts @ weak / total), float(counts @ strong / total)
    if high <= low:
        return None
    calls = np.cumsum(counts[order])[ends] / total
    gain = np.cumsum((counts * (strong - weak))[order])[ends] / total
    return Curve(np.append(0.0, calls), np.append(0.0, gain / (high - low)), low, high)


def cpt(found: Curve, level: float) -> float:
    """The least share of calls to the strong model with PGR at `level` or more; 0 for a level of 0 or less."""
    if level <= 0:
        return 0.0
    at = int(np.argmax(found.pgr >= level - 1e-12))
    if found.pgr[at] < level - 1e-12:
        return 1.0
    rise = found.pgr[at] - found.pgr[at - 1]
    part = (level - found.pgr[at - 1]) / rise
    return float(found.calls[at - 1] + min(part, 1.0) * (found.calls[at] - found.calls[at - 1]))


def saving(found: Curve, quality: float) -> float:
    """The largest share of calls kept from the strong model at `quality` times its quality."""
    return 1 - cpt(found, (quality * found.strong - found.weak) / (found.strong - found.weak))


def figures(found: Curve) -> Routing:
    """The figures of one curve."""
    area = float(np.trapezoid(found.pgr, found.calls))
    low, high = 100 * cpt(found, 0.5), 100 * cpt(found, 0.8)
    return Routing(area, low, high, 100 * saving(found, 0.95), 100 * saving(found, 0.99))


def routing(
    scores: Sequence[float] | Numbers,
    strong: Sequence[bool] | NDArray[Any],
    weak: Sequence[bool] | NDArray[Any],
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Report:
    """The report. Raises ValueError where the strong model is no better than the weak one: there is nothing to route.

    The random router's interval is of one random order, another for each resample.
    """
    ranked, high, low = (np.asarray(values, np.float64) for values in (scores, strong, weak))
    found = curve(ranked, high, low)
    if found is None:
        raise ValueError("the strong model is no better than the weak one on these rows, so there is nothing to route")
    order = np.argsort(-ranked, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(ranked[order])), len(order) - 1)
    every = np.arange(len(order))
    rng = np.random.default_rng(seed)
    routed: list[Routing] = []
    random: list[Routing] = []
    for _ in range(resamples):
        counts = np.bincount(rng.integers(0, len(order), len(order)), minlength=len(order)).astype(np.float64)
        one, other = _curve(order, ends, high, low, counts), _curve(rng.permutation(every), every, high, low, counts)
        if one is not None and other is not None:
            routed.append(figures(one))
            random.append(figures(other))
    straight = figures(Curve(np.array([0.0, 1.0]), np.array([0.0, 1.0]), found.weak, found.strong))
    sound = len(routed) >= (1 - MAX_UNDEFINED) * resamples > 0
    intervals = (_intervals(routed), _intervals(random)) if sound else (None, None)
    return Report(len(order), found.weak, found.strong, figures(found), intervals[0], straight, intervals[1])


def _intervals(rows: Sequence[Routing]) -> dict[str, Interval]:
    bounds = percentiles(np.array(rows))
    return {name: (float(low), float(high)) for name, low, high in zip(FIGURES, *bounds, strict=True)}


def percentiles(values: Numbers) -> Numbers:
    """The bounds (2, …) of the percentile interval along the first axis."""
    tail = (1 - LEVEL) / 2
    found: Numbers = np.quantile(values, (tail, 1 - tail), axis=0)
    return found


class Answered(NamedTuple):
    """One model's answer to one prompt: what was extracted to compare it by, if anything; whether right; its cost."""

    answer: str | None
    right: bool
    cost: float


class Share(NamedTuple):
    """A figure with its interval."""

    value: float
    low: float
    high: float


class Cascade(NamedTuple):
    """A cascade against its strong model alone. `cost` and `accuracy` are relative to that model's; 1 is the same.

    `accepted` is the share of prompts that the cheap models settle, `precision` how often they are right then.
    """

    n: int
    cost: Share
    accuracy: Share
    accepted: Share
    precision: Share
    strong_accuracy: float
    cascade_accuracy: float


def cascade(
    rows: Sequence[tuple[Sequence[Answered], Answered]],
    *,
    same: Callable[[str, str], bool] = str.__eq__,
    resamples: int = 10_000,
    seed: int = 0,
) -> Cascade:
    """Cheap models first: if all give the same answer it is taken, else the strong one is asked.

    Each row is the cheap models' answers, the first being what is taken, and the strong model's. All cheap models are
    always paid. Intervals are by paired bootstrap: prompts are drawn, with all that was answered to them. Raises
    ValueError without rows, or where the strong model is never right.
    """
    table = np.array([_outcome(cheap, strong, same) for cheap, strong in rows], np.float64).reshape(-1, 6)
    if not table[:, 1].any():
        raise ValueError("give rows on which the strong model is right at least once")
    rng = np.random.default_rng(seed)
    drawn = np.array([table[rng.integers(0, len(table), len(table))].mean(0) for _ in range(resamples)])
    means = table.mean(0)
    low, high = percentiles(_ratios(drawn))
    shares = [Share(*map(float, row)) for row in zip(_ratios(means[None])[0], low, high, strict=True)]
    cost, accuracy, accepted, precision = shares
    return Cascade(len(table), cost, accuracy, accepted, precision, float(means[1]), float(means[0]))


def _outcome(cheap: Sequence[Answered], strong: Answered, same: Callable[[str, str], bool]) -> tuple[float, ...]:
    first = cheap[0]
    agreed = first.answer is not None and all(
        other.answer is not None and same(first.answer, other.answer) for other in cheap[1:]
    )
    paid = sum(one.cost for one in cheap) + (0.0 if agreed else strong.cost)
    right = first.right if agreed else strong.right
    return right, strong.right, paid, strong.cost, agreed, agreed and first.right


def _ratios(means: Numbers) -> Numbers:
    right, _, paid, strong_paid, agreed, agreed_right = means.T
    some = np.maximum(means[:, 1::3], 1e-12)  # no right answer, or no agreement: in a resample of very few rows only
    return np.column_stack((paid / strong_paid, right / some[:, 0], agreed, agreed_right / some[:, 1]))


def price(
    usd_per_million: tuple[float, float], characters: tuple[int, int], characters_per_token: float = 4.0
) -> float:
    """US dollars of one call, for (input, output) prices and lengths: an estimate, as no tokenizer is asked."""
    return sum(p * c for p, c in zip(usd_per_million, characters, strict=True)) / characters_per_token / 1e6
