"""What recorded tokens cost under OLD's prices and under NEW's."""

import math
from collections.abc import Mapping

from llmctl.clock import Clock
from llmctl.config.load import Loaded
from llmctl.gateway.build import prices_of
from llmctl.gateway.odds import Action
from llmctl.model.pricing import PriceList
from llmctl.model.record import Record
from llmctl.plan.identity import renamed

UNKNOWN = math.nan


class Pricing:
    """Dollars; NaN where no price, or not every price that is needed, is known. Raises ConfigError."""

    def __init__(self, old: Loaded, new: Loaded, clock: Clock) -> None:
        self._old, self._new = prices_of(old, clock), prices_of(new, clock)
        # Of several that are the same behind their names, the one that kept its name.
        self._now: dict[str, str] = {}
        for name, known in renamed(old, new).items():
            if known == name or known not in self._now:
                self._now[known] = name

    def recorded(self, record: Record) -> tuple[float, float]:
        """What it cost, and what the same tokens of the same model would cost now."""
        if record.cost.usd is None or record.cost.status == "partial":
            free = record.state != "ok" and record.usage.source == "none"
            return (0.0, 0.0) if free else (UNKNOWN, UNKNOWN)
        paid = record.cost.usd
        before = _dollars(self._old, record.model, record)
        after = _dollars(self._new, self._now.get(record.model, ""), record)
        if before == after or not record.model or record.model not in self._now:
            return paid, paid
        if math.isnan(after) or math.isnan(before):
            return paid, UNKNOWN
        return paid, paid * after / before if before else after

    def assumed(self, record: Record, new: Mapping[Action, float], repriced: float) -> float:
        """What NEW's choice would cost if whichever model it is had read and written the recorded tokens."""
        total = 0.0
        for action, share in new.items():
            if action == record.model or (record.decision is not None and action == record.decision.model):
                total += share * repriced
            elif ">" in action:  # which of a panel would have been asked is not known
                return UNKNOWN
            else:
                name = self._now.get(action, action.removesuffix(" (new)"))
                total += share * _dollars(self._new, name, record)
        return total


def _dollars(prices: PriceList, model: str, record: Record) -> float:
    cost = prices.cost(model, record.usage, batch=False)
    return UNKNOWN if cost.usd is None or cost.status == "partial" else cost.usd
