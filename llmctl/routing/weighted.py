"""A random choice with given weights."""

from bisect import bisect
from collections.abc import Mapping, Sequence
from itertools import accumulate
from random import Random
from typing import Annotated, ClassVar

from pydantic import Field

from llmctl.model.record import Decision
from llmctl.routing.base import ModelFacts, StrategyOptions
from llmctl.routing.features import Features
from llmctl.routing.health import Health


class WeightedOptions(StrategyOptions):
    """Options of `weighted`."""

    weights: dict[str, Annotated[float, Field(gt=0, le=1e9, allow_inf_nan=False)]] = Field(
        min_length=1, description="Model name to weight; weights need not add up to one."
    )


class Weighted:
    """Chooses each request's model independently; the propensity is its share of the candidates' weights."""

    Options: ClassVar[type[StrategyOptions]] = WeightedOptions

    def __init__(self, options: WeightedOptions, facts: Mapping[str, ModelFacts]) -> None:
        self.models: tuple[str, ...] = tuple(options.weights)
        self._weights = options.weights

    def choose(
        self, candidates: Sequence[str], features: Features, health: Mapping[str, Health], rng: Random
    ) -> Decision:
        """One draw; the weights of models that are not candidates count for nothing."""
        bounds = list(accumulate([self._weights[name] for name in candidates]))
        total = bounds[-1]
        model = candidates[min(bisect(bounds, rng.random() * total), len(bounds) - 1)]
        share = self._weights[model] / total
        return Decision(model, "weighted", f"weight {self._weights[model]:g} of {total:g}", share)
