"""The less loaded of two models drawn at random."""

from collections.abc import Mapping, Sequence
from random import Random
from typing import ClassVar

from pydantic import Field, field_validator

from llmctl.model.record import Decision
from llmctl.routing.base import ModelFacts, StrategyOptions
from llmctl.routing.features import Features
from llmctl.routing.health import Health, two_choices


class LatencyOptions(StrategyOptions):
    """Options of `latency`."""

    models: tuple[str, ...] = Field(min_length=1, description="Names of entries in `models`, any of which will do.")

    @field_validator("models")
    @classmethod
    def _distinct(cls, models: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(models)) < len(models):
            raise ValueError("names a model twice")
        return models


class Latency:
    """Power of two choices on peak-EWMA latency times calls under way: no herd follows the one that was fast last.

    The propensity is exact. The most loaded of three or more has none, unless it ties with another.
    """

    Options: ClassVar[type[StrategyOptions]] = LatencyOptions

    def __init__(self, options: LatencyOptions, facts: Mapping[str, ModelFacts]) -> None:
        self.models: tuple[str, ...] = options.models

    def choose(
        self, candidates: Sequence[str], features: Features, health: Mapping[str, Health], rng: Random
    ) -> Decision:
        """The less loaded of two candidates."""
        loads = [health[name].load for name in candidates]
        chosen, propensity = two_choices(loads, rng)
        return Decision(candidates[chosen], "latency", f"load {loads[chosen]:.3f} s", propensity)
