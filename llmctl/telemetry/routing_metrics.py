"""What routing did: decisions, degraded answers, breakers, copies for models that are only tried."""

from llmctl.model.record import Record
from llmctl.telemetry.series import Cell, Declare


class RoutingMetrics:
    """Counts of routing. Label values are names from the configuration and words from our own types."""

    def __init__(self, family: Declare) -> None:
        self._decisions = family(
            "llmctl_route_decisions_total", "Choices of a model.", "counter", "route", "model", "strategy"
        )
        self._degraded = family("llmctl_degraded_total", "Answers not as chosen.", "counter", "route", "how")
        self._transitions = family(
            "llmctl_breaker_transitions_total", "Breakers that changed their state.", "counter", "model", "to", "reason"
        )
        self._shadowed = family(
            "llmctl_shadow_requests_total", "Copies for a model that is only tried.", "counter", "model", "state"
        )
        self._cost = family("llmctl_shadow_cost_dollars_total", "US dollars for copies.", "counter", "model")
        self._found: dict[tuple[str, str, str], Cell] = {}

    def count(self, record: Record, route: str, model: str) -> None:
        """A client's exchange; `route` and `model` are names fit for labels."""
        decision = record.decision
        if decision is not None and decision.strategy != "fixed":
            key = (route, model, decision.strategy)
            cell = self._found.get(key)
            if cell is None:
                cell = self._found[key] = self._decisions.cell(*key)
            cell.value += 1
        if record.degraded is not None:
            self._degraded.cell(route, record.degraded).value += 1

    def shadowed(self, record: Record) -> None:
        """A copy."""
        self._shadowed.cell(record.model, record.state).value += 1
        if record.cost.usd is not None:
            self._cost.cell(record.model).value += record.cost.usd

    def transition(self, model: str, before: str, after: str, reason: str) -> None:
        """A breaker has changed its state."""
        self._transitions.cell(model, after, reason).value += 1
