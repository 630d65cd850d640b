"""Cost and latency beside quality: differences with intervals, which decide nothing."""

from collections.abc import Sequence
from dataclasses import replace

from llmctl.evals.comparison import Estimate
from llmctl.evals.comparison_text import figure, limits
from llmctl.evals.measured import dollars, measure, per_cluster, seconds
from llmctl.evals.paired_metric import Method, paired_means
from llmctl.evals.pairing import pairs
from llmctl.scoring.result import Result
from llmctl.statistics.signed_rank import paired_shift


def cost(a: Sequence[Result], b: Sequence[Result], confidence: float, seed: int = 0) -> Estimate:
    """The mean difference in US dollars per item. Answers without a price, or with part of one, are counted apart."""
    left, right = measure(a, "cost", dollars), measure(b, "cost", dollars)
    none = Estimate("cost", "beside", "USD", "less", None, None, None, 0, (left.lacking, right.lacking))
    if not left.values.keys() & right.values.keys():
        return replace(none, note="no item has a price on both sides")
    both = pairs(left, right)
    mean_a, mean_b = both.means(confidence)
    known = replace(none, a=mean_a, b=mean_b, items=len(both.items))
    if not (both.a - both.b).any():
        return replace(known, note="every item costs the same on both sides")
    found = paired_means(both.a, both.b, both.clusters, Method(confidence, seed))
    return replace(known, difference=found.difference, p=found.p)


def latency(a: Sequence[Result], b: Sequence[Result], confidence: float) -> Estimate:
    """The shift in seconds, by Hodges and Lehmann over pairs, one per cluster.

    Of fresh answers alone: what was taken from an earlier run says how fast things were then.
    """
    left, right = (measure([result for result in side if not result.cached], "latency", seconds) for side in (a, b))
    none = Estimate("latency", "beside", "s", "less", None, None, None, 0, (left.lacking, right.lacking))
    if not left.values.keys() & right.values.keys():
        return replace(none, note="no item was answered afresh and timed on both sides")
    both = pairs(left, right)
    mean_a, mean_b = both.means(confidence)
    shift = paired_shift(per_cluster(both.a, both.clusters), per_cluster(both.b, both.clusters), confidence)
    return replace(none, a=mean_a, b=mean_b, difference=shift, items=len(both.items), p=shift.p)


def in_words(one: Estimate, per: str = "item") -> str:
    """What a difference in cost or latency comes to; empty where there is none."""
    if one.difference is None:
        return ""
    if not one.difference.excludes_zero:
        return f"no difference in {one.name} is shown"
    better = "A" if one.difference.high < 0 else "B"
    seen = one.difference.swapped() if better == "A" else one.difference
    verb = "costs" if one.name == "cost" else "takes"
    return f"{better} {verb} {figure(seen.estimate, one.unit)} less per {per} ({limits(seen, one.unit)})"
