"""What the complexity model says of a request, from the embedding that the request's features already hold."""

from math import tanh
from pathlib import Path
from typing import NamedTuple

import numpy as np

from llmctl.routing.complexity_model import load
from llmctl.routing.features import Features
from llmctl.routing.surface import surface

REMEMBERED = 2_048  # texts
LONGEST = 4_096  # characters of one


class Chances(NamedTuple):
    """The probabilities that a strong and a weak model answer rightly."""

    strong: float
    weak: float


class Judge:
    """A complexity model for requests. As ComplexityModel.judge, of which it leaves the tier to the caller.

    It remembers what it judged lately: with every answer of its tools an agent sends the same last message again.
    """

    def __init__(self, path: Path | None) -> None:
        """The model of a file, or the shipped one. Raises ValueError naming the file and what is wrong with it."""
        try:
            self._model = load(path)
        except OSError as error:
            raise ValueError(f"{path}: cannot be read: {error.strerror}") from None
        weights = self._model.weights
        self.tiers = weights.tiers
        self.name = str(path) if path else "the shipped model"
        self._heads, self._biases = weights.heads, weights.biases
        self._known: dict[str, Chances] = {}

    def __call__(self, features: Features) -> Chances:
        """The judgement of what the user said last."""
        text = features.text
        known = self._known.get(text)
        if known is not None:
            return known
        seen = np.concatenate((features.embedding, self._model.standardised(surface(text))))
        strong, weak = (self._heads @ seen + self._biases).tolist()
        chances = Chances((1 + tanh(strong / 2)) / 2, (1 + tanh(weak / 2)) / 2)
        if len(text) <= LONGEST:
            if len(self._known) >= REMEMBERED:
                self._known.clear()
            self._known[text] = chances
        return chances
