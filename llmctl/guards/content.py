"""Unwanted content by category, in what is asked and in what is answered: the lexical tier.

Weapons and drugs are found by the lexicon alone; the other categories have a linear head too, which is heard only in
texts that are long enough for it. A deed counts for more where the text asks how it is done, less where it asks how to
prevent it. training/cards/toxicity.md has the figures.
"""

import re
from typing import ClassVar, Literal

from pydantic import Field

from llmctl.guards.base import ALLOW, About, Direction, GuardOptions, Preset, Span, Verdict
from llmctl.guards.toxicity_scan import LOOKBEHIND, Scan, scanner

Category = Literal["hate", "harassment", "violence", "sexual", "self-harm", "weapons", "drugs", "illegal"]
CATEGORIES: tuple[Category, ...] = (
    "hate",
    "harassment",
    "violence",
    "sexual",
    "self-harm",
    "weapons",
    "drugs",
    "illegal",
)
THRESHOLDS: dict[Preset, float] = {"strict": 0.45, "balanced": 0.7, "lenient": 0.88}
BY_SEVERITY = (0.0, 0.12, 0.55, 0.9)  # how much one unweakened hit adds
ASKED = (0.0, 0.3, 0.72, 0.92)  # the same, of a deed that the text asks to be told or given
_ASKS = re.compile(
    r"\b(?:how (?:to|do i|(?:can|would|could|might) (?:i|someone))|ways? (?:to|of)|steps? (?:to|for)|guide|tutorial|"
    r"instructions?|manual|step[- ]by[- ]step|recipe|blueprint|teach|(?:show|tell|give|help) me|provide|"
    r"(?:write|create|develop|design|make|build|generate|compose|draft|produce) (?:me )?(?:an?|the|some)|"
    r"i (?:want|need|plan) to|we plan to|tips (?:on|for|to)|(?:plan|strategy) (?:to|for))\b"
)
_CARES = re.compile(r"\b(?:report|prevent|protect|detect|victim|recover|recogni[sz]|defend|mitigat|awareness)")
_DEEDS = frozenset({"violence", "weapons", "drugs", "illegal", "hate", "harassment"})
_READ = 600  # characters of a text that may be a request, and of a longer one that are looked at
INSULT = {1: 0.3, 2: 0.5, 3: 0.6}  # an insult or a curse makes harassment when it is aimed at somebody
AIMED = 0.5  # the weight that the toxic head then has
DISTINCT = 6  # hits that count in a category; more of the same say nothing new
HEAD_WEIGHT = 0.9
HEAD_FROM = 60  # characters from which a head is heard


class ContentOptions(GuardOptions):
    """Options of `content`."""

    categories: tuple[Category, ...] = Field(CATEGORIES, min_length=1, description="The categories to look for.")
    threshold: float | None = Field(
        None, ge=0, le=1, description="Score from which every category blocks, instead of the preset's."
    )
    thresholds: dict[Category, float] = Field(
        default_factory=dict, description="Score, 0 to 1, from which a category blocks, instead of `threshold`."
    )


class Content:
    """Blocks a text when one of the categories reaches its threshold; what is asked about or denied weighs less."""

    Options: ClassVar[type[GuardOptions]] = ContentOptions
    directions: ClassVar[frozenset[Direction]] = frozenset({"input", "output"})
    lookbehind: ClassVar[int | None] = LOOKBEHIND
    cost_us: ClassVar[float] = 30.0

    def __init__(self, options: ContentOptions) -> None:
        common = THRESHOLDS[options.preset] if options.threshold is None else options.threshold
        self._thresholds = {name: options.thresholds.get(name, common) for name in options.categories}
        self._scanner = scanner()
        self._heads = [(at, name) for at, name in enumerate(self._scanner.names) if name in self._thresholds]
        self._at = [at for at, _ in self._heads]
        self._least = min(self._thresholds.values())

    def judge(self, text: str, about: About) -> Verdict:
        """Blocks on the category that is furthest over its threshold; `score` is the highest of all."""
        scan = self._scanner.scan(text)
        if not scan.hits:  # most texts
            if len(text) < HEAD_FROM or not self._heads:
                return ALLOW
            top = HEAD_WEIGHT * self._scanner.highest(scan, self._at)
            if top < self._least:
                return Verdict("allow", top)
        scores = self._scores(scan, text)
        if not scores:
            return ALLOW
        top = max(scores.values())
        over = [name for name, score in scores.items() if score >= self._thresholds[name]]
        if not over:
            return Verdict("allow", top)
        worst = max(over, key=lambda name: scores[name])
        spans = tuple(
            Span(weighed.hit.start, weighed.hit.end, weighed.hit.category)
            for weighed in scan.hits
            if weighed.hit.category in over and weighed.weight >= 0.5
        )
        return Verdict("block", top, f"lexical tier: {worst}", worst, spans)

    def unsettled(self, text: str) -> int:
        """Nothing after a sentence's end, else the last words as far as a term of the lexicon may begin there."""
        return self._scanner.unsettled(text, LOOKBEHIND)

    def _scores(self, scan: Scan, text: str) -> dict[Category, float]:
        """Noisy-or of the distinct hits and, in long texts, of the head."""
        left: dict[str, float] = {}
        asked = bool(scan.hits) and _asks(text[:_READ].lower())
        counted: dict[tuple[str, int], int] = {}
        known: set[tuple[str, str]] = set()
        aimed = scan.lexical[3] > 0
        for weighed in sorted(scan.hits, key=lambda weighed: -weighed.weight):
            hit = weighed.hit
            category = hit.category
            term = category, text[hit.start : hit.end].lower()
            adds = (ASKED if asked and category in _DEEDS else BY_SEVERITY)[hit.severity]
            if aimed and (category == "insult" or (category == "profanity" and hit.severity > 1)):
                category, adds = "harassment", INSULT[hit.severity]
            seen = counted.get((category, hit.severity), 0)
            if category in self._thresholds and seen < DISTINCT and term not in known:
                known.add(term)
                counted[category, hit.severity] = seen + 1
                left[category] = left.get(category, 1.0) * (1 - adds * weighed.weight / (1 + 0.5 * seen))
        if "harassment" in left and aimed:
            left["harassment"] *= 1 - AIMED * self._scanner.toxicity(scan)
        if len(text) >= HEAD_FROM:
            for at, name in self._heads:
                left[name] = left.get(name, 1.0) * (1 - HEAD_WEIGHT * self._scanner.head(scan, at))
        return {name: 1 - left[name] for name in self._thresholds if left.get(name, 1.0) < 1.0}


def _asks(text: str) -> bool:
    return _ASKS.search(text) is not None and _CARES.search(text) is None
