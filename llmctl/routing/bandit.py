"""Learns which model does best, and goes on trying the others.

Thompson sampling (Thompson, Biometrika 25, 1933): each model is chosen as often as it is likely to be the best. That
probability is computed and drawn from, instead of drawing from each posterior, so the propensity in the record is the
one that was used. Discounting for what changes: Raj and Kalyani 2017, arXiv 1707.09727.
"""

from collections.abc import Mapping, Sequence
from random import Random
from typing import Annotated, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from llmctl.config.section import Seconds
from llmctl.model.record import Decision
from llmctl.routing.base import ModelFacts, StrategyOptions
from llmctl.routing.features import Features
from llmctl.routing.health import Health

POINTS = 32  # of the grid, for each model
REACH = 6.0  # standard deviations to each side of its mode, about

Floats = NDArray[np.float64]


class BanditOptions(StrategyOptions):
    """Options of `bandit`."""

    models: tuple[str, ...] = Field(min_length=2, max_length=8, description="Names of entries in `models`.")
    floor: float = Field(0.02, ge=0, le=0.5, description="Each candidate is chosen with this probability at least.")
    half_life: float | None = Field(
        1000, ge=1, allow_inf_nan=False, description="Answers after which one counts half; null: none is forgotten."
    )
    latency_target: Seconds | None = Field(
        None, gt=0, description="An answer that takes longer counts as none. Default: none does."
    )
    max_usd: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = Field(
        None, description="With `cost_weight`: what the dearest answer costs, in US dollars."
    )
    cost_weight: float = Field(
        0.0,
        ge=0,
        le=1,
        description="What an answer that costs `max_usd`, or whose price is not known, loses of its reward of 1; "
        "cheaper ones lose less.",
    )

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if len(set(self.models)) < len(self.models):
            raise ValueError("`models` names a model twice")
        if self.floor * len(self.models) > 1:
            raise ValueError(f"floor: {len(self.models)} models cannot have a probability of {self.floor:g} each")
        if (self.max_usd is None) != (self.cost_weight == 0):
            raise ValueError("`max_usd` and `cost_weight` go together")
        return self


class Bandit:
    """A Beta posterior of each model's mean reward, from Beta(1, 1) on. What it has learned ends with the process."""

    Options: ClassVar[type[StrategyOptions]] = BanditOptions

    def __init__(self, options: BanditOptions, facts: Mapping[str, ModelFacts]) -> None:
        self.models: tuple[str, ...] = options.models
        self._options = options
        self._keep = 1.0 if options.half_life is None else 0.5 ** (1 / options.half_life)
        self._seen = {name: [0.0, 0.0] for name in options.models}  # sums of rewards and of what was missed of them
        self._shares: dict[tuple[str, ...], list[float]] = {}  # of candidates, until something is learned

    def choose(
        self, candidates: Sequence[str], features: Features, health: Mapping[str, Health], rng: Random
    ) -> Decision:
        """One draw from the candidates' probabilities of being best, none of them under the floor."""
        shares = self.shares(candidates)
        drawn, at = rng.random(), 0
        while at < len(shares) - 1 and drawn >= shares[at]:
            drawn -= shares[at]
            at += 1
        won, lost = self._seen[candidates[at]]
        reason = f"mean reward {(won + 1) / (won + lost + 2):.2f} of {won + lost:.0f}"
        return Decision(candidates[at], "bandit", reason, shares[at])

    def learn(self, decision: Decision, *, ok: bool, seconds: float, usd: float | None) -> None:
        """Counts the reward, and everything before it a little less."""
        if decision.model not in self._seen:
            return
        if self._keep < 1:
            for sums in self._seen.values():
                sums[0] *= self._keep
                sums[1] *= self._keep
        gained = self.reward(ok, seconds, usd)
        self._seen[decision.model][0] += gained
        self._seen[decision.model][1] += 1 - gained
        self._shares.clear()

    def reward(self, ok: bool, seconds: float, usd: float | None) -> float:
        """0 to 1: nothing for a failure or a late answer, else 1 less the price's part."""
        options = self._options
        if not ok or (options.latency_target is not None and seconds > options.latency_target):
            return 0.0
        if options.max_usd is None:
            return 1.0
        part = 1.0 if usd is None else min(max(usd / options.max_usd, 0.0), 1.0)
        return 1 - options.cost_weight * part

    def shares(self, candidates: Sequence[str]) -> list[float]:
        """The probability with which each candidate is chosen."""
        key = tuple(candidates)
        found = self._shares.get(key)
        if found is None:
            posteriors = np.array([self._seen[name] for name in key]) + 1
            floor = self._options.floor
            chances = best(posteriors) if len(key) > 1 else np.ones(1)
            found = self._shares[key] = (floor + (1 - floor * len(key)) * chances).tolist()
        return found


def best(posteriors: Floats) -> Floats:
    """The probability that each of several Beta variables, rows of (a, b), is the greatest; a and b of 1 or more.

    The integral of each one's density times all others' distribution functions, over the logarithm of the odds, where
    densities are smooth: on a grid that is dense where one of them is. Within 0.005 of the truth.
    """
    a, b = posteriors[:, :1], posteriors[:, 1:]
    odds = np.sort((np.log(a / b) + np.sqrt(1 / a + 1 / b) * np.linspace(-REACH, REACH, POINTS)).ravel())
    logs = a * odds - (a + b) * np.logaddexp(0, odds)
    density = np.exp(logs - logs.max(axis=1, keepdims=True))
    reached = np.zeros_like(density)
    np.cumsum(np.diff(odds) * (density[:, 1:] + density[:, :-1]), axis=1, out=reached[:, 1:])
    reached /= reached[:, -1:]
    middle = (reached[:, 1:] + reached[:, :-1]) / 2
    others = np.ones_like(middle)  # of each row the product of all others: of those before it, and of those after it
    np.cumprod(middle[:-1], axis=0, out=others[1:])
    others[:-1] *= np.cumprod(middle[:0:-1], axis=0)[::-1]
    chances = (np.diff(reached, axis=1) * others).sum(axis=1)
    whole: Floats = chances / chances.sum()
    return whole
