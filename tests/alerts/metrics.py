"""Metrics of a gateway, made up, and promises to look at them with."""

from collections.abc import Mapping

from llmctl.alerts.indicators import CACHE_BOUND, COST, REQUESTS, SHADOW_COST, VERDICTS
from llmctl.alerts.slo import Histograms
from llmctl.gateway.promises import served_histograms
from llmctl.telemetry.series import Families, Family

UP = "  up: {kind: availability, objective: 0.999, severity: page, runbook: runbooks/a.md}\n"
GUARDS = "  guards: {kind: guard_failures, objective: 0.99, severity: page, runbook: runbooks/a.md}\n"
COSTS = "  cost: {kind: cost_per_day, objective: 50, window: 5m, runbook: runbooks/a.md}\n"
CACHE = "  cache: {kind: cache_error, objective: 0.02, window: 5m, runbook: runbooks/a.md}\n"
SPEND = "  spend: {kind: cost_anomaly, runbook: runbooks/a.md}\n"
SLOWER = "  slower: {kind: latency_shift, runbook: runbooks/a.md}\n"
HISTOGRAMS: Histograms = served_histograms()
START = 1_800_000_000.0


class Gateway:
    """Counters that only grow, unless they are reset."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """As a restart does."""
        names = HISTOGRAMS.duration
        self.families: Families = {
            family.name: family
            for family in (
                Family(REQUESTS, "", "counter", ("model", "status", "dialect"), (), {}),
                Family(VERDICTS, "", "counter", ("guard", "verdict", "action"), (), {}),
                Family(COST, "", "counter", ("model",), (), {}),
                Family(SHADOW_COST, "", "counter", ("model",), (), {}),
                Family(CACHE_BOUND, "", "peak", ("route",), (), {}),
                Family(names.name, "", "histogram", ("operation", "model"), tuple(names.bounds), {}),
            )
        }

    def requests(self, good: float, bad: float = 0) -> None:
        """So many more answers with 200 and with 502, and as many with 404 as both."""
        for status, count in (("200", good), ("502", bad), ("404", good + bad)):
            self.families[REQUESTS].cell("small", status, "openai").value += count

    def judged(self, guard: str, good: float, bad: float = 0) -> None:
        """So many more verdicts of a guard, and errors of it."""
        for verdict, count in (("allow", good), ("error", bad)):
            self.families[VERDICTS].cell(guard, verdict, "allow").value += count

    def spend(self, dollars: float) -> None:
        """So much more money."""
        self.families[COST].cell("small").value += dollars

    def timed(self, counts: Mapping[int, int]) -> None:
        """So many more requests, by the place of their bucket."""
        cell = self.families[HISTOGRAMS.duration.name].cell("chat", "small")
        for place, count in counts.items():
            cell.counts[place] += count
