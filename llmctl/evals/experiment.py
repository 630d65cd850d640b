"""A against B on live traffic, from records: arms of an experiment, compared by subject.

First the sample ratio: an experiment that lost subjects has no verdict. Rates and cost are ratios of sums per subject,
by the delta method, less what was known of the subjects before (CUPED) where that can be; latency is the shift of the
subjects' medians by Hodges and Lehmann. The intervals are for one look, at a time decided beforehand.
"""

from collections.abc import Sequence
from dataclasses import replace
from statistics import median

import numpy as np

from llmctl.evals.beside import in_words
from llmctl.evals.comparison import Comparison, Estimate, Side
from llmctl.evals.experiment_traffic import Read, Subject, Traffic, traffic
from llmctl.evals.suite import DecisionConfig
from llmctl.evals.verdicts import checked, judge
from llmctl.statistics.decide import holm
from llmctl.statistics.interval import Interval
from llmctl.statistics.observations import Floats
from llmctl.statistics.online import SampleRatio, cuped, ratio, ratio_difference, sample_ratio
from llmctl.statistics.order import hodges_lehmann, quantile_interval
from llmctl.statistics.rates import newcombe
from llmctl.statistics.special import normal_cdf, normal_quantile

RATES = ("failure_rate", "blocked_rate", "fallback_rate", "aborted_rate")
NEVER_SEEN = "(never seen)"
KNOWN_BEFORE = 0.5  # share of subjects with records of before, from which CUPED is worth its name
LEAST = 5.0  # subjects expected in the smallest arm, below which the sample ratio says nothing (Cochran, 1954)
ONE_LOOK = "the intervals are for one look, at a time that was decided beforehand"


def compare_arms(
    read: Read,
    name: str,
    config: DecisionConfig,
    *,
    arms: tuple[str, str] | None = None,
    scores: Sequence[str] = (),
) -> Comparison:
    """What the records that `read` gives say of an experiment's two arms; A is what there is, B the candidate.

    The primary metric is the configuration's where records have it (`cost`, `latency`, `failure_rate`, `tag:NAME`, …),
    else the first score among the tags, else `failure_rate`. `scores` name tags that are numbers, more is better.
    Raises ValueError for an experiment or an arm that is not there.
    """
    checked(config)
    found = traffic(read, name, scores)
    a, b = _arms(found, name, arms)
    sides = [[subject for subject in found.subjects.values() if subject.arm == arm] for arm in (a, b)]
    if min(map(len, sides)) < 2:
        raise ValueError(f"{name}: {a} has {len(sides[0])} subjects and {b} {len(sides[1])}; two of each is the least")
    metrics = _metrics(found)
    estimates = [_estimate(metric, sides[0], sides[1], config.confidence, found.linked) for metric in metrics]
    estimates = _judged(estimates, config)
    splits = _splits(found)
    blocked = next((split.words for split in splits if _broken(split, len(splits))), "")
    lead = next(one.verdict for one in estimates if one.role == "primary")
    assert lead is not None
    beside = [in_words(one, "request") for one in estimates if one.role == "beside" and one.unit]
    words = "; ".join([lead.words, *filter(None, beside)])
    return Comparison(
        _side(a, sides[0]),
        _side(b, sides[1]),
        tuple(estimates),
        "blocked" if blocked else lead.kind,
        f"no verdict: {blocked}" if blocked else f"{words} [A is {a}, B is {b}]",
        blocked,
        None if blocked else lead.more,
        False,
        _cautions(found, estimates, splits),
        {"experiment": name, "sample_ratio": splits, "crossed": found.crossed, "unsticky": found.unsticky},
    )


def _arms(found: Traffic, name: str, arms: tuple[str, str] | None) -> tuple[str, str]:
    there = list(dict.fromkeys(arm for shares, _ in found.periods for arm in sorted(shares)))
    if arms is None:
        if len(there) != 2:
            raise ValueError(f"{name}: has the arms {', '.join(there)}; name two of them, --ab A B")
        # A canary is the candidate, whichever name sorts first.
        return (there[1], there[0]) if there[0] == "canary" else (there[0], there[1])
    for arm in arms:
        if arm not in there:
            raise ValueError(f"{name}: has no arm {arm!r}; it has {', '.join(there)}")
    return arms


def _metrics(found: Traffic) -> list[str]:
    there = dict.fromkeys(metric for subject in found.subjects.values() for metric in subject.sums)
    tags = [metric for metric in there if metric.startswith("tag:")]
    return [*tags, *RATES, *(["cost"] if "cost" in there else []), "latency"]


def _estimate(metric: str, a: list[Subject], b: list[Subject], confidence: float, linked: bool) -> Estimate:
    if metric == "latency":
        return _latency(a, b, confidence)
    kept = [[subject for subject in side if subject.sums.get(metric, (0, 0))[1]] for side in (a, b)]
    unit, better = ("USD" if metric == "cost" else ""), "more" if metric.startswith("tag:") else "less"
    lacking = [sum(subject.requests - int(subject.sums.get(metric, (0, 0))[1]) for subject in side) for side in (a, b)]
    none = Estimate(metric, "beside", unit, "less", None, None, None, 0, (lacking[0], lacking[1]))
    none = replace(none, better="more") if better == "more" else none
    if min(map(len, kept)) < 2:
        return replace(none, note="fewer than two subjects of an arm have it")
    sums = [np.array([subject.sums[metric] for subject in side], dtype=np.float64).T for side in kept]
    means = [ratio(side[0], side[1], confidence) for side in sums]
    difference = _difference(metric, kept, sums, confidence, linked)
    items = sum(map(len, kept))
    return replace(none, a=means[0], b=means[1], difference=difference, items=items, p=_p(difference))


def _difference(
    metric: str, sides: list[list[Subject]], sums: list[Floats], confidence: float, linked: bool
) -> Interval:
    single = all(bool((side[1] == 1).all()) for side in sums)
    if single and metric in RATES:
        hits = [int(side[0].sum()) for side in sums]
        return newcombe(hits[0], sums[0].shape[1], hits[1], sums[1].shape[1], confidence)
    before = [_before(metric, side) for side in sides] if linked else []
    known = np.concatenate(before) if before else np.array([np.nan])
    there = ~np.isnan(known)
    if there.mean() >= KNOWN_BEFORE and np.ptp(known[there]):
        filled = [np.where(np.isnan(side), known[there].mean(), side) for side in before]
        found = cuped(_linear(sums[0]), filled[0], _linear(sums[1]), filled[1], confidence)
        return replace(found, method=f"{found.method}, of ratios by the delta method")
    (above_a, below_a), (above_b, below_b) = sums
    return ratio_difference(above_a, below_a, above_b, below_b, confidence)


def _linear(sums: Floats) -> Floats:
    """A value per subject whose mean is the ratio of the sums, and whose variance is that of the delta method."""
    above, below = sums
    value = above.sum() / below.sum()
    return np.asarray(value + (above - value * below) / below.mean())


def _before(metric: str, side: list[Subject]) -> Floats:
    """Each subject's mean before the experiment, NaN without any."""
    pairs = [subject.before.get(metric, [0.0, 0.0]) for subject in side]
    return np.array([above / below if below else np.nan for above, below in pairs])


def _latency(a: list[Subject], b: list[Subject], confidence: float) -> Estimate:
    times = [[median(subject.seconds) for subject in side if subject.seconds] for side in (a, b)]
    lacking = [sum(subject.requests - len(subject.seconds) for subject in side) for side in (a, b)]
    none = Estimate("latency", "beside", "s", "less", None, None, None, 0, (lacking[0], lacking[1]))
    if not all(times):
        return replace(none, note="an arm has no answered request")
    left, right = (quantile_interval(side, 0.5, confidence) for side in times)
    shift = hodges_lehmann(times[0], times[1], confidence)
    return replace(none, a=left, b=right, difference=shift, items=sum(map(len, times)), p=shift.p)


def _judged(estimates: list[Estimate], config: DecisionConfig) -> list[Estimate]:
    """The primary ones first, with verdicts corrected by Holm."""
    by_name = {one.name: one for one in estimates}
    asked = [name for name in dict.fromkeys((config.metric, *config.also)) if name in by_name]
    primary = asked or [next((name for name in by_name if name.startswith("tag:")), "failure_rate")]
    raw = [one.p if (one := by_name[name]).p is not None else 1.0 for name in primary]
    judged = []
    for name, p in zip(primary, map(float, holm(raw)), strict=True):
        one = by_name.pop(name)
        if one.difference is None:
            raise ValueError(f"{name}: {one.note}; name another metric, or wait for traffic")
        seen = one.difference.swapped() if one.better == "less" else one.difference
        judged.append(replace(one, role="primary", verdict=judge(seen, config, p=p, items=one.items)))
    return [*judged, *by_name.values()]


def _p(difference: Interval) -> float:
    """The two-sided p whose interval would just reach zero, by the normal approximation that the interval rests on."""
    half = (difference.high - difference.low) / 2
    if not np.isfinite(half) or not half:
        return 1.0
    z = abs(difference.estimate) / half * normal_quantile((1 + difference.confidence) / 2)
    return min(1.0, 2 * normal_cdf(-z))


def _splits(found: Traffic) -> list[SampleRatio]:
    """The test of every period in which there are enough subjects for it."""
    tested = []
    for shares, observed in found.periods:
        rest = 1 - sum(shares.values())
        full = shares | ({NEVER_SEEN: rest} if rest > 1e-6 else {})
        if len(full) > 1 and min(full.values()) > 0 and sum(observed.values()) * min(full.values()) >= LEAST:
            tested.append(sample_ratio({arm: observed.get(arm, 0) for arm in full}, full))
    return tested


def _broken(split: SampleRatio, tests: int) -> bool:
    return replace(split, p=min(1.0, split.p * tests)).blocks


def _side(arm: str, subjects: list[Subject]) -> Side:
    failed = sum(subject.sums["failure_rate"][0] for subject in subjects)
    return Side(arm, sum(subject.requests for subject in subjects), len(subjects), int(failed))


def _cautions(found: Traffic, estimates: Sequence[Estimate], splits: Sequence[SampleRatio]) -> tuple[str, ...]:
    told = [ONE_LOOK]
    if not splits:
        told.append("too few subjects, or shares that are not known: whether the split is as asked for cannot be told")
    if found.crossed:
        told.append(f"{found.crossed} subjects were in several arms (shares were changed?) and are left out")
    if found.unsticky:
        told.append(f"{found.unsticky} requests named no subject and were drawn one by one")
    for one in estimates:
        if one.name == "cost" and any(one.unknown):
            told.append(f"cost: {one.unknown[0]} requests of A and {one.unknown[1]} of B have no price, or part of one")
        if one.difference is not None and one.difference.caution:
            told.append(f"{one.name}: {one.difference.caution}")
    return tuple(told)
