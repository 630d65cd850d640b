"""The figures of routing, from what was seen of every routed request."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from llmctl.plan.report import Figure, Stage, Unit, figure, kinds_of, untold, without
from llmctl.plan.routing import AS_RECORDED, Line, RoutingSeen, columns
from llmctl.plan.shares import share
from llmctl.plan.worth import Outcomes, difference
from llmctl.statistics.paired import paired_difference

MOST_ROUTES = 12
"""Names with figures of their own: those with most requests."""

REFUSED = "requests refused"
CHANGED = "model changes"
ASSUMED = "cost at the recorded tokens"

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Metric:
    """An outcome, and whether it is only told where somebody has it."""

    name: str
    unit: Unit
    before: Floats
    after: Floats
    always: bool = True


def routing_stage(seen: RoutingSeen) -> Stage:
    """All of it."""
    rows = seen.rows
    total = len(rows) + seen.refused.total() + seen.hidden.total()
    by, groups = rows.clusters.settled() if len(rows) else ("request", None)
    figures = _hidden(seen) or (_figures(seen, groups, None) if len(rows) else [])
    if seen.refused:
        hit = [0.0] * len(rows) + [1.0] * sum(seen.refused.values())
        figures.insert(0, share(REFUSED, hit, note="counted, and left out of every other figure of routing"))
    moved = [(kind, mass, seen.examples[kind]) for kind, mass in seen.moves.items()]
    moved += [(why, float(count), seen.examples[why]) for why, count in seen.refused.items()]
    notes = [] if by == "request" else [f"limits go by {by}: requests of one {by} are not independent"]
    names = np.bincount(columns(rows.names), minlength=len(rows.routes)) if len(rows) else np.zeros(0, np.int64)
    ordered = sorted(rows.routes.items(), key=lambda one: -int(names[one[1]]))
    if len(ordered) > 1 or seen.hidden:
        for name, code in ordered[:MOST_ROUTES]:
            here = columns(rows.names) == code
            if np.nan_to_num(columns(rows.moved)[here], nan=1.0).any() or _priced_otherwise(seen, here):
                figures += [_named(name, one) for one in _figures(seen, groups, here)]
    left_out = dict(seen.left_out)
    if not total:
        return without("routes", [(CHANGED, "share"), ("cost", "USD"), ("latency", "s")], left_out)
    return Stage("routes", "evaluated", "", total, figures, kinds_of(moved, total), left_out, notes)


def _hidden(seen: RoutingSeen) -> list[Figure]:
    """Where NEW's choice cannot be told for some requests, what it brings for all of them cannot be told either."""
    if not seen.hidden:
        return []
    why, _ = seen.hidden.most_common(1)[0]
    note = f"no support: NEW's choice cannot be told for {seen.hidden.total():,} requests: {why}"
    questions: list[tuple[str, Unit]] = [(CHANGED, "share"), ("cost", "USD"), ("latency", "s"), ("answered", "share")]
    return [untold(name, unit, "no support", note, seen.hidden.total()) for name, unit in questions]


def _figures(seen: RoutingSeen, groups: Sequence[int] | None, here: NDArray[np.bool_] | None) -> list[Figure]:
    """Of all requests, or of those `here`."""
    rows = seen.rows
    chosen = np.ones(len(rows), bool) if here is None else here
    moved = columns(rows.moved)
    mine = None if groups is None else np.asarray(groups)
    figures = [_changed(seen, moved[chosen], None if mine is None else mine[chosen])]
    for metric in _metrics(seen):
        if metric.always or np.isfinite(metric.before[chosen]).any():
            outcomes = _outcomes(seen, metric, chosen, mine)
            worth = difference(metric.name, metric.unit, outcomes, next(iter(seen.untold), ""))
            figures.append(worth.difference)
            if worth.alone is not None and metric.name == "cost":
                found = figure(
                    "mean cost where the choice differs, by weights alone", "USD", worth.alone, worth.alone.n
                )
                figures.append(found)
    figures.append(_assumed(seen, chosen, mine))
    return figures


def _changed(seen: RoutingSeen, moved: Floats, groups: NDArray[np.int64] | None) -> Figure:
    unknown = np.isnan(moved)
    if unknown.any():
        why = f"OLD's choice is not known for {unknown.mean():.1%} of the requests: {next(iter(seen.untold), '')}"
        return untold(CHANGED, "share", "no support", f"no support: {why}", len(moved))
    stochastic = bool(((moved > 0) & (moved < 1)).any())
    note = "probability that moves to another model, of a request on average" if stochastic else ""
    return share(CHANGED, moved, None if groups is None else groups.tolist(), note=note)


def _metrics(seen: RoutingSeen) -> list[_Metric]:
    rows = seen.rows
    seconds, ttft, ok, score = (columns(one) for one in (rows.seconds, rows.ttft, rows.ok, rows.score))
    return [
        _Metric("cost", "USD", columns(rows.cost), columns(rows.repriced)),
        _Metric("latency", "s", seconds, seconds),
        _Metric("time to first token", "s", ttft, ttft, always=False),
        _Metric("answered", "share", ok, ok),
        _Metric("score", "score", score, score, always=False),
    ]


def _outcomes(
    seen: RoutingSeen, metric: _Metric, chosen: NDArray[np.bool_], groups: NDArray[np.int64] | None
) -> Outcomes:
    rows = seen.rows
    taken, old, new = (columns(one)[chosen] for one in (rows.taken, rows.old, rows.new))
    count = len(rows.actions)
    table = np.zeros((len(rows.lines), count))
    for line, at in rows.lines.items():
        _write(table[at], line, rows.actions)
    same = old == AS_RECORDED
    before, after = np.zeros((len(taken), count)), np.zeros((len(taken), count))
    before[~same], after[~same] = table[old[~same]], table[new[~same]]
    unknown = ~same & (before.sum(axis=1) < 0.5)
    actions = sorted(rows.actions, key=rows.actions.__getitem__)
    # Long prompts cost more whoever answers, and names are asked for different things.
    names = np.eye(len(rows.routes))[columns(rows.names)[chosen]][:, 1:MOST_ROUTES]
    prompt = columns(rows.prompt)[chosen]
    covariates = np.column_stack((prompt, names)) if np.ptp(prompt) else names
    clusters = None if groups is None else groups[chosen]
    return Outcomes(
        metric.before[chosen], metric.after[chosen], taken, before, after, covariates, unknown, actions, clusters
    )  # fmt: skip


def _write(row: Floats, line: Line, actions: dict[str, int]) -> None:
    for action, odds in line:
        row[actions[action]] = odds


def _assumed(seen: RoutingSeen, chosen: NDArray[np.bool_], groups: NDArray[np.int64] | None) -> Figure:
    """What the recorded tokens would cost at the price of the model chosen now: an assumption, and said to be one."""
    rows = seen.rows
    before, after = columns(rows.cost)[chosen], columns(rows.assumed)[chosen]
    known = np.isfinite(before) & np.isfinite(after)
    note = "assumes that every model reads and writes the tokens that were recorded; it will not"
    if known.sum() < 2:
        return untold(ASSUMED, "USD", "not evaluated", "no price is known for what is chosen now, or for what was")
    if not known.all():
        note += f"; without {1 - known.mean():.1%} of the requests, which have no price"
    each, base = (after - before)[known], float(before[known].mean())
    mine = None if groups is None else groups[chosen][known]
    few = mine is not None and len(np.unique(mine)) < 2
    if few or not np.ptp(each):
        mean = float(each.mean())
        return Figure(ASSUMED, "USD", "assumed", mean, n=len(each), requests=len(each), note=note, base=base)
    found = paired_difference(each, np.zeros(len(each)), None if mine is None else mine.tolist())
    return figure(ASSUMED, "USD", found, len(each), told="assumed", base=base, note=note)


def _priced_otherwise(seen: RoutingSeen, here: NDArray[np.bool_]) -> bool:
    cost, repriced = columns(seen.rows.cost)[here], columns(seen.rows.repriced)[here]
    return not np.array_equal(cost, repriced, equal_nan=True)


def _named(route: str, one: Figure) -> Figure:
    return Figure(
        f"{route}: {one.name}", one.unit, one.told, one.estimate, one.low, one.high, one.confidence, one.n,
        one.requests, one.method, one.note, one.base,
    )  # fmt: skip
