"""Answers that say more than their context: every sentence is held against the supplied passages.

This is the lexical tier: cheap, and blind to meaning (guards/support.py says how). For prose that paraphrases freely or
contradicts in the passage's own words, put a judge model behind it. Figures: training/cards/grounding.md.
"""

from typing import ClassVar, Literal

from pydantic import Field

from llmctl.guards.base import About, Direction, GuardOptions, Span, Verdict
from llmctl.guards.support import Claim, Grounds, load

UNSCANNED = Verdict("allow", reason="unscanned: no context supplied")


class HallucinationOptions(GuardOptions):
    """Options of `hallucination`."""

    threshold: float | None = Field(
        None, ge=0, le=1, description="A sentence with less support than this is unsupported; default: the preset's."
    )
    outcome: Literal["warn", "block"] = Field("warn", description="What an unsupported sentence leads to.")


class Hallucination:
    """Judges a whole answer by its least supported sentence; the score is one minus that support.

    Evidence is the system prompt and the request's context. Without either nothing can be said: the reason is then
    `unscanned`. Courtesies and admissions that the text does not say claim nothing.
    """

    Options: ClassVar[type[GuardOptions]] = HallucinationOptions
    directions: ClassVar[frozenset[Direction]] = frozenset({"output"})
    lookbehind: ClassVar[int | None] = None
    cost_us: ClassVar[float] = 1200.0

    def __init__(self, options: HallucinationOptions) -> None:
        self._model = load()
        chosen = self._model.thresholds[options.preset]
        self._threshold = chosen if options.threshold is None else options.threshold
        self._outcome = options.outcome

    def judge(self, text: str, about: About) -> Verdict:
        """The least supported sentence decides; spans are all sentences below the threshold."""
        evidence = [passage for passage in (about.system, *about.context) if passage.strip()]
        if not evidence:
            return UNSCANNED
        claims = list(Grounds(evidence).claims(text, self._model, about.question))
        if not claims:
            return Verdict("allow", reason="nothing claimed")
        score = round(1.0 - min(claim.support for claim in claims), 6)
        bad = [claim for claim in claims if claim.support < self._threshold]
        if not bad:
            return Verdict("allow", score)
        spans = tuple(Span(claim.start, claim.end, "unsupported") for claim in bad)
        reason = f"{len(bad)} of {len(claims)} sentences unsupported{_why(bad)}"
        return Verdict(self._outcome, score, reason, "unsupported", spans)

    def unsettled(self, text: str) -> int:
        """All of it: an answer is judged as a whole."""
        return len(text)


def _why(bad: list[Claim]) -> str:
    found = [
        what
        for what, seen in (
            ("numbers", any(claim.missing_numbers for claim in bad)),
            ("names", any(claim.missing_names for claim in bad)),
        )
        if seen
    ]
    if any(claim.negation_flip for claim in bad):
        return f": {' and '.join(found)} not in the context, negation differs" if found else ": negation differs"
    return f": {' and '.join(found)} not in the context" if found else ""
