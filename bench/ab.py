"""Evidence that A/B verdicts can be trusted, as JSON: `python bench/ab.py [RUNS]`. About five minutes at 2,000 runs.

`recorded`: verdicts over ../shared/data/routing, and what scipy and statsmodels say of the same. `false_alarms`:
how often `Sequential` stops with a win where two are alike, looking at every item, alpha 5%. `coverage`: the share of
intervals of `compare` at 95% that hold the truth. `three_points`: how much earlier than a fixed-n design of equal power
`Sequential` stops on average where one side is 3 points better.
"""

import gzip
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmctl.evals.compare import compare
from llmctl.evals.sequential_ab import Planned, Sequential, Stop
from llmctl.evals.suite import DecisionConfig
from llmctl.scoring.result import Result
from llmctl.statistics.interval import Interval
from llmctl.statistics.power import discordant_spread, items_needed

DATA = Path(__file__).resolve().parent.parent.parent / "shared" / "data" / "routing" / "zeroeval_results.jsonl.gz"
MINI, FULL = "gpt-4o-mini-2024-07-18", "gpt-4o-2024-08-06"
ONLY_A, ONLY_B = 0.10, 0.07

Random = np.random.Generator
Values = NDArray[np.float64]


def results(variant: str, values: Values, clusters: NDArray[np.int64] | None = None) -> list[Result]:
    """One result per item; `clusters` are numbers of each item's."""
    names = [""] * len(values) if clusters is None else [f"c{number}" for number in clusters.tolist()]
    return [
        Result(f"i{at}", at, 0, variant, value, value >= 0.5, cluster=names[at])
        for at, value in enumerate(values.tolist())
    ]


def recorded_results(model: str) -> list[Result]:
    """What one model of the data answered, right or wrong."""
    with gzip.open(DATA, "rt", encoding="utf-8") as lines:
        found = [row for row in map(json.loads, lines) if row["model"] == model]
    return [Result(row["id"], at, 0, model, float(row["correct"]), row["correct"] == 1) for at, row in enumerate(found)]


def halves(of: list[Result], seed: int) -> tuple[list[Result], list[Result]]:
    """Two halves of one model's results, by chance, as pairs of items that have nothing in common but the model."""
    order = np.random.default_rng(seed).permutation(len(of))
    half = len(of) // 2
    sides = []
    for name, places in (("first", order[:half]), ("second", order[half : 2 * half])):
        sides.append([Result(f"i{at}", at, 0, name, of[p].score, of[p].passed) for at, p in enumerate(places.tolist())])
    return sides[0], sides[1]


def recorded() -> list[dict[str, Any]]:
    """Each comparison's verdict, and p and limits of other libraries over the same numbers."""
    cases = {f"{MINI} against {FULL}": (recorded_results(MINI), recorded_results(FULL))}
    for model in (MINI, FULL):
        cases[f"two halves of {model}"] = halves(recorded_results(model), seed=1)
    return [{"case": name, **told(*sides)} for name, sides in cases.items()]


def told(a: list[Result], b: list[Result]) -> dict[str, Any]:
    from scipy import stats
    from statsmodels.stats.contingency_tables import mcnemar

    found = compare(a, b, DecisionConfig())
    first = found.primary[0]
    left = np.array([result.score for result in a])
    by_item = {result.item: result.score for result in b}
    right = np.array([by_item[result.item] for result in a])
    table = [[int(((left == one) & (right == two)).sum()) for two in (1, 0)] for one in (1, 0)]
    apart = stats.ttest_rel(left, right)
    limits = apart.confidence_interval(0.95)
    p = float(mcnemar(table, exact=True).pvalue)
    theirs = "inconclusive" if p > 0.05 else "A" if table[0][1] > table[1][0] else "B"
    assert first.difference is not None
    return {
        "verdict": found.kind,
        "words": found.verdict,
        "tango": [first.difference.low, first.difference.high],
        "p": first.p,
        "statsmodels_mcnemar_p": p,
        "scipy_t_limits": [float(limits.low), float(limits.high)],
        "scipy_t_p": float(apart.pvalue),
        "verdict_by_statsmodels": theirs,
        "verdict_by_scipy": "inconclusive" if apart.pvalue > 0.05 else "A" if left.mean() > right.mean() else "B",
    }


def drawn(random: Random, items: int, only_a: float, only_b: float) -> Values:
    """Differences of right-or-wrong scores: 1 where A alone is right, -1 where B alone is."""
    uniform = random.random(items)
    return (uniform < only_a).astype(np.float64) - (uniform > 1 - only_b)


def sequence(differences: Values, horizon: int | None = None) -> Stop:
    """One run of `Sequential`, looked at after every pair."""
    names = [str(at) for at in range(len(differences))]
    found = Sequential(DecisionConfig(), [Planned(name) for name in names], horizon)
    for name, difference in zip(names, differences.tolist(), strict=True):
        if stop := found.on_pair(name, max(difference, 0.0), max(-difference, 0.0)):
            return stop
    raise AssertionError("everything was looked at, and it did not stop")


def false_alarms(runs: int, items: int = 1421) -> dict[str, float]:
    """Where both are alike: each right alone on 8.5% of the items, and by scores with repeats."""
    random = np.random.default_rng(3)
    binary = sum(sequence(drawn(random, items, 0.085, 0.085)).why == "win" for _ in range(runs))
    graded = 0
    for _ in range(runs):
        graded += sequence(random.beta(2, 1, items) - random.beta(2, 1, items)).why == "win"
    return {"right or wrong": binary / runs, "scores": graded / runs}


def binary(random: Random) -> tuple[list[Result], list[Result], float]:
    uniform = random.random(400)
    both = random.random(400) < 0.7
    only_a, only_b = uniform < ONLY_A, uniform > 1 - ONLY_B
    a, b = np.where(only_b, 0.0, np.where(only_a, 1.0, both)), np.where(only_a, 0.0, np.where(only_b, 1.0, both))
    return results("a", a), results("b", b), ONLY_A - ONLY_B


def continuous(random: Random) -> tuple[list[Result], list[Result], float]:
    item = random.beta(4, 2, 300)
    a, b = 0.5 * item + 0.5 * random.beta(3, 2, 300), 0.5 * item + 0.5 * random.beta(2, 2, 300)
    return results("a", a), results("b", b), 0.05


def skewed(random: Random) -> tuple[list[Result], list[Result], float]:
    """A is now and then much better: one item in five."""
    gain = np.where(random.random(300) < 0.2, random.beta(2, 2, 300), 0.0)
    base = random.random(300) * 0.001
    return results("a", gain + base), results("b", base), 0.1


def clustered(random: Random, count: int = 100) -> tuple[list[Result], list[Result], float]:
    """Four items to a cluster on average, some with one, some with ten."""
    items = 4 * count
    labels = random.integers(0, count, items)
    shared = random.normal(0, 0.07, count)[labels]
    a, b = random.normal(0.55, 0.1, items) + shared, random.normal(0.5, 0.1, items)
    return results("a", a, labels), results("b", b, labels), 0.05


CASES: dict[str, Callable[[Random], tuple[list[Result], list[Result], float]]] = {
    "right or wrong, 400 items": binary,
    "scores, 300 items": continuous,
    "skewed scores, 300 items": skewed,
    "scores in 100 uneven clusters": clustered,
    "scores in 60 uneven clusters": lambda random: clustered(random, 60),
}


def coverage(runs: int) -> dict[str, float]:
    held = {}
    for name, case in CASES.items():
        random = np.random.default_rng(1)
        held[name] = sum(holds(*case(random)) for _ in range(runs)) / runs
    return held


def holds(a: list[Result], b: list[Result], truth: float) -> bool:
    found = compare(a, b, DecisionConfig()).primary[0].difference
    assert isinstance(found, Interval)
    return found.low <= truth <= found.high


def three_points(runs: int) -> list[dict[str, float]]:
    """10% against 7% of the items right on one side alone, with budgets that give the fixed design's power."""
    random, spread = np.random.default_rng(4), discordant_spread(ONLY_A + ONLY_B, ONLY_A - ONLY_B)
    horizon = items_needed(ONLY_A - ONLY_B, spread, power=0.95).items
    stops = [sequence(drawn(random, 8000, ONLY_A, ONLY_B), horizon) for _ in range(runs)]
    at = np.array([stop.observed if stop.verdict.kind == "A" else np.inf for stop in stops])
    rows = []
    for power in (0.8, 0.9, 0.95, 0.99):
        fixed = items_needed(ONLY_A - ONLY_B, spread, power=power).items
        budget = float(np.quantile(at, power, method="higher"))
        mean = float(np.minimum(at, budget).mean())
        row = {"power": power, "fixed_items": fixed, "budget": budget, "mean_items": round(mean, 1)}
        rows.append({**row, "fewer": round(1 - mean / fixed, 4)})
    return rows


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 2_000
    figures = {
        "runs": runs,
        "recorded": recorded() if DATA.is_file() else f"{DATA} is not there",
        "false_alarms": false_alarms(runs),
        "coverage": coverage(runs),
        "three_points": three_points(runs),
    }
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
