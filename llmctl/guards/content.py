"""Unwanted content by category, in what is asked and in what is answered: the lexical tier.

Weapons and drugs are found by the lexicon alone; the other categories have a linear head too, which weighs on its own
only in long texts, such as answers, because that is what it was fitted to.
"""

from typing import ClassVar, Literal

from pydantic import Field

from llmctl.guards.base import ALLOW, About, Direction, GuardOptions, Preset, Span, Verdict
from llmctl.guards.toxicity_model import squash
from llmctl.guards.toxicity_scan import Scan, scanner

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
INSULT = {1: 0.3, 2: 0.5, 3: 0.6}  # an insult or a curse makes harassment when it is aimed at somebody
AIMED = 0.5  # the weight that the toxic head then has
DISTINCT = 6  # hits that count in a category; more of the same say nothing new
HEAD_WEIGHT = 0.8
HEAD_FROM = 160  # characters from which a head is heard


class ContentOptions(GuardOptions):
    """Options of `content`."""

    categories: tuple[Category, ...] = Field(CATEGORIES, min_length=1, description="The categories to look for.")
    thresholds: dict[Category, float] = Field(
        default_factory=dict, description="Score, 0 to 1, from which a category blocks, instead of the preset's."
    )


class Content:
    """Blocks a text when one of the categories reaches its threshold; what is asked about or denied weighs less."""

    Options: ClassVar[type[GuardOptions]] = ContentOptions
    directions: ClassVar[frozenset[Direction]] = frozenset({"input", "output"})
    lookbehind: ClassVar[int | None] = 160
    cost_us: ClassVar[float] = 90.0

    def __init__(self, options: ContentOptions) -> None:
        preset = THRESHOLDS[options.preset]
        self._thresholds = {name: options.thresholds.get(name, preset) for name in options.categories}
        self._scanner = scanner()
        self._heads = [(at, name) for at, name in enumerate(self._scanner.names) if name in self._thresholds]

    def judge(self, text: str, about: About) -> Verdict:
        """Blocks on the category that is furthest over its threshold; `score` is the highest of all."""
        scan = self._scanner.scan(text)
        scores = self._scores(scan, len(text))
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

    def _scores(self, scan: Scan, length: int) -> dict[Category, float]:
        """Noisy-or of the distinct hits and, in long texts, of the head."""
        left: dict[str, float] = {}
        counted: dict[tuple[str, int], int] = {}
        aimed = scan.lexical[3] > 0
        for weighed in scan.hits:
            hit = weighed.hit
            category, adds = hit.category, BY_SEVERITY[hit.severity]
            if aimed and (category == "insult" or (category == "profanity" and hit.severity > 1)):
                category, adds = "harassment", INSULT[hit.severity]
            seen = counted.get((category, hit.severity), 0)
            if category in self._thresholds and seen < DISTINCT:
                counted[category, hit.severity] = seen + 1
                left[category] = left.get(category, 1.0) * (1 - adds * weighed.weight / (1 + 0.5 * seen))
        if "harassment" in left and aimed:
            left["harassment"] *= 1 - AIMED * self._scanner.toxicity(scan)
        if length >= HEAD_FROM:
            for at, name in self._heads:
                left[name] = left.get(name, 1.0) * (1 - HEAD_WEIGHT * squash(scan.logits[at]))
        return {name: 1 - left[name] for name in self._thresholds if left.get(name, 1.0) < 1.0}
