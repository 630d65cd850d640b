"""Simple prompts to a cheap model, complex ones to a strong one."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator

from llmctl.model.record import Decision
from llmctl.routing.base import ModelFacts, StrategyOptions
from llmctl.routing.complexity_fit import TIERS
from llmctl.routing.complexity_judge import Judge
from llmctl.routing.features import Features
from llmctl.routing.health import Health

Score = Annotated[float, Field(ge=-1, le=1, allow_inf_nan=False)]

BEYOND = 2.0  # no score is as high


class TierModels(StrategyOptions):
    """A model for each tier. Several tiers may have the same."""

    simple: str = Field(description="Model for simple prompts.")
    medium: str | None = Field(None, description="Model for medium prompts; without one, that for complex ones.")
    complex: str = Field(description="Model for complex prompts.")


class ComplexityOptions(StrategyOptions):
    """Options of `complexity`."""

    tiers: TierModels | None = Field(None, description="Model of each tier: `simple`, `medium` if need be, `complex`.")
    cheap: str | None = Field(None, description="Instead of `tiers`, with `smart`: model for simple prompts.")
    smart: str | None = Field(None, description="Instead of `tiers`, with `cheap`: model for all others.")
    medium_from: Score | None = Field(
        None, description="Score from which on a prompt is medium. Default: what the model's file says."
    )
    complex_from: Score | None = Field(
        None, description="Score from which on a prompt is complex. Default: what the model's file says."
    )
    strong_share: float | None = Field(
        None,
        ge=0,
        le=1,
        description="Instead of `complex_from`: the share of prompts for the strongest tier, of prompts such as the "
        "model was fitted to.",
    )
    model: Path | None = Field(None, description="File that `llmctl route train` wrote. Default: the shipped model.")

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        short = (self.cheap, self.smart)
        if (self.tiers is None) != (None not in short) or (self.tiers is not None and short != (None, None)):
            raise ValueError("give either `tiers` or both `cheap` and `smart`")
        if self.strong_share is not None and self.complex_from is not None:
            raise ValueError("`strong_share` and `complex_from` say the same: give one of them")
        given = self.medium_from is not None
        if given and self.models.medium is None and (self.strong_share, self.complex_from) != (None, None):
            raise ValueError("without a medium tier there is one threshold: leave `medium_from` out")
        return self

    @property
    def models(self) -> TierModels:
        """The tiers, whichever way they were given."""
        return self.tiers or TierModels(simple=self.cheap or "", complex=self.smart or "")


class Complexity:
    """Chooses the tier by the score of complexity_model.py, and the nearest tier where its model cannot be had.

    The score is how much likelier a strong model is right than a weak one. Draws nothing.
    """

    Options: ClassVar[type[StrategyOptions]] = ComplexityOptions

    def __init__(self, options: ComplexityOptions, facts: Mapping[str, ModelFacts]) -> None:
        self._judge = Judge(options.model)
        self.medium_from, self.complex_from = thresholds(options, self._judge)
        tiers = options.models
        named = (("simple", tiers.simple), ("medium", tiers.medium), ("complex", tiers.complex))
        self._tiers = [(tier, model) for tier, model in named if model is not None]
        self.models: tuple[str, ...] = tuple(dict.fromkeys(model for _, model in self._tiers))

    def choose(
        self, candidates: Sequence[str], features: Features, health: Mapping[str, Health], rng: Random
    ) -> Decision:
        """The tier's model, else that of the next stronger tier, else of the next weaker."""
        chances = self._judge(features)
        score = chances.strong - chances.weak
        at = (score >= self.medium_from) + (score >= self.complex_from and len(self._tiers) > 2)
        tier, model = self._tiers[at]
        if model in candidates:
            return Decision(model, "complexity", f"complexity {score:+.2f}: {tier}")
        others = [*self._tiers[at + 1 :], *self._tiers[:at][::-1]]
        found, other = next((found, other) for found, other in others if other in candidates)
        return Decision(other, "complexity", f"complexity {score:+.2f}: {tier}, but {model} cannot: {found}")


def thresholds(options: ComplexityOptions, judge: Judge) -> tuple[float, float]:
    """The scores from which on prompts are medium and complex. Without a medium tier both are the same.

    Raises ValueError where the share is none that the model's file can tell.
    """
    medium, complex_ = judge.tiers
    share = options.strong_share
    if share is not None:
        complex_ = _quantile(share, judge)
    elif options.complex_from is not None:
        complex_ = options.complex_from
    if options.models.medium is None:
        given = share is not None or options.complex_from is not None
        only = complex_ if given else medium if options.medium_from is None else options.medium_from
        return only, only
    if options.medium_from is None:
        return min(medium, complex_), complex_
    if options.medium_from > complex_:
        raise ValueError(f"medium_from {options.medium_from:g} is above complex_from, which is {complex_:g}")
    return options.medium_from, complex_


def _quantile(share: float, judge: Judge) -> float:
    """The score that this share of prompts reaches: the file has two such scores, between which a line is drawn."""
    if share in (0, 1):
        return BEYOND if share == 0 else -BEYOND
    most, least = (1 - quantile for quantile in TIERS)
    if not least - 1e-9 <= share <= most + 1e-9:
        raise ValueError(
            f"strong_share {share:g}: {judge.name} knows the scores that {least:.0%} to {most:.0%} of prompts reach; "
            f"give a share between, or `complex_from`: llmctl route explain prints the scores of your prompts"
        )
    low, high = judge.tiers
    return low + (high - low) * (most - share) / (most - least)
