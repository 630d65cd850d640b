"""What another choice of models would have brought, from requests whose choice was left to chance.

The figure is the mean over requests of what NEW's odds are expected to bring less what OLD's are. Where both have the
same odds for a request it is told exactly. Elsewhere it is doubly robust: predictions of each model's outcome, learnt
from other requests (five folds, whole clusters), put right by what was recorded, weighted by how much more often NEW
would have chosen so. Limits are by t over clusters.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from llmctl.plan.report import Figure, Unit, figure, untold
from llmctl.statistics.interval import Interval
from llmctl.statistics.offpolicy import FEW_EFFECTIVE, NoSupport, Recorded, effective_size, self_normalised
from llmctl.statistics.paired import paired_difference

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

FOLDS = 5
LEAST_EFFECTIVE = 10.0
"""Records that the weighted ones must be worth: with fewer there is nothing to tell an interval from."""
ENOUGH = 20


@dataclass(frozen=True, slots=True)
class Outcomes:
    """Requests (n,) that were routed. `before` is the outcome under OLD's prices, `after` the same under NEW's.

    `old` and `new` are (n, actions) odds, `taken` the column of what was done, `covariates` (n, k) what predictions go
    by. `unknown` are requests whose odds under OLD cannot be told although NEW may choose otherwise; their rows of
    odds mean nothing. Outcomes that are not known are NaN.
    """

    before: Floats
    after: Floats
    taken: Integers
    old: Floats
    new: Floats
    covariates: Floats
    unknown: NDArray[np.bool_]
    actions: Sequence[str]
    clusters: Integers | None = None

    def of(self, chosen: NDArray[np.bool_]) -> "Outcomes":
        """Some of the requests."""
        return Outcomes(
            self.before[chosen], self.after[chosen], self.taken[chosen], self.old[chosen], self.new[chosen],
            self.covariates[chosen], self.unknown[chosen], self.actions,
            None if self.clusters is None else self.clusters[chosen],
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Worth:
    """The difference, and as a check NEW's mean over requests whose odds differ, by self-normalised weights alone."""

    difference: Figure
    alone: Interval | None = None


def difference(name: str, unit: Unit, outcomes: Outcomes, why_unknown: str = "") -> Worth:
    """NEW less OLD, or why that cannot be told."""
    known = outcomes.of(np.isfinite(outcomes.before) & np.isfinite(outcomes.after))
    requests = len(known.taken)
    if requests < 2:
        return Worth(untold(name, unit, "no support", "no support: fewer than two requests have this figure", requests))
    if known.unknown.any():
        share = float(known.unknown.mean())
        why = f"no support: OLD's odds are not known for {share:.1%} of the requests; {why_unknown}"
        return Worth(untold(name, unit, "no support", why, requests))
    if known.clusters is not None and len(np.unique(known.clusters)) < 2:
        why = "no support: all requests are of one subject, which says nothing about others"
        return Worth(untold(name, unit, "no support", why, requests))
    moved = np.abs(known.old - known.new).max(axis=1) > 1e-9
    each = known.after - known.before
    alike = moved.any() and not np.ptp(known.before) and not each.any()
    alone, caution = None, ""
    if moved.any():
        try:
            each[moved], alone, caution = _moved(known.of(moved))
        except NoSupport as error:
            return Worth(untold(name, unit, "no support", _refusal(error, known.actions), requests))
        except TooLittle as error:
            return Worth(untold(name, unit, "no support", f"no support: {error}", requests))
    base = float(known.before.mean())
    if alike:
        note = "every recorded request had the same, which tells no spread"
        return Worth(Figure(name, unit, "estimated", 0.0, n=requests, requests=requests, note=note, base=base), alone)
    if not each.any():
        return Worth(
            Figure(name, unit, "exact", 0.0, 0.0, 0.0, 0.95, requests, requests, "no choice differs", base=base)
        )
    found = paired_difference(each, np.zeros(requests), _listed(known.clusters))
    method = f"doubly robust, {found.method}" if moved.any() else found.method
    told = figure(name, unit, found, requests, told="estimated" if moved.any() else "exact", base=base, note=caution)
    return Worth(_called(told, method), alone)


class TooLittle(Exception):
    """There is some support, and too little to tell anything from."""


def _moved(part: Outcomes) -> tuple[Floats, Interval, str]:
    """Requests whose odds differ: each one's difference, NEW's mean by weights alone, and a caution."""
    if len(part.taken) < 2:
        raise TooLittle("only one request whose choice differs")
    records = Recorded(part.taken, part.after, part.old, part.new)
    weights = records.weights
    worth = effective_size(weights)
    if worth < LEAST_EFFECTIVE:
        raise TooLittle(
            f"the recorded requests are worth {worth:.1f} of NEW's own, fewer than {LEAST_EFFECTIVE:.0f}; "
            "record more, or replay these"
        )
    folds = _folds(part)
    after = _predicted(part.after, part, folds)
    before = after if np.array_equal(part.before, part.after) else _predicted(part.before, part, folds)
    rows = np.arange(len(part.taken))
    new = (part.new * after).sum(axis=1) + weights * (part.after - after[rows, part.taken])
    old = (part.old * before).sum(axis=1) + part.before - before[rows, part.taken]
    caution = ""
    if worth < FEW_EFFECTIVE:
        caution = f"the records are worth {worth:.0f} of NEW's own: the interval tends to be too narrow"
    return new - old, self_normalised(records), caution


def _predicted(outcome: Floats, part: Outcomes, folds: Integers) -> Floats:
    """(n, actions): each action's outcome for each request, from requests of other folds that took it."""
    n, count = part.new.shape
    found = np.full((n, count), float(outcome.mean()))
    design = np.column_stack((np.ones(n), part.covariates))
    for fold in range(FOLDS):
        here = folds == fold
        for action in range(count):
            there = ~here & (part.taken == action)
            if there.sum() >= ENOUGH * design.shape[1]:
                fitted, *_ = np.linalg.lstsq(design[there], outcome[there], rcond=None)
                found[here, action] = design[here] @ fitted
            elif there.any():
                found[here, action] = outcome[there].mean()
    return found


def _folds(part: Outcomes) -> Integers:
    """Which fifth each request is of; whole clusters together, at random but the same each time."""
    random = np.random.default_rng(0)
    if part.clusters is None:
        return random.integers(0, FOLDS, len(part.taken))
    _, codes = np.unique(part.clusters, return_inverse=True)
    return np.asarray(random.integers(0, FOLDS, int(codes.max()) + 1)[codes], dtype=np.int64)


def _refusal(error: NoSupport, actions: Sequence[str]) -> str:
    names = ", ".join(actions[at] for at in error.actions)
    return (
        f"no support: {error.share:.1%} of what NEW would choose otherwise goes to {names}, where OLD never chose so; "
        "record some exploration, or ask with --replay"
    )


def _listed(clusters: Integers | None) -> list[int] | None:
    return None if clusters is None else clusters.tolist()


def _called(one: Figure, method: str) -> Figure:
    return Figure(
        one.name, one.unit, one.told, one.estimate, one.low, one.high, one.confidence, one.n, one.requests, method,
        one.note, one.base,
    )  # fmt: skip
