"""Cheap models first: where they agree their answer is taken, else a strong model is asked."""

from collections.abc import Mapping, Sequence
from random import Random
from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator

from llmctl.model.record import Decision
from llmctl.routing.base import ModelFacts, StrategyOptions
from llmctl.routing.extract import LETTERS, Kind, extract
from llmctl.routing.features import Features
from llmctl.routing.health import Health


class CascadeOptions(StrategyOptions):
    """Options of `cascade`."""

    panel: tuple[str, ...] = Field(
        min_length=2, max_length=8, description="Cheap models that are asked together; different ones err differently."
    )
    strong: str = Field(description="Model that is asked where the panel does not agree.")
    extract: Kind = Field(description="What an answer is: a `number`, one of `labels`, `json` or `code`.")
    labels: tuple[Annotated[str, Field(min_length=1)], ...] | None = Field(
        None, min_length=2, description="With `extract: label`, what an answer may be. Default: A to E."
    )

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        if len({*self.panel, self.strong}) <= len(self.panel):
            raise ValueError("the models of `panel` and `strong` must be different ones")
        if self.labels is not None and self.extract != "label":
            raise ValueError("`labels` are for `extract: label`")
        return self


class Cascade:
    """Asks a panel where its answers can be compared. Draws nothing.

    They cannot where the request brings tools, wants several answers, or is for embeddings: then `strong` answers.
    """

    Options: ClassVar[type[StrategyOptions]] = CascadeOptions

    def __init__(self, options: CascadeOptions, facts: Mapping[str, ModelFacts]) -> None:
        self.models: tuple[str, ...] = (*options.panel, options.strong)
        self._panel = options.panel
        self._strong = options.strong
        self._kind: Kind = options.extract
        self._labels = options.labels or LETTERS

    def choose(
        self, candidates: Sequence[str], features: Features, health: Mapping[str, Health], rng: Random
    ) -> Decision:
        """The strong model with the panel before it, of which there are two at least; else one model alone."""
        panel = tuple(name for name in self._panel if name in candidates)
        if self._strong not in candidates:
            return Decision(panel[0], "cascade", f"{self._strong} cannot: first of a panel of {len(panel)}")
        if len(panel) < 2:
            return Decision(self._strong, "cascade", f"{len(panel)} of a panel of {len(self._panel)}: strong")
        obstacle = _obstacle(features)
        if obstacle:
            return Decision(self._strong, "cascade", f"{obstacle}: strong")
        return Decision(self._strong, "cascade", f"panel of {len(panel)}: {self._kind}", panel=panel)

    def agreed(self, texts: Sequence[str]) -> bool:
        """Whether all of two or more texts hold the same answer, and each one does."""
        answers = {extract(text, self._kind, self._labels) for text in texts}
        return len(texts) > 1 and len(answers) == 1 and None not in answers


def _obstacle(features: Features) -> str:
    """Why answers to this request cannot be compared; empty where they can."""
    if features.operation == "embedding":
        return "embedding"
    if features.tools:
        return "tools"
    several = features.payload.get("n") or 1
    return f"n is {several}" if several > 1 else ""
