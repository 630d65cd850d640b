"""The figures of a run, per variant: every metric with its interval, what failed, what it cost, how long it took."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from llmctl.evals.measured import mean_interval, measure, metric_names, units
from llmctl.evals.results.read import Results
from llmctl.model.usage import Cost
from llmctl.scoring.result import Result
from llmctl.statistics.interval import Interval
from llmctl.statistics.order import quantile_interval


@dataclass(frozen=True, slots=True)
class Metric:
    """The mean over items of one metric; `interval` is None where nothing has it. `unscored` counts such items."""

    name: str
    interval: Interval | None
    unscored: int


@dataclass(frozen=True, slots=True)
class Money:
    """US dollars: of what has a price, and how many answers have none, or part of one."""

    usd: float
    unpriced: int


@dataclass(frozen=True, slots=True)
class Figures:
    """One variant. `answers` counts items times repeats; `passed`, `failed` and `unscored` are of those without error.

    `cost` is what the answers cost, `judging` what judges did, `paid` what this run spent on both: cached ones cost
    nothing again. `p50` and `p95` are seconds of fresh answers, None without any.
    """

    variant: str
    items: int
    answers: int
    passed: int
    failed: int
    unscored: int
    errors: int
    cached: int
    metrics: tuple[Metric, ...]
    cost: Money
    judging: Money
    paid: Money
    prompt_tokens: int
    completion_tokens: int
    p50: Interval | None
    p95: Interval | None


def figures(results: Results, confidence: float = 0.95) -> list[Figures]:
    """Of every variant, in the run's order."""
    names = metric_names(results.results)
    return [figures_of(variant, results.of(variant), names, confidence) for variant in results.variants]


def figures_of(variant: str, results: Sequence[Result], names: Sequence[str], confidence: float = 0.95) -> Figures:
    """Of one variant's answers, for these metrics."""
    whole = [result for result in results if not result.error]
    fresh = [result.seconds for result in whole if result.seconds is not None and not result.cached]
    judging = [result.judging for result in results if result.judging.usd is not None]  # without judges there is none
    paid = [result.cost for result in results if not result.cached]
    return Figures(
        variant,
        len({result.item for result in results}),
        len(results),
        sum(result.passed is True for result in whole),
        sum(result.passed is False for result in whole),
        sum(result.passed is None for result in whole),
        len(results) - len(whole),
        sum(result.cached for result in results),
        tuple(_metric(results, name, confidence) for name in names),
        _money([result.cost for result in results]),
        _money(judging),
        _money([*paid, *judging]),
        sum(result.usage.prompt for result in results),
        sum(result.usage.completion for result in results),
        quantile_interval(fresh, 0.5, confidence) if fresh else None,
        quantile_interval(fresh, 0.95, confidence) if fresh else None,
    )


def _metric(results: Sequence[Result], name: str, confidence: float) -> Metric:
    measured = measure(results, name)
    items = list(measured.values)
    values = np.array([measured.values[item] for item in items])
    return Metric(name, mean_interval(values, units(items, measured.clusters), confidence), len(measured.unscored))


def _money(costs: Sequence[Cost]) -> Money:
    known = [cost.usd for cost in costs if cost.usd is not None]
    return Money(sum(known), sum(cost.usd is None or cost.status == "partial" for cost in costs))
