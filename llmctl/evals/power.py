"""How many items a comparison needs, what so many would tell, and what looking while it runs would save.

A spread comes from what is known beforehand (rates, or a standard deviation) or from a pilot's results. Looking early
is simulated: a confidence sequence over normal differences, with the budget at which it has the same power.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from llmctl.evals.measured import measure
from llmctl.evals.pairing import pairs
from llmctl.scoring.result import Result
from llmctl.statistics.observations import Floats
from llmctl.statistics.paired import paired_difference
from llmctl.statistics.power import (
    Plan,
    Spread,
    binary_spread,
    detectable,
    discordant_spread,
    estimated_spread,
    items_needed,
    power_of,
)
from llmctl.statistics.sequential import START, Design, limits

RUNS = 2000
_ITEMS = 1000  # of a simulated design of fixed size, others are this one stretched
_LONGEST = 4  # times as many as the fixed design
_BLOCK = 250


@dataclass(frozen=True, slots=True)
class Looking:
    """A comparison that is looked at after every item: it stops after `mean_items` on average, `budget` at most.

    `saved` is the share of the fixed design's items that it does not ask, on average, if the effect is the truth;
    below 0 it asks more. Without any effect it mostly asks all.
    """

    budget: int
    mean_items: int
    saved: float


def known_spread(
    effect: float,
    baseline: float | None = None,
    sd: float | None = None,
    correlation: float = 0.0,
    discordant: float | None = None,
    repeat_sd: float = 0.0,
) -> Spread:
    """The spread of right-or-wrong scores around `baseline`, or of scores with this standard deviation.

    `correlation` is of the two sides over items; `discordant` the share of items that only one side gets right;
    `repeat_sd` is how far repeats of one item scatter, which is what repeats take away.
    Raises ValueError where these contradict each other.
    """
    if (sd is None) == (baseline is None and discordant is None):
        raise ValueError("give --baseline (a rate), --discordant (a share), or --sd, or a pilot's results")
    if sd is not None:
        if sd <= 0 or not -1 <= correlation <= 1:
            raise ValueError(f"needs an sd above 0 and a correlation within ±1, got {sd:g} and {correlation:g}")
        total = Spread(2 * sd**2 * (1 - correlation))
    elif discordant is not None:
        total = discordant_spread(discordant, effect)
    else:
        assert baseline is not None
        if not 0 <= baseline + effect <= 1:
            raise ValueError(f"a rate of {baseline:g} cannot change by {effect:g}: {baseline + effect:g} is no rate")
        total = binary_spread(baseline + effect, baseline, correlation)
    noise = repeat_sd**2
    if 2 * noise > total.between + 1e-12:
        raise ValueError(f"--repeat-sd {repeat_sd:g}: repeats cannot scatter more than the differences do")
    return Spread(max(0.0, total.between - 2 * noise), noise, noise)


def pilot_spread(a: Sequence[Result], b: Sequence[Result], metric: str) -> Spread:
    """The spread that two variants of a pilot show, clusters included; with two repeats or more, their noise too.

    Raises ValueError for too few items.
    """
    both = pairs(measure(a, metric), measure(b, metric))
    if len(both.items) < 2:
        raise ValueError("needs two items at least in a pilot, to see how they differ")
    table = [_table(side, both.items, metric) for side in (a, b)]
    if all(int((~np.isnan(side)).sum(axis=1).max()) > 1 for side in table):
        spread = estimated_spread(*table)
    else:
        spread = Spread(float((both.a - both.b).var(ddof=1)))
    if len(set(both.clusters)) == len(both.items) or not (both.a - both.b).any():
        return spread
    error = paired_difference(both.a, both.b, both.clusters).standard_error
    grown = error**2 * len(both.items) / float((both.a - both.b).var(ddof=1))
    return Spread(*(max(1.0, grown) * part for part in (spread.between, spread.noise_a, spread.noise_b)))


def needed(effect: float, spread: Spread, repeats: int, alpha: float, power: float) -> Plan:
    """The least items for this effect."""
    return items_needed(abs(effect), spread, repeats, repeats, alpha, power)


def told_by(items: int, spread: Spread, repeats: int, alpha: float, power: float, effect: float | None) -> Plan:
    """What so many items tell: the least effect with this power, or the power for this effect."""
    if effect is None:
        return detectable(items, spread, repeats, repeats, alpha, power)
    return Plan(items, abs(effect), power_of(items, effect, spread, repeats, repeats, alpha), alpha)


def looking(plan: Plan, spread: Spread, repeats: int, power: float, *, runs: int = RUNS, seed: int = 0) -> Looking:
    """What looking after every item would take in place of `plan`, at the same power, for scores within 0 and 1.

    Raises ValueError where even four times as many items would not have the power.
    """
    size = min(plan.items, _ITEMS)
    stretch = plan.items / size
    deviation = math.sqrt(spread.variance(repeats, repeats))
    effect = plan.effect * math.sqrt(stretch)
    longest = max(_LONGEST * size, 2 * START)
    design = Design(max(START, size), plan.alpha, 1 / math.sqrt(stretch))
    random, at = np.random.default_rng(seed), np.empty(0)
    for _ in range(max(1, runs // _BLOCK)):
        low, _high = limits(random.normal(effect, deviation, (_BLOCK, longest)), design)
        won = low > 0
        at = np.append(at, np.where(won.any(axis=1), won.argmax(axis=1) + 1.0, np.inf))
    budget = float(np.quantile(at, power, method="higher"))
    if not math.isfinite(budget):
        raise ValueError(f"even {_LONGEST} times as many items would not have a power of {power:g} when looked at")
    mean = float(np.minimum(at, budget).mean())
    return Looking(math.ceil(budget * stretch), math.ceil(mean * stretch), 1 - mean * stretch / plan.items)


def _table(results: Sequence[Result], items: Sequence[str], metric: str) -> Floats:
    """(items, repeats) values, NaN where there is none."""
    repeats: dict[int, dict[str, float]] = {}
    for repeat in sorted({result.repeat for result in results}):
        repeats[repeat] = measure([one for one in results if one.repeat == repeat], metric).values
    return np.array([[of.get(item, np.nan) for of in repeats.values()] for item in items], dtype=np.float64)
