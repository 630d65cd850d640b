"""How much a strong model would help with a prompt: P(strong is right) - P(weak is right), from two logistic models.

They see the prompt's static embedding and its surface (surface.py). Learned by complexity_fit.py; the shipped weights
are of training/complexity.py, and training/cards/complexity.md says on what and how good they are. After RouteLLM
(Ong et al. 2024, arXiv 2406.18665), with two outcomes instead of one preference.
"""

import base64
import json
from collections.abc import Mapping, Sequence
from functools import cache
from math import exp
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from llmctl.embedding import DIMENSIONS, StaticEmbedder
from llmctl.routing.surface import NAMES, surface

FORMAT = "llmctl-complexity-1"
PATH = Path(__file__).parent / "weights" / "complexity.json"
CLIP = 3.0  # standard deviations; beyond what was learned from, more of the same says no more
SURFACE_SCALE = 0.1  # a standardised surface feature against an embedding of unit length: see the card
MAX_BYTES = 1 << 20

Tier = Literal["simple", "medium", "complex"]
Floats = NDArray[np.float32]


class Complexity(NamedTuple):
    """A prompt's judgement: `score` is `strong` - `weak`, the probabilities that each model is right."""

    score: float
    tier: Tier
    strong: float
    weak: float


class Pull(NamedTuple):
    """What one feature adds to the score, to first order. `value` is the feature's own, None for a word."""

    feature: str
    value: float | None
    pull: float


class Explanation(NamedTuple):
    """A judgement with all that it rests on, each list by how much it pulls."""

    complexity: Complexity
    surface: list[Pull]
    words: list[Pull]


class Weights(NamedTuple):
    """What is learned. `heads` is (2, 256 + len(NAMES)), strong then weak; `biases` (2,); the rest is by feature."""

    heads: Floats
    biases: Floats
    mean: Floats
    deviation: Floats
    tiers: tuple[float, float]
    about: Mapping[str, Any]


class ComplexityModel:
    """Judges prompts: pure, about 35 µs for 150 characters. Not for several threads at once, as its embedder."""

    def __init__(self, weights: Weights, embedder: StaticEmbedder | None = None) -> None:
        self.weights = weights
        self.embedder = embedder or StaticEmbedder()
        self._scale = (SURFACE_SCALE / weights.deviation).astype(np.float32)
        self._limit = np.float32(CLIP * SURFACE_SCALE)

    def judge(self, text: str) -> Complexity:
        """The judgement of one prompt. Text that is in no language gets the judgement of its surface."""
        features = np.concatenate((self.embedder.embed(text), self.standardised(surface(text))))
        strong, weak = (self.weights.heads @ features + self.weights.biases).tolist()
        return self._judged(strong, weak)

    def standardised(self, values: Sequence[float]) -> Floats:
        """Surface features as the heads see them."""
        result: Floats = (np.array(values, np.float32) - self.weights.mean) * self._scale
        return np.maximum(np.minimum(result, self._limit), -self._limit)

    def _judged(self, strong: float, weak: float) -> Complexity:
        high, low = 1 / (1 + exp(-strong)), 1 / (1 + exp(-weak))
        score, (simple, complex_) = high - low, self.weights.tiers
        tier: Tier = "simple" if score < simple else "medium" if score < complex_ else "complex"
        return Complexity(score, tier, high, low)

    def explain(self, text: str) -> Explanation:
        """The judgement, with how each surface feature and each word moves the score from that of the mean prompt.

        A logit is linear in the features, and the embedding in the words, so each one's part of it is exact; the score
        is a difference of two sigmoids, of which the slope at this prompt is taken.
        """
        found = self.judge(text)
        slopes = np.array([found.strong * (1 - found.strong), -found.weak * (1 - found.weak)], np.float32)
        direction = slopes @ self.weights.heads
        values = surface(text)
        moved = self.standardised(values) * direction[DIMENSIONS:]
        looks = [Pull(*row) for row in zip(NAMES, values, moved.tolist(), strict=True)]
        parts, vectors = self.embedder.words(text)
        summed: dict[str, float] = {}
        for part, pull in zip(parts, (vectors @ direction[:DIMENSIONS]).tolist(), strict=True):
            summed[part] = summed.get(part, 0.0) + pull
        words = [Pull(part, None, pull) for part, pull in summed.items()]
        return Explanation(found, sorted(looks, key=_size), sorted(words, key=_size))


def _size(pull: Pull) -> float:
    return -abs(pull.pull)


def dump(weights: Weights) -> str:
    """The weights as JSON, the numbers of the heads in float16: about 2 KB. The same text for the same weights."""
    coded = base64.b64encode(weights.heads.astype("<f2").tobytes()).decode()
    return (
        json.dumps(
            {
                "format": FORMAT,
                "about": dict(weights.about),
                "surface": list(NAMES),
                "tiers": [round(value, 5) for value in weights.tiers],
                "biases": _rounded(weights.biases),
                "mean": _rounded(weights.mean),
                "deviation": _rounded(weights.deviation),
                "heads": coded,
            },
            indent=1,
        )
        + "\n"
    )


def _rounded(values: Floats) -> list[float]:
    return [float(f"{value:.5g}") for value in values.tolist()]


def parse(text: str | bytes) -> Weights:
    """Weights from what `dump` wrote. Raises ValueError saying what is wrong with them."""
    if len(text) > MAX_BYTES:
        raise ValueError("is no complexity model: it is too long")
    try:
        raw = json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError("is no complexity model: it is not JSON") from None
    if not isinstance(raw, dict) or raw.get("format") != FORMAT:
        raise ValueError(f"is no complexity model: 'format' is not {FORMAT}")
    if raw.get("surface") != list(NAMES):
        raise ValueError("was fitted to other features; fit it again with `llmctl route train`")
    try:
        heads = np.frombuffer(base64.b64decode(raw["heads"], validate=True), "<f2").astype(np.float32)
        mean, deviation, biases = (np.array(raw[name], np.float32) for name in ("mean", "deviation", "biases"))
        simple, complex_ = map(float, raw["tiers"])
        found = Weights(heads.reshape(2, -1), biases, mean, deviation, (simple, complex_), dict(raw.get("about") or {}))
    except (KeyError, TypeError, ValueError):
        raise ValueError("is a damaged complexity model; fit it again with `llmctl route train`") from None
    shapes = (found.heads.shape, biases.shape, mean.shape, deviation.shape)
    parts = (*found[:4], np.array(found.tiers))
    fits = shapes == ((2, DIMENSIONS + len(NAMES)), (2,), (len(NAMES),), (len(NAMES),))
    if not fits or not all(np.isfinite(part).all() for part in parts) or (deviation <= 0).any() or simple > complex_:
        raise ValueError("is a damaged complexity model; fit it again with `llmctl route train`")
    return found


@cache
def shipped() -> Weights:
    """The weights that come with the package."""
    return parse(PATH.read_bytes())


def load(path: Path | None = None) -> ComplexityModel:
    """The model of a file, or the shipped one. Raises OSError, and ValueError naming the file and what is wrong."""
    if path is None:
        return ComplexityModel(shipped())
    try:
        return ComplexityModel(parse(path.read_bytes()))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
