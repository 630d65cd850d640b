"""The model of the intent whose examples a prompt resembles most."""

from collections.abc import Mapping, Sequence
from random import Random
from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field

from llmctl.embedding import StaticEmbedder
from llmctl.model.record import Decision
from llmctl.routing.base import ModelFacts, StrategyOptions
from llmctl.routing.features import Features
from llmctl.routing.health import Health


class Intent(StrategyOptions):
    """Prompts that belong to one model."""

    model: str = Field(description="Model for prompts of this kind.")
    examples: tuple[Annotated[str, Field(min_length=1)], ...] = Field(
        min_length=1, description="Prompts of this kind, ten or so, as users write them."
    )


class SemanticOptions(StrategyOptions):
    """Options of `semantic`."""

    intents: dict[str, Intent] = Field(
        min_length=1, description="Name to model and examples; what has two meanings is two intents."
    )
    default: str = Field(description="Model for what resembles no intent.")
    min_similarity: float = Field(
        0.35, ge=-1, le=1, description="Cosine to an intent's mean example from which on a prompt belongs to it."
    )


class Semantic:
    """Compares prompts with the mean of each intent's examples, by static embedding: words count, not their order.

    By bench/routing.py, ten examples of each of 20 intents and the default threshold: of CLINC150 88% are right and 10%
    go to `default`, where 73% of other intents' prompts go too; of Banking77, whose intents are much alike, 85%, 2% and
    17%. Draws nothing.
    """

    Options: ClassVar[type[StrategyOptions]] = SemanticOptions

    def __init__(self, options: SemanticOptions, facts: Mapping[str, ModelFacts]) -> None:
        """Raises ValueError for examples that have no words."""
        embedder = StaticEmbedder()
        means = []
        for name, intent in options.intents.items():
            vectors = [embedder.embed(text) for text in intent.examples]
            mean = np.mean(vectors, axis=0)
            length = float(np.linalg.norm(mean))
            if not length or not all(vector.any() for vector in vectors):
                raise ValueError(f"intents.{name}: an example has no words")
            means.append(mean / length)
        self._means = np.array(means, np.float32)
        self._intents = [(name, intent.model) for name, intent in options.intents.items()]
        self._default = options.default
        self._least = options.min_similarity
        self.models: tuple[str, ...] = tuple(dict.fromkeys([*(model for _, model in self._intents), options.default]))

    def choose(
        self, candidates: Sequence[str], features: Features, health: Mapping[str, Health], rng: Random
    ) -> Decision:
        """The nearest intent's model; else the default; else that of the nearest intent whose model can be had."""
        similarities = (self._means @ features.embedding).tolist()
        best = max(similarities)
        name, model = self._intents[similarities.index(best)]
        if best >= self._least:
            reason = f"intent {name} {best:.2f}"
        else:
            reason, model = f"no intent: {name} {best:.2f}", self._default
        if model in candidates:
            return Decision(model, "semantic", reason)
        reason += f", but {model} cannot"
        if self._default in candidates:
            return Decision(self._default, "semantic", f"{reason}: default")
        ranked = sorted(zip(similarities, self._intents, strict=True), key=lambda one: -one[0])
        nearest, other = next((name, other) for _, (name, other) in ranked if other in candidates)
        return Decision(other, "semantic", f"{reason}: {nearest}")
