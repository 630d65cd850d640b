"""The cheapest model that is predicted to be good enough."""

from collections.abc import Mapping, Sequence
from math import inf
from pathlib import Path
from random import Random
from typing import Annotated, ClassVar, NamedTuple, Self

from pydantic import Field, model_validator

from llmctl.model.record import Decision
from llmctl.routing.base import ModelFacts, StrategyOptions
from llmctl.routing.complexity_judge import Chances, Judge
from llmctl.routing.features import Features
from llmctl.routing.health import Health

MILLION = 1_000_000

Dollars = Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]


class CostPrice(StrategyOptions):
    """A price of one's own, as for a model on one's own machines."""

    input: Dollars = Field(description="US dollars per million tokens of the prompt.")
    output: Dollars = Field(description="US dollars per million tokens of the answer.")


class CostModel(StrategyOptions):
    """What a model can do and what it costs."""

    quality: Share | None = Field(
        None, description="Share of its answers that are right, whatever the prompt; as your own tests of it find."
    )
    strength: Share | None = Field(
        None,
        description="Instead of `quality`: where it stands between the weak (0) and the strong model (1) that the "
        "complexity model was fitted to. Its quality is then predicted for each prompt.",
    )
    price: CostPrice | None = Field(None, description="Its price. Default: the published one.")

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if self.quality is not None and self.strength is not None:
            raise ValueError("give `quality` or `strength`, not both")
        return self


class CostOptions(StrategyOptions):
    """Options of `cost`."""

    models: dict[str, CostModel] = Field(min_length=1, description="Model name to what it can do and costs.")
    min_quality: Share | None = Field(
        None, description="Predicted quality that is good enough. Default: the cheapest is, whatever it can do."
    )
    assumed_output: int = Field(
        300, ge=0, description="Tokens an answer is assumed to have, or fewer where the request allows fewer."
    )
    model: Path | None = Field(None, description="File that `llmctl route train` wrote. Default: the shipped model.")

    @model_validator(mode="after")
    def _comparable(self) -> Self:
        if self.min_quality is not None:
            silent = [name for name, one in self.models.items() if one.quality is None and one.strength is None]
            if silent:
                raise ValueError(f"min_quality needs a `quality` or a `strength` of each model: {', '.join(silent)}")
        return self


class Rated(NamedTuple):
    """A candidate; `usd` is None where its price is not known, `quality` 0 where nobody asked for any."""

    model: str
    usd: float | None
    quality: float


class Cost:
    """Chooses by estimated price among the candidates whose predicted quality passes; if none does, by quality.

    What has no price is not free: it comes after all that have one. Draws nothing; of equals the first is taken.
    """

    Options: ClassVar[type[StrategyOptions]] = CostOptions

    def __init__(self, options: CostOptions, facts: Mapping[str, ModelFacts]) -> None:
        self.models: tuple[str, ...] = tuple(options.models)
        self._known = options.models
        self._least = options.min_quality
        self._output = options.assumed_output
        self._prices = {name: _price(one, facts.get(name, ModelFacts())) for name, one in options.models.items()}
        strengths = any(one.strength is not None for one in options.models.values())
        self._judge = Judge(options.model) if strengths and options.min_quality is not None else None

    def choose(
        self, candidates: Sequence[str], features: Features, health: Mapping[str, Health], rng: Random
    ) -> Decision:
        """The cheapest that passes, or the best."""
        rated = self._rated(candidates, features)
        least = self._least
        if least is None:
            best = min(rated, key=_dearness)
            return Decision(best.model, "cost", _dollars(best))
        passing = [one for one in rated if one.quality >= least]
        if passing:
            best = min(passing, key=_dearness)
            return Decision(best.model, "cost", f"{_dollars(best)}, quality {best.quality:.2f} of {least:.2f}")
        best = min(rated, key=lambda one: (-one.quality, _dearness(one)))
        return Decision(best.model, "cost", f"best of those below {least:.2f}: quality {best.quality:.2f}")

    def _rated(self, candidates: Sequence[str], features: Features) -> list[Rated]:
        output, tokens = self._output, features.tokens
        if features.output is not None:
            output = min(output, max(features.output, 0))
        if features.operation == "embedding":
            output = 0
        chances = self._judge(features) if self._judge is not None else Chances(0.0, 0.0)
        return [
            Rated(name, _usd(self._prices[name], tokens, output), _quality(self._known[name], chances))
            for name in candidates
        ]


def _price(known: CostModel, facts: ModelFacts) -> tuple[float | None, float | None]:
    """Dollars per token, input and output."""
    if known.price is not None:
        return known.price.input / MILLION, known.price.output / MILLION
    return facts.input_price, facts.output_price


def _usd(price: tuple[float | None, float | None], tokens: int, output: int) -> float | None:
    """None where a price that is needed is not known."""
    before, after = price
    if before is None or (after is None and output):
        return None
    return before * tokens + (after or 0.0) * output


def _quality(known: CostModel, chances: Chances) -> float:
    if known.strength is None:
        return known.quality or 0.0
    return chances.weak + known.strength * (chances.strong - chances.weak)


def _dearness(one: Rated) -> float:
    return inf if one.usd is None else one.usd


def _dollars(one: Rated) -> str:
    return "no price known" if one.usd is None else f"${one.usd:.3g}"
