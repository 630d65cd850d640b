"""A random choice with given weights."""

from bisect import bisect
from itertools import accumulate
from random import Random
from typing import Annotated, ClassVar

from pydantic import Field

from llmctl.model.exchange import Exchange
from llmctl.model.record import Decision
from llmctl.routing.base import StrategyOptions


class WeightedOptions(StrategyOptions):
    """Options of `weighted`."""

    weights: dict[str, Annotated[float, Field(gt=0, le=1e9, allow_inf_nan=False)]] = Field(
        min_length=1, description="Model name to weight; weights need not add up to one."
    )


class Weighted:
    """Chooses each exchange's model independently; the propensity is the model's share of the weights."""

    Options: ClassVar[type[StrategyOptions]] = WeightedOptions

    def __init__(self, options: WeightedOptions) -> None:
        self.models = tuple(options.weights)
        self._bounds = list(accumulate(options.weights.values()))
        total = self._bounds[-1]
        self._decisions = [Decision(m, "weighted", "draw", w / total) for m, w in options.weights.items()]

    def choose(self, exchange: Exchange, random: Random) -> Decision:
        """One draw."""
        at = bisect(self._bounds, random.random() * self._bounds[-1])
        return self._decisions[min(at, len(self._decisions) - 1)]
