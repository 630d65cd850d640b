"""What a promise counts, as PromQL over the gateway's `/metrics`."""

from collections.abc import Mapping
from dataclasses import dataclass

from llmctl.alerts.slo import (
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

Labels = Mapping[str, str]


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

    `total` and `bad` are selectors of counters; with `good` in place of `bad`, bad is what is left of the total.
    `by` are labels that promises are kept apart by, `samples` series to test with, `noun` what bad events are called.
    """

    total: str
    bad: str | None
    good: str | None
    by: tuple[str, ...]
    samples: tuple[Sample, ...]
    noun: str

    def total_over(self, window: str) -> str:
        """Events in the last `window`."""
        return self._sum(self.total, window)

    def bad_over(self, window: str) -> str:
        """Bad events in the last `window`; 0, not nothing, where there were only good ones."""
        if self.good is not None:
            return f"{self.total_over(window)} - {self._sum(self.good, window)}"
        assert self.bad is not None
        return f"{self._sum(self.bad, window)} or 0 * {self.total_over(window)}"

    def _sum(self, selector: str, window: str) -> str:
        grouped = f" by ({', '.join(self.by)}) " if self.by else ""
        return f"sum{grouped}(increase({selector}[{window}]))"


@dataclass(frozen=True, slots=True)
class Level:
    """A figure that must not be above `limit`. With `per_day` it is the growth of a counter in a day."""

    expression: str
    limit: float
    samples: tuple[Sample, ...]
    per_day: bool = False


def ratio_of(slo: RatioSlo, match: Labels, histograms: Histograms) -> Ratio:
    """What a promise of a share counts."""
    if isinstance(slo, LatencySlo):
        return _in_time(slo, match, histograms)
    if isinstance(slo, GuardSlo):
        labels = {"guard": "pii", "action": "allow"}
        return Ratio(
            total=selector(VERDICTS, match),
            bad=selector(VERDICTS, match, 'verdict="error"'),
            good=None,
            by=("guard",),
            samples=(
                Sample(VERDICTS, {**labels, "verdict": "allow"}, good=True, bad=False),
                Sample(VERDICTS, {**labels, "verdict": "error"}, good=False, bad=True),
            ),
            noun="judgements of the guard {{ $labels.guard }} failed",
        )
    assert isinstance(slo, AvailabilitySlo)
    labels = {"model": "small", "dialect": "openai"}
    return Ratio(
        total=selector(REQUESTS, match, 'status=~"[25].."'),
        bad=selector(REQUESTS, match, 'status=~"5.."'),
        good=None,
        by=(),
        samples=(
            Sample(REQUESTS, {**labels, "status": "200"}, good=True, bad=False),
            Sample(REQUESTS, {**labels, "status": "502"}, good=False, bad=True),
        ),
        noun="requests failed",
    )


def _in_time(slo: LatencySlo, match: Labels, histograms: Histograms) -> Ratio:
    histogram = histogram_of(slo, histograms)
    bound = f"{slo.threshold:.9g}"
    # Prometheus 3 writes whole bounds as 1.0, Prometheus 2 keeps the gateway's 1.
    le = f'le="{bound}"' if "." in bound else f'le=~"{bound}([.]0)?"'
    labels = {"gen_ai_operation_name": "chat", "gen_ai_provider_name": "up", "gen_ai_request_model": "small"}
    what = "streams began" if isinstance(slo, FirstTokenSlo) else "requests were done"
    return Ratio(
        total=selector(f"{histogram.name}_count", match),
        bad=None,
        good=selector(f"{histogram.name}_bucket", match, le),
        by=(),
        samples=(
            Sample(f"{histogram.name}_count", labels, good=True, bad=True),
            Sample(f"{histogram.name}_bucket", {**labels, "le": bound}, good=True, bad=False),
        ),
        noun=f"{what} later than {bound} s",
    )


def level_of(slo: LimitSlo, match: Labels) -> Level:
    """What a promise of a limit looks at."""
    if isinstance(slo, CostSlo):
        spent = f"sum(increase({selector(COST, match)}[1d]))"
        copies = f"sum(increase({selector(SHADOW_COST, match)}[1d]))"
        sample = Sample(COST, {"model": "small"}, good=False, bad=True)
        # Either may be missing: there is no series before the first price is known.
        return Level(f"({spent} or vector(0)) + ({copies} or vector(0))", slo.objective, (sample,), per_day=True)
    assert isinstance(slo, CacheErrorSlo)
    sample = Sample(CACHE_BOUND, {"route": "small"}, good=False, bad=True)
    return Level(f"max by (route) ({selector(CACHE_BOUND, match)})", slo.objective, (sample,))


def selector(name: str, match: Labels, *conditions: str) -> str:
    """A metric's series with these labels."""
    matchers = [*conditions, *(f'{label}="{value}"' for label, value in match.items())]
    return name + "{" + ", ".join(matchers) + "}"
