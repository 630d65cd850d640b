"""One model, always."""

from collections.abc import Mapping, Sequence
from random import Random
from typing import ClassVar

from pydantic import Field

from llmctl.model.record import Decision
from llmctl.routing.base import ModelFacts, StrategyOptions
from llmctl.routing.features import Features
from llmctl.routing.health import Health


class FixedOptions(StrategyOptions):
    """Options of `fixed`."""

    model: str = Field(description="Name of an entry in `models`.")


class Fixed:
    """Sends everything to one model; what a model's own name stands for."""

    Options: ClassVar[type[StrategyOptions]] = FixedOptions

    def __init__(self, options: FixedOptions, facts: Mapping[str, ModelFacts]) -> None:
        self.models: tuple[str, ...] = (options.model,)
        self._decision = Decision(options.model, "fixed", "named")

    def choose(
        self, candidates: Sequence[str], features: Features, health: Mapping[str, Health], rng: Random
    ) -> Decision:
        """Always the same decision, with propensity 1."""
        return self._decision
