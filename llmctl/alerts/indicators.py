"""What a promise counts: as PromQL over the gateway's `/metrics`, and as selections of its families."""

from dataclasses import dataclass

from llmctl.alerts.readings import Condition, Labels, Selection
from llmctl.alerts.slo import (
    DAY,
    AvailabilitySlo,
    CacheErrorSlo,
    CostSlo,
    FirstTokenSlo,
    GuardSlo,
    Histograms,
    LatencySlo,
    LimitSlo,
    RatioSlo,
    histogram_of,
)

REQUESTS = "llmctl_requests_total"
VERDICTS = "llmctl_guard_verdicts_total"
COST = "llmctl_cost_dollars_total"
SHADOW_COST = "llmctl_shadow_cost_dollars_total"
CACHE_BOUND = "llmctl_cache_error_bound"
BUILD = "llmctl_build_info"

SPENT = (Selection(COST), Selection(SHADOW_COST))
"""Money: what requests cost, and their copies. There is no series before the first price is known."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A series as a gateway shows it, and which events it counts."""

    name: str
    labels: Labels
    good: bool
    bad: bool


@dataclass(frozen=True, slots=True)
class Ratio:
    """Bad events of all events.

    `total` and `bad` are counters; with `good` in place of `bad`, bad is what is left of the total. `by` are labels
    that promises are kept apart by, `samples` series to test with, `noun` what bad events are called, `match` labels
    that Prometheus adds.
    """

    total: Selection
    bad: Selection | None
    good: Selection | None
    by: tuple[str, ...]
    samples: tuple[Sample, ...]
    noun: str
    match: Labels

    def total_over(self, window: str) -> str:
        """Events in the last `window`."""
        return self._sum(self.total, window)

    def bad_over(self, window: str) -> str:
        """Bad events in the last `window`; 0, not nothing, where there were only good ones."""
        if self.good is not None:
            return f"{self.total_over(window)} - {self._sum(self.good, window)}"
        assert self.bad is not None
        return f"{self._sum(self.bad, window)} or 0 * {self.total_over(window)}"

    def _sum(self, selection: Selection, window: str) -> str:
        grouped = f" by ({', '.join(self.by)}) " if self.by else ""
        return f"sum{grouped}(increase({selection.promql(self.match)}[{window}]))"


@dataclass(frozen=True, slots=True)
class Level:
    """A figure that must not be above `limit`: the growth in a `day` (seconds) of all `counters`, or a `gauge`'s peak.

    `expression` is the same in PromQL. `by` are labels that it is kept apart by.
    """

    expression: str
    limit: float
    samples: tuple[Sample, ...]
    counters: tuple[Selection, ...] = ()
    gauge: Selection | None = None
    by: tuple[str, ...] = ()
    day: float = DAY


def ratio_of(slo: RatioSlo, match: Labels, histograms: Histograms) -> Ratio:
    """What a promise of a share counts."""
    if isinstance(slo, LatencySlo):
        return _in_time(slo, match, histograms)
    if isinstance(slo, GuardSlo):
        labels = {"guard": "pii", "action": "allow"}
        return Ratio(
            total=Selection(VERDICTS),
            bad=Selection(VERDICTS, Condition("verdict", "=", "error")),
            good=None,
            by=("guard",),
            samples=(
                Sample(VERDICTS, {**labels, "verdict": "allow"}, good=True, bad=False),
                Sample(VERDICTS, {**labels, "verdict": "error"}, good=False, bad=True),
            ),
            noun="judgements of the guard {{ $labels.guard }} failed",
            match=match,
        )
    assert isinstance(slo, AvailabilitySlo)
    labels = {"model": "small", "dialect": "openai"}
    return Ratio(
        total=Selection(REQUESTS, Condition("status", "=~", "[25]..")),
        bad=Selection(REQUESTS, Condition("status", "=~", "5..")),
        good=None,
        by=(),
        samples=(
            Sample(REQUESTS, {**labels, "status": "200"}, good=True, bad=False),
            Sample(REQUESTS, {**labels, "status": "502"}, good=False, bad=True),
        ),
        noun="requests failed",
        match=match,
    )


def _in_time(slo: LatencySlo, match: Labels, histograms: Histograms) -> Ratio:
    histogram = histogram_of(slo, histograms)
    bound = f"{slo.threshold:.9g}"
    labels = {"gen_ai_operation_name": "chat", "gen_ai_provider_name": "up", "gen_ai_request_model": "small"}
    what = "streams began" if isinstance(slo, FirstTokenSlo) else "requests were done"
    return Ratio(
        total=Selection(histogram.name, histogram=True),
        bad=None,
        good=Selection(histogram.name, histogram=True, bound=slo.threshold),
        by=(),
        samples=(
            Sample(f"{histogram.name}_count", labels, good=True, bad=True),
            Sample(f"{histogram.name}_bucket", {**labels, "le": bound}, good=True, bad=False),
        ),
        noun=f"{what} later than {bound} s",
        match=match,
    )


def level_of(slo: LimitSlo, match: Labels, pace: float = 1.0) -> Level:
    """What a promise of a limit looks at; a day is as much shorter as `pace` says."""
    if isinstance(slo, CostSlo):
        day = duration(DAY / pace / 60)
        # Either may be missing.
        dollars = " + ".join(f"(sum(increase({spent.promql(match)}[{day}])) or vector(0))" for spent in SPENT)
        sample = Sample(COST, {"model": "small"}, good=False, bad=True)
        return Level(dollars, slo.objective, (sample,), counters=SPENT, day=DAY / pace)
    assert isinstance(slo, CacheErrorSlo)
    sample = Sample(CACHE_BOUND, {"route": "small"}, good=False, bad=True)
    gauge = Selection(CACHE_BOUND)
    return Level(f"max by (route) ({gauge.promql(match)})", slo.objective, (sample,), gauge=gauge, by=("route",))


def duration(minutes: float) -> str:
    """As Prometheus writes it, in the largest unit that fits: `5m`, `6h`, `3d`, `250ms`."""
    milliseconds = round(minutes * 60_000)
    units = (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1))
    return next(f"{milliseconds // size}{unit}" for unit, size in units if milliseconds % size == 0)
