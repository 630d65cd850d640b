"""PromQL over one gateway's metrics: every selector has the labels that the page's variables choose."""

from collections.abc import Mapping
from dataclasses import dataclass

from llmctl.alerts.indicators import BUILD
from llmctl.alerts.readings import selector
from llmctl.dashboards.panels import Annotation, Variable
from llmctl.telemetry.semconv import Names

PLACE = ('job=~"$job"', 'instance=~"$instance"')
INTERVAL = "$__rate_interval"
RANGE = "$__range"


@dataclass(frozen=True, slots=True)
class Scope:
    """Which series are meant: `match` are labels that Prometheus gives this gateway's metrics, `only` conditions."""

    match: Mapping[str, str]
    names: Names
    only: tuple[str, ...] = PLACE

    def of(self, name: str, *conditions: str) -> str:
        """A selector of the metric."""
        return selector(name, self.match, *conditions, *self.only)

    def rate(self, name: str, *conditions: str, by: str = "") -> str:
        """Growth per second, summed but for the labels in `by`."""
        return f"sum{_by(by)}(rate({self.of(name, *conditions)}[{INTERVAL}]))"

    def grown(self, name: str, *conditions: str, by: str = "", window: str = RANGE) -> str:
        """Growth in the time that is looked at, or in `window`."""
        return f"sum{_by(by)}(increase({self.of(name, *conditions)}[{window}]))"

    def quantile(self, share: float, histogram: str, *conditions: str, by: str = "", window: str = INTERVAL) -> str:
        """What `share` of a histogram's observations are not above."""
        labels = f"le, {by}" if by else "le"
        rate = f"sum by ({labels}) (rate({self.of(f'{histogram}_bucket', *conditions)}[{window}]))"
        return f"histogram_quantile({share:g}, {rate})"

    def level(self, name: str, *conditions: str, by: str = "", how: str = "sum") -> str:
        """A gauge, over all instances the sum, or `how` else."""
        return f"{how}{_by(by)}({self.of(name, *conditions)})"

    def variables(self, *, model: bool = False, route: bool = False) -> tuple[Variable, ...]:
        """Choices of gateways, and of models or routes."""
        build = selector(BUILD, self.match)
        of_job = selector(BUILD, self.match, PLACE[0])
        chosen = [
            Variable("job", "Job", f"label_values({build}, job)"),
            Variable("instance", "Instance", f"label_values({of_job}, instance)"),
        ]
        if model:
            requests = selector("llmctl_requests_total", self.match, *PLACE)
            chosen.append(Variable("model", "Model", f"label_values({requests}, model)"))
        if route:
            asked = selector("llmctl_cache_requests_total", self.match, *PLACE)
            chosen.append(Variable("route", "Route", f"label_values({asked}, route)"))
        return tuple(chosen)

    def reloads(self) -> Annotation:
        """A configuration that was not live a minute before."""
        live = self.level(BUILD, by="policy")
        before = f"sum by (policy) ({self.of(BUILD)} offset 1m)"
        return Annotation("Configuration", f"{live} unless {before}", "policy {{policy}} went live")


def share(part: str, whole: str) -> str:
    """`part` of `whole`; 0, not nothing, where there is no part, and nothing where there is no whole."""
    return f"({part} or 0 * {whole}) / ({whole} > 0)"


def _by(labels: str) -> str:
    return f" by ({labels}) " if labels else ""
