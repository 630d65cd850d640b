"""Toxic language, in what is asked and in what is answered: the lexical tier, cheap enough for every text.

A lexicon with severities and a linear model of words and word pairs. It knows words, not meaning: what carries no
telling word passes. training/cards/toxicity.md has the figures; judge adapters are the tier above.
"""

from typing import ClassVar

from pydantic import Field

from llmctl.guards.base import ALLOW, About, Direction, GuardOptions, Preset, Span, Verdict
from llmctl.guards.toxicity_scan import LOOKBEHIND, TOXIC, Scan, scanner

THRESHOLDS: dict[Preset, float] = {"strict": 0.5, "balanced": 0.7, "lenient": 0.9}
GRAVE = 0.95  # the least that a grave term scores that is used, not spoken about


class ToxicityOptions(GuardOptions):
    """Options of `toxicity`."""

    threshold: float | None = Field(None, ge=0, le=1, description="Block from this score on, instead of the preset's.")
    profanity: bool = Field(True, description="Whether swear words alone, aimed at nobody, count.")


class Toxicity:
    """Blocks insults, slurs, threats and swearing; identity terms, quotations and negations weigh nothing or less."""

    Options: ClassVar[type[GuardOptions]] = ToxicityOptions
    directions: ClassVar[frozenset[Direction]] = frozenset({"input", "output"})
    lookbehind: ClassVar[int | None] = LOOKBEHIND
    cost_us: ClassVar[float] = 30.0

    def __init__(self, options: ToxicityOptions) -> None:
        preset = THRESHOLDS[options.preset]
        self._threshold = preset if options.threshold is None else options.threshold
        self._profanity = options.profanity
        self._scanner = scanner()

    def judge(self, text: str, about: About) -> Verdict:
        """Blocks from the threshold on."""
        scan = self._scanner.scan(text)
        score, category = self._scored(scan)
        if not score or not text.strip():
            return ALLOW
        if score < self._threshold:
            return Verdict("allow", score)
        spans = tuple(
            Span(weighed.hit.start, weighed.hit.end, weighed.hit.category)
            for weighed in scan.hits
            if weighed.hit.category in TOXIC and weighed.weight >= 0.5
        )
        return Verdict("block", score, f"lexical tier: {category}", category, spans)

    def unsettled(self, text: str) -> int:
        """Nothing after a sentence's end, else the last words as far as a term of the lexicon may begin there."""
        return self._scanner.unsettled(text, LOOKBEHIND)

    def _scored(self, scan: Scan) -> tuple[float, str]:
        score = self._scanner.toxicity(scan)
        if not scan.hits:
            return score, "toxicity"
        worst, category = 0.0, "toxicity"
        for weighed in scan.hits:
            hit = weighed.hit
            if hit.category not in TOXIC:
                continue
            if hit.severity == 3 and weighed.weight == 1.0:
                score = max(score, GRAVE)
            if weighed.weight * hit.severity > worst:
                worst, category = weighed.weight * hit.severity, hit.category
        if category == "profanity" and not self._profanity and not scan.lexical[3]:
            return min(score, 0.45), category
        return score, category
