"""Rests on the context."""

from typing import ClassVar

from llmctl.guards.hallucination import Hallucination, HallucinationOptions
from llmctl.scoring.base import Output, Sample, Score, ScorerOptions, Tools, Unscorable
from llmctl.scoring.guarded import about


class GroundingOptions(ScorerOptions):
    """None: evidence is the sample's context and the system prompt."""


class Grounding:
    """Support of the least supported sentence, 0 to 1, by the model of guard `hallucination`: docs/guardrails.md."""

    Options: ClassVar[type[ScorerOptions]] = GroundingOptions
    rendered: ClassVar[frozenset[str]] = frozenset()
    threshold: ClassVar[float] = 0.5

    def __init__(self, options: ScorerOptions, tools: Tools) -> None:
        """Loads the model."""
        self._guard = Hallucination(HallucinationOptions())

    async def score(self, sample: Sample, output: Output, options: ScorerOptions) -> Score:
        """Raises Unscorable without context."""
        verdict = self._guard.judge(output.text, about(sample, output))
        if verdict.reason.startswith("unscanned"):
            raise Unscorable("no context: give the dataset a context column")
        return Score(1.0 - verdict.score, reason=verdict.reason)
