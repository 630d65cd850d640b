"""Guard `injection`: prompt injection and jailbreaks in what users write, and instructions buried in what tools return.

The text is normalised (normalise.py), matched against rules (injection_rules.py) and weighed by a linear model
(injection_model.py); a small logistic combines the two. What decodes from parts of the text is judged the same way.
Tool and retrieved text is judged by its worst window of three sentences, with a head and thresholds of its own.
How well that works, and where not: training/cards/injection.md.
"""

from math import exp
from typing import ClassVar, NamedTuple

from pydantic import Field

from llmctl.guards import injection_model as model
from llmctl.guards.base import ALLOW, About, Direction, GuardOptions, Preset, Source, Span, Verdict
from llmctl.guards.injection_rules import Hit, hits, strength
from llmctl.guards.normalise import Normalised, Variant, hidden, normalise, variants

PRESETS: tuple[Preset, ...] = ("strict", "balanced", "lenient")
BURIED: frozenset[Source] = frozenset({"tool", "retrieved"})
ENCODED = 1.0  # added to the evidence of a decoded part: nobody encodes an honest request
NEEDS_RULE = frozenset({"leet"})  # decodings so loose that the model's opinion of them is worth nothing
MAX_SPANS = 8
MIN_CHARACTERS = 4


class Head(NamedTuple):
    """How to combine a logit with the rules, and the thresholds on the result: as they stand in the weight file."""

    bias: float
    logit: float
    rules: float
    discounted: float
    intercept: float
    strict: float
    balanced: float
    lenient: float

    def combine(self, logit: float, found: list[Hit]) -> float:
        """Evidence above the balanced threshold, which is 0."""
        total = self.logit * (logit + self.bias) + self.intercept - self.balanced
        if found:
            total += self.rules * strength(found)
            total += self.discounted * sum(hit.rule.weight for hit in found if hit.discounted)
        return total


class Opinion(NamedTuple):
    """Evidence above the balanced threshold, on what, and the places in the normalised text."""

    evidence: float
    found: list[Hit]
    spans: list[tuple[int, int]]
    kind: str


class InjectionGuard:
    """Judges by rules and a linear model; 40 µs for 150 characters. The score is 0.5 at the balanced threshold."""

    class Options(GuardOptions):
        """Options of guard `injection`."""

        threshold: float | None = Field(
            None, gt=0.0, lt=1.0, description="Score from which to block, instead of the preset's; balanced is 0.5."
        )
        decode: bool = Field(True, description="Also judge what base64, hex, rot13, URL and other encodings hide.")

    directions: ClassVar[frozenset[Direction]] = frozenset({"input"})
    lookbehind: ClassVar[int | None] = None
    cost_us: ClassVar[float] = 150.0

    def __init__(self, options: Options) -> None:
        self.options = options
        self.model = model.load()
        values = self.model.parameters
        self.direct, self.buried = Head(*values[4:12]), Head(*values[12:20])
        hits("warm")
        variants("warm")

    def judge(self, text: str, about: About) -> Verdict:
        """Blocks from the threshold on. System messages are the operator's own and pass."""
        if about.source == "system" or len(text) < MIN_CHARACTERS:
            return ALLOW
        normal = normalise(text)
        buried = about.source in BURIED
        opinion = self.window(normal.text) if buried else self.whole(normal.text)
        if self.options.decode:
            for variant in variants(normal.text):
                opinion = max(opinion, self.decoded(variant), key=lambda one: one.evidence)
            for variant in hidden(text):  # invisible, so there is no place in the normalised text
                unseen = self.decoded(variant)
                if unseen.evidence > opinion.evidence:
                    opinion = unseen._replace(spans=[])
        return self.verdict(opinion, normal, self.buried if buried else self.direct, len(text))

    def whole(self, text: str) -> Opinion:
        """The opinion on a request."""
        found = hits(text)
        evidence = self.direct.combine(model.logit(self.model.direct, text), found)
        return Opinion(evidence, found, [hit[1:3] for hit in found], "")

    def window(self, text: str) -> Opinion:
        """The opinion on the worst window of a document."""
        bounds = model.sentences(text)
        if not bounds:
            return Opinion(-9.0, [], [], "")
        found = hits(text)
        worst = Opinion(-99.0, [], [], "")
        for logit, start, end in model.windows(self.model.buried, text, bounds):
            inside = [hit for hit in found if start <= hit.start < end] if found else found
            evidence = self.buried.combine(logit, inside)
            if evidence > worst.evidence:
                worst = Opinion(evidence, inside, [(start, end)], "window")
        return worst

    def decoded(self, variant: Variant) -> Opinion:
        """The opinion on a decoded part; its place is the whole encoded run."""
        opinion = self.whole(normalise(variant.text).text)
        if variant.kind in NEEDS_RULE and not opinion.found:
            return opinion._replace(evidence=-99.0)
        bonus = ENCODED + (ENCODED if variant.kind == "tags" else 0.0)
        return Opinion(opinion.evidence + bonus, opinion.found, [(variant.start, variant.end)], variant.kind)

    def verdict(self, opinion: Opinion, normal: Normalised, head: Head, length: int) -> Verdict:
        """The opinion at the configured threshold, with places in the original."""
        score = 1.0 / (1.0 + exp(-max(-30.0, min(30.0, opinion.evidence))))
        cut = getattr(head, self.options.preset) - head.balanced
        limit = self.options.threshold or 1.0 / (1.0 + exp(-cut))
        if score < limit:
            return Verdict("allow", score)
        found = sorted(opinion.found, key=lambda hit: -hit.weight)
        category = found[0].rule.category if found else "indirect" if head is self.buried else "injection"
        names = list(dict.fromkeys([opinion.kind, *(hit.rule.name for hit in found)]))
        places = [normal.original(*place) for place in opinion.spans[:MAX_SPANS]] or [(0, length)]
        spans = tuple(Span(start, end, category) for start, end in sorted(places))
        return Verdict("block", score, "+".join(filter(None, names)) or "model", category, spans)
