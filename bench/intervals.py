"""How right and how fast llmctl/statistics is, as JSON: `python bench/intervals.py [RUNS]`. About two minutes.

`coverage`: the share of intervals at 95% that hold the truth, over RUNS simulations (10,000) each. `false_alarms`: how
often two that are alike are told apart, with a look at every item, at an alpha of 5%; beside it what a fixed-n interval
looked at like that would do. `three_points`: how much earlier than a fixed-n design of the same power the confidence
sequence stops on average where one side is 3 points better. `milliseconds`: what single calls take.
"""

import json
import sys
from collections.abc import Callable
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from llmctl.statistics.interval import Interval
from llmctl.statistics.offpolicy import doubly_robust, recorded, self_normalised
from llmctl.statistics.online import cuped, ratio
from llmctl.statistics.order import hodges_lehmann, quantile_interval
from llmctl.statistics.paired import bootstrap_difference, paired_difference
from llmctl.statistics.power import discordant_spread, items_needed
from llmctl.statistics.rates import tango, tango_limits
from llmctl.statistics.sequential import Design, binary_e_value, limits, msprt_p

Values = NDArray[np.float64]
Random = np.random.Generator
BLOCK = 250  # runs simulated at once: 250 by 8,000 items are 16 MB


def differences(random: Random, runs: int, items: int, only_a: float, only_b: float) -> Values:
    drawn = random.random((runs, items), dtype=np.float32)
    return (drawn < only_a).astype(np.float64) - (drawn > 1 - only_b)


def continuous(random: Random) -> tuple[Interval, float]:
    return paired_difference(random.normal(0.1, 1, 240), np.zeros(240)), 0.1


def skewed(random: Random) -> tuple[Interval, float]:
    return paired_difference(random.exponential(1, 240), np.zeros(240)), 1.0


def clustered(random: Random) -> tuple[Interval, float]:
    labels = random.integers(0, 60, 240)
    values = random.normal(0.1, 1, 240) + random.normal(0, 0.7, 60)[labels]
    return paired_difference(values, np.zeros(240), labels.tolist()), 0.1


def ratios(random: Random) -> tuple[Interval, float]:
    requests = random.poisson(4, 400) + 1.0
    return ratio(requests * random.gamma(2, 0.5, 400), requests), 1.0


def adjusted(random: Random) -> tuple[Interval, float]:
    before = random.exponential(size=(2, 200))
    after = before + random.normal(size=(2, 200))
    return cuped(after[0], before[0], after[1], before[1]), 0.0


def median(random: Random) -> tuple[Interval, float]:
    return quantile_interval(random.exponential(size=400), 0.5), float(np.log(2))


def policy(random: Random, robust: bool) -> tuple[Interval, float]:
    old, new, quality = np.array([0.6, 0.3, 0.1]), np.array([0.2, 0.4, 0.4]), np.array([0.5, 0.6, 0.9])
    actions = random.choice(3, 600, p=old)
    rewards = (random.random(600) < quality[actions]).astype(np.float64)
    records = recorded(actions, rewards, np.tile(old, (600, 1)), np.tile(new, (600, 1)))
    interval = doubly_robust(records, np.tile([0.4, 0.5, 0.6], (600, 1))) if robust else self_normalised(records)
    return interval, float(new @ quality)


CASES: dict[str, Callable[[Random], tuple[Interval, float]]] = {
    "paired t, normal, 240 items": continuous,
    "paired t, exponential, 240 items": skewed,
    "paired t, 60 clusters of 4": clustered,
    "ratio by the delta method, 400 subjects": ratios,
    "CUPED, 200 subjects per arm": adjusted,
    "median by order statistics, 400 values": median,
    "self-normalised IPS, 600 records": lambda random: policy(random, False),
    "doubly robust with a poor model, 600 records": lambda random: policy(random, True),
}


def coverage(runs: int) -> dict[str, float]:
    held = {}
    for name, case in CASES.items():
        random = np.random.default_rng(1)
        drawn = (case(random) for _ in range(runs))
        held[name] = sum(interval.low <= truth <= interval.high for interval, truth in drawn) / runs
    for items in (200, 1000):
        tables = np.random.default_rng(2).multinomial(items, [0.1, 0.07, 0.83], runs)
        low, high = tango_limits(tables[:, 0], tables[:, 1], items)
        held[f"Tango, 10% against 7%, {items} items"] = float(((low <= 0.03) & (high >= 0.03)).mean())
    return held


def false_alarms(runs: int) -> dict[str, float]:
    """Shares of runs of 3,000 items of which 10% are right on either side alone."""
    random, alarms = np.random.default_rng(3), np.zeros(4)
    for _ in range(runs // BLOCK):
        drawn = differences(random, BLOCK, 3000, 0.1, 0.1)
        low, high = limits(drawn, Design(2000))
        counted = np.cumsum(drawn > 0, axis=1), np.cumsum(drawn < 0, axis=1)
        z = (counted[0] - counted[1]) / np.sqrt(np.maximum(counted[0] + counted[1], 1))
        found = [
            (low > 0) | (high < 0),
            binary_e_value(*counted) >= 20,
            msprt_p(drawn, 0.03) <= 0.05,
            np.abs(z[:, 49:]) > 1.96,
        ]
        alarms += [one.any(axis=1).sum() for one in found]
    names = ("confidence sequence", "binary e-value", "mSPRT", "a fixed-n interval, wrongly")
    return {name: float(count) / (runs // BLOCK * BLOCK) for name, count in zip(names, alarms, strict=True)}


def three_points(runs: int) -> list[dict[str, float]]:
    """10% against 7% right on one side alone: budgets at which the sequence has the fixed design's power."""
    random, spread = np.random.default_rng(4), discordant_spread(0.17, 0.03)
    horizon = items_needed(0.03, spread, power=0.95).items
    wins: list[Values] = []
    for _ in range(runs // BLOCK):
        low, _ = limits(differences(random, BLOCK, 8000, 0.10, 0.07), Design(horizon))
        won = low > 0
        wins.append(np.where(won.any(axis=1), won.argmax(axis=1) + 1.0, np.inf))
    at = np.concatenate(wins)
    rows = []
    for power in (0.8, 0.9, 0.95, 0.99):
        fixed = items_needed(0.03, spread, power=power).items
        budget = float(np.quantile(at, power, method="higher"))
        mean = float(np.minimum(at, budget).mean())
        row = {"power": power, "fixed_items": fixed, "budget": budget, "mean_items": round(mean, 1)}
        rows.append({**row, "fewer": round(1 - mean / fixed, 4)})
    return rows


def milliseconds() -> dict[str, float]:
    random = np.random.default_rng(5)
    a, b = random.normal(size=(2, 10_000))
    big = random.lognormal(size=(2, 100_000))
    labels = (np.arange(10_000) % 500).tolist()
    calls: dict[str, Callable[[], object]] = {
        "tango": lambda: tango(150, 86, 1600),
        "paired_difference, 10,000 items, 500 clusters": lambda: paired_difference(a, b, labels),
        "bootstrap_difference, 10,000 items": lambda: bootstrap_difference(a, b, seed=1),
        "bootstrap_difference, 500 clusters": lambda: bootstrap_difference(a, b, labels, seed=1),
        "hodges_lehmann, 100,000 against 100,000": lambda: hodges_lehmann(big[0], big[1]),
        "quantile_interval, 100,000 values": lambda: quantile_interval(big[0], 0.99),
    }
    return {name: round(min(timed(call) for _ in range(3)), 2) for name, call in calls.items()}


def timed(call: Callable[[], object]) -> float:
    started = perf_counter()
    call()
    return 1000 * (perf_counter() - started)


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    figures = {
        "runs": runs,
        "coverage": coverage(runs),
        "false_alarms": false_alarms(runs),
        "three_points": three_points(runs),
        "milliseconds": milliseconds(),
    }
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
