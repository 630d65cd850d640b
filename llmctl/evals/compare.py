"""A against B over the same items: paired, clustered, corrected, and with a verdict that may be believed.

Repeats of an item are averaged, items are paired by id, and items of one cluster count together. Primary metrics are
corrected by Holm, slices by Benjamini and Hochberg; cost and latency stand beside, and decide nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from llmctl.evals import beside
from llmctl.evals.comparison import NAMED, Comparison, Estimate, Side
from llmctl.evals.measured import Measured, measure
from llmctl.evals.missing import Missing, missing
from llmctl.evals.paired_metric import Found, Method, paired
from llmctl.evals.pairing import Pairs, pairs
from llmctl.evals.slices import slices
from llmctl.evals.suite import DecisionConfig
from llmctl.evals.verdicts import checked, judge
from llmctl.scoring.result import Result
from llmctl.statistics.decide import Verdict, holm

STOPPED = "cost and latency: their intervals are for one look, and when to stop was decided by quality"


def compare(
    a: Sequence[Result],
    b: Sequence[Result],
    config: DecisionConfig,
    *,
    names: tuple[str, str] | None = None,
    seed: int = 0,
    horizon: int | None = None,
) -> Comparison:
    """What the results of two variants say of them; A is what there is, B the candidate.

    `names` default to the results' own. With a `horizon`, that of the `Sequential` that was fed the same pairs,
    intervals of quality hold at any look: pass it whenever the run may have been stopped by what it showed.
    Raises ValueError where nothing can be paired, or the question needs a margin.
    """
    checked(config)
    names = names or (_name(a, "A"), _name(b, "B"))
    metrics = list(dict.fromkeys((config.metric, *config.also)))
    measured = {metric: (measure(a, metric), measure(b, metric)) for metric in metrics}
    first = measured[config.metric]
    sides = _side(names[0], a, *first), _side(names[1], b, *first[::-1])
    share = (1 - config.confidence) / (1 if horizon is None else len(metrics))
    method = Method(1 - share, seed, config.kind == "non_inferiority", horizon)
    estimates = _primary(measured, config, method)
    lost = {one.name: _missing(*measured[one.name], one.verdict, config, method) for one in estimates}
    estimates = [_blocked(one, lost[one.name]) for one in estimates]
    lead = estimates[0].verdict
    assert lead is not None
    estimates += slices(*first, config, method)
    estimates += (extra := [beside.cost(a, b, config.confidence, seed), beside.latency(a, b, config.confidence)])
    blocked = lost[config.metric].blocked
    kind, words = ("blocked", lead.words) if blocked else (lead.kind, _headline(names, lead, extra))
    cautions = _cautions(sides, lost, estimates, horizon is not None)
    looked = horizon is not None
    checks = {"missing": lost}
    return Comparison(*sides, tuple(estimates), kind, words, blocked, lead.more, looked, cautions, checks)


def _primary(
    measured: Mapping[str, tuple[Measured, Measured]], config: DecisionConfig, method: Method
) -> list[Estimate]:
    """An estimate per metric, wins corrected by Holm for there being several."""
    both = {metric: pairs(*sides) for metric, sides in measured.items()}
    found = {metric: _difference(one, method) for metric, one in both.items()}
    raw = [one.p for one in found.values() if one.p is not None]
    adjusted: list[float | None] = [*map(float, holm(raw))] if raw else [None] * len(found)
    estimates = []
    for (metric, one), pair, p in zip(found.items(), both.values(), adjusted, strict=True):
        items, means = len(pair.items), pair.means(config.confidence)
        verdict = judge(one.difference, config, p=p, one_sided=one.one_sided, items=items)
        unknown = measured[metric][0].lacking, measured[metric][1].lacking
        estimates.append(
            Estimate(metric, "primary", "", "more", *means, one.difference, items, unknown, one.p, verdict)
        )
    return estimates


def _difference(found: Pairs, method: Method) -> Found:
    return paired(found.a, found.b, found.clusters, method)


def _missing(a: Measured, b: Measured, verdict: Verdict | None, config: DecisionConfig, method: Method) -> Missing:
    def filled(value_a: float, value_b: float) -> str:
        lacking = dict.fromkeys(a.unscored, value_a), dict.fromkeys(b.unscored, value_b)
        either = {item for item in (*a.unscored, *b.unscored) if item in a.values or item in b.values}
        left, right = (
            replace(side, values={**side.values, **{item: one for item, one in lack.items() if item in either}})
            for side, lack in zip((a, b), lacking, strict=True)
        )
        found = _difference(pairs(left, right), method)
        return judge(found.difference, config, p=found.p, one_sided=found.one_sided).kind

    return missing(a, b, verdict.kind if verdict is not None else "inconclusive", filled)


def _blocked(one: Estimate, lost: Missing) -> Estimate:
    """Without its verdict where what is missing might turn it."""
    if not lost.blocked or one.verdict is None:
        return one
    words = f"no verdict: {lost.blocked}"
    return replace(one, verdict=replace(one.verdict, kind="inconclusive", more=None, words=words))


def _side(name: str, results: Sequence[Result], mine: Measured, other: Measured) -> Side:
    items = {**mine.clusters}
    only = tuple(item for item in items if item not in other.clusters)
    errors = sum(1 for result in results if result.error)
    return Side(name, mine.results, len(items), errors, mine.unscored, only)


def _name(results: Sequence[Result], otherwise: str) -> str:
    return (results[0].variant if results else "") or otherwise


def _headline(names: tuple[str, str], lead: Verdict, extra: Sequence[Estimate]) -> str:
    words = lead.words
    told = [beside.in_words(one) for one in extra]
    if names != ("A", "B"):
        words += f" [A is {names[0]}, B is {names[1]}]"
    return "; ".join([words, *filter(None, told)])


def _cautions(
    sides: tuple[Side, Side], lost: Mapping[str, Missing], estimates: Sequence[Estimate], looked: bool
) -> tuple[str, ...]:
    told = {name: one.caution for name, one in lost.items() if one.caution and not one.blocked}
    found = [f"{name}: {caution}" if len(lost) > 1 else caution for name, caution in told.items()]
    for side, letter in zip(sides, "AB", strict=True):
        if side.only_here:
            more = ", …" if len(side.only_here) > NAMED else ""
            found.append(
                f"{len(side.only_here)} items are only in {letter} and are left out: "
                f"{', '.join(side.only_here[:NAMED])}{more}"
            )
        if side.errors:
            found.append(f"{side.errors} of {side.results} answers of {letter} are errors")
    for one in estimates:
        if one.name == "cost" and one.items and any(one.unknown):
            found.append(f"cost: {one.unknown[0]} answers of A and {one.unknown[1]} of B have no price, or part of one")
        if one.difference is not None and one.difference.caution:
            found.append(f"{one.name}: {one.difference.caution}")
    return tuple(filter(None, [*found, STOPPED if looked else ""]))
