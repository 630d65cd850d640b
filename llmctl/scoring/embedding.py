"""Means much the same, as vectors tell."""

from typing import ClassVar

import numpy as np
from pydantic import Field

from llmctl.scoring.base import Embed, Output, Sample, Score, ScorerOptions, Tools, Unscorable


class EmbeddingOptions(ScorerOptions):
    """What it is compared with."""

    value: str | None = Field(None, description="Default: the sample's expected.")


class Embedding:
    """Cosine of the two texts' vectors, below 0 taken as 0; `raw` is the cosine.

    It knows what a text is about, not whether it is right: "is" and "is not" are near. The built-in static vectors know
    words, not their order.
    """

    Options: ClassVar[type[ScorerOptions]] = EmbeddingOptions
    rendered: ClassVar[frozenset[str]] = frozenset({"value"})
    threshold: ClassVar[float] = 0.75

    def __init__(self, options: ScorerOptions, tools: Tools) -> None:
        """Raises ValueError where nothing embeds."""
        if tools.embed is None:
            raise ValueError("nothing embeds texts here")
        self._embed: Embed = tools.embed

    async def score(self, sample: Sample, output: Output, options: ScorerOptions) -> Score:
        """Raises Unscorable where nothing is expected."""
        assert isinstance(options, EmbeddingOptions)
        value = sample.expected if options.value is None else options.value
        if value is None:
            raise Unscorable("nothing is expected: give `value`, or the dataset an expected column")
        a, b = (np.asarray(vector, dtype=np.float64) for vector in await self._embed([str(value), output.text]))
        norms = float(np.linalg.norm(a) * np.linalg.norm(b))
        if not norms:
            return Score(float(str(value).strip() == output.text.strip()), reason="a text without words that are known")
        cosine = float(a @ b) / norms
        return Score(min(1.0, max(0.0, cosine)), cosine)
