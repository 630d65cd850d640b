"""What an interval answers of the question that `decide` asks: superiority, non-inferiority, or equivalence.

A is what there is, B the candidate. Equivalence asks for all of the interval inside ±margin at the full confidence,
more than two one-sided tests would; non-inferiority looks at one limit, of the interval of twice the alpha.
"""

import math
from dataclasses import replace

from llmctl.evals.suite import DecisionConfig
from llmctl.statistics.decide import Verdict, decide, more_needed
from llmctl.statistics.interval import Interval


def checked(config: DecisionConfig) -> DecisionConfig:
    """The same. Raises ValueError where the question needs a margin and has none, or asks for no more than a coin."""
    if config.confidence <= 0.5:
        raise ValueError(f"decide.confidence: needs more than 0.5, such as 0.95; got {config.confidence:g}")
    if config.kind != "superiority" and config.margin is None:
        raise ValueError(
            f"decide.margin: {config.kind} needs the difference from which on it matters, such as margin: 0.03"
        )
    return config


def judge(
    difference: Interval,
    config: DecisionConfig,
    *,
    p: float | None = None,
    one_sided: Interval | None = None,
    items: int | None = None,
) -> Verdict:
    """The verdict of a difference A - B of which more is better.

    `items` is how many items the interval's units hold, where units are clusters: then the items still needed are
    told, not the clusters. `one_sided` and `p` as in `decide`. Raises ValueError for a missing margin.
    """
    margin = checked(config).margin
    if config.kind == "equivalence" and margin is not None and difference.within(margin):
        words = f"equivalent: they differ by less than {margin:g} {told(difference)}"
        return Verdict("equivalent", difference, margin, None, words, p)
    if config.kind == "non_inferiority" and margin is not None and not _better(difference, p):
        verdict = decide(difference, margin, one_sided=one_sided, p=1.0)
        if verdict.kind in ("non-inferior", "equivalent"):
            words = f"non-inferior: B is worse by less than {margin:g}, if at all {told(one_sided or difference)}"
            return Verdict("non-inferior", difference, margin, None, words, p)
    verdict = decide(difference, margin, p=p)
    if verdict.kind == "non-inferior":  # nobody asked
        verdict = replace(verdict, kind="inconclusive")
    return verdict if verdict.decided else _inconclusive(verdict, config, items)


def told(difference: Interval) -> str:
    """What is said beside an estimate."""
    return f"({difference.confidence:.4g} interval {difference.low:.4g} to {difference.high:.4g}, n = {difference.n:,})"


def _better(difference: Interval, p: float | None) -> bool:
    """Whether B is shown to be better."""
    return decide(difference, p=p).kind == "B"


def _inconclusive(verdict: Verdict, config: DecisionConfig, items: int | None) -> Verdict:
    difference = verdict.difference
    more = more_needed(difference, config.margin, config.power)
    if more is not None and items is not None and difference.n:
        more = math.ceil(more * items / difference.n)
    needed = f"{more:,} more items" if more is not None else "more items than can be told"
    corrected = ""
    if difference.excludes_zero and verdict.p is not None:
        corrected = f" after correction for several comparisons (p = {verdict.p:.2g})"
    return replace(verdict, more=more, words=f"inconclusive{corrected}: {needed} {told(difference)}")
