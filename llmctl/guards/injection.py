"""Guard `injection`: prompt injection and jailbreaks in what users write, and instructions buried in what tools return.

The text is normalised (normalise.py), matched against rules (injection_rules.py) and weighed by a linear model
(injection_model.py); a small logistic combines the two. What decodes from parts of the text is judged the same way.
Tool and retrieved text is judged by its worst window of three sentences, with a head and thresholds of its own; in a
long request, what stands around each rule that is found is judged by itself too.
How well that works, and where not: training/cards/injection.md.
"""

import re
from math import exp, log
from typing import ClassVar, NamedTuple

from pydantic import Field

from llmctl.guards import injection_model as model
from llmctl.guards.base import ALLOW, About, Direction, GuardOptions, Source, Span, Verdict
from llmctl.guards.injection_rules import Hit, look, strength
from llmctl.guards.normalise import HINTS, Normalised, Variant, hidden, normalise, variants

BURIED: frozenset[Source] = frozenset({"tool", "retrieved"})
ENCODED = 1.0  # added to the evidence of a decoded part: nobody encodes an honest request
NEEDS_RULE = frozenset({"leet"})  # decodings so loose that the model's opinion of them is worth nothing
LONG = 480  # a request longer than this is also judged around each rule found, AROUND characters to either side
AROUND = 160
LOCAL = 0.5  # taken from that evidence: there are several places, and the worst of them counts
FEW = 8  # windows; of more the worst is worse by chance, so CHANCE times the logarithm of how many more is taken off
CHANCE = 0.4
MAX_SPANS = 8
MIN_CHARACTERS = 4
REMOVED = "[removed: it read like an instruction to the model]"
PLAIN = frozenset({"override"})  # an order to drop one's orders has no business in a document, whatever is around it
PLAIN_EVIDENCE = 0.5
RUNS = [name for name, _ in HINTS].index("base64")
_CODES = re.compile(r"[A-Za-z0-9+/=_-]{48,}")


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


def smallest(places: set[tuple[int, int]]) -> list[tuple[int, int]]:
    """Those that hold no other one."""
    kept, latest = [], -1
    for start, end in sorted(places, key=lambda place: (place[1], -place[0])):
        if start > latest:
            kept.append((start, end))
            latest = start
    return kept


def without_codes(text: str, coded: list[int]) -> str:
    """The text without long runs of base64 and the like: the model knows words, and `variants` reads codes.

    `coded` are the numbers of the HINTS in it: without that of base64 only signs between the letters make long runs.
    """
    if RUNS not in coded and "=" not in text:
        return text
    return _CODES.sub(_unless_letters, text)


def squashed(evidence: float) -> float:
    """Evidence as a score."""
    return 1.0 / (1.0 + exp(-evidence))


def _unless_letters(run: re.Match[str]) -> str:
    words = run[0]
    mixed = any(map(str.isdigit, words)) and any(map(str.isupper, words)) and any(map(str.islower, words))
    return " " if mixed else words


class InjectionGuard:
    """Judges by rules and a linear model; 14 µs for 150 characters. The score is 0.5 at the balanced threshold."""

    class Options(GuardOptions):
        """Options of guard `injection`."""

        threshold: float | None = Field(
            None, gt=0.0, lt=1.0, description="Score from which to block, instead of the preset's; balanced is 0.5."
        )
        decode: bool = Field(True, description="Also judge what base64, hex, rot13, URL and other encodings hide.")

    directions: ClassVar[frozenset[Direction]] = frozenset({"input"})
    lookbehind: ClassVar[int | None] = None
    cost_us: ClassVar[float] = 200.0

    def __init__(self, options: Options) -> None:
        self.options = options
        self.model = model.load()
        values = self.model.parameters
        self.direct, self.buried = Head(*values[10:18]), Head(*values[18:26])
        threshold = options.threshold
        cut = self.cut(self.buried)
        self.limit = cut if threshold is None else log(threshold / (1.0 - threshold))
        self.limits = [threshold or squashed(self.cut(head)) for head in (self.direct, self.buried)]
        for source in ("user", "tool"):  # its tables are loaded by the first text, which had better not be somebody's
            self.judge("A line to warm up, of no account.", About(source=source))

    def judge(self, text: str, about: About) -> Verdict:
        """Blocks from the threshold on. System messages are the operator's own and pass."""
        if about.source == "system" or len(text) < MIN_CHARACTERS:
            return ALLOW
        normal = normalise(text)
        found, coded = look(normal.text)
        buried = about.source in BURIED
        opinion = self.window(normal.text, found) if buried else self.whole(without_codes(normal.text, coded), found)
        if found and not buried and len(text) > LONG:
            opinion = max([opinion, *self.local(normal.text, found)], key=lambda one: one.evidence)
        if self.options.decode:
            for variant in variants(normal.text, coded) if coded else ():
                opinion = max(opinion, self.decoded(variant), key=lambda one: one.evidence)
            for variant in hidden(text):  # invisible, so there is no place in the normalised text
                unseen = self.decoded(variant)
                if unseen.evidence > opinion.evidence:
                    opinion = unseen._replace(spans=[])
        return self.verdict(opinion, normal, self.buried if buried else self.direct, len(text))

    def unsettled(self, text: str) -> int:
        """All of it: only a whole text can be judged."""
        return len(text)

    def cut(self, head: Head) -> float:
        """What the preset asks for above the balanced threshold."""
        threshold: float = getattr(head, self.options.preset)
        return threshold - head.balanced

    def whole(self, text: str, found: list[Hit]) -> Opinion:
        """The opinion on a request."""
        evidence = self.direct.combine(model.logit(self.model.direct, text), found)
        return Opinion(evidence, found, [hit[1:3] for hit in found], "")

    def local(self, text: str, found: list[Hit]) -> list[Opinion]:
        """The opinions on what stands around each rule found, as if it were all."""
        opinions = []
        for place in [hit for hit in found if not hit.discounted][:MAX_SPANS]:
            start = text.rfind(" ", 0, max(0, place.start - AROUND)) + 1
            end = text.find(" ", place.end + AROUND)
            end = len(text) if end < 0 else end
            inside = [hit for hit in found if start <= hit.start < end]
            evidence = self.direct.combine(model.logit(self.model.direct, text[start:end]), inside) - LOCAL
            opinions.append(Opinion(evidence, inside, [hit[1:3] for hit in inside], ""))
        return opinions

    def window(self, text: str, found: list[Hit]) -> Opinion:
        """The opinion on the worst window of a document."""
        bounds = model.sentences(text)
        if not bounds:
            return Opinion(-9.0, [], [], "")
        windows = model.windows(self.model.buried, text, bounds)
        chance = CHANCE * log(max(1.0, len(windows) / FEW))
        logit, start, end = max(windows)
        worst = Opinion(self.buried.combine(logit, []) - chance, [], [(start, end)], "window")
        ruled: list[tuple[float, int, int]] = []
        for logit, start, end in windows if found else ():
            if inside := [hit for hit in found if start <= hit.start < end]:
                evidence = self.buried.combine(logit, inside) - chance
                if any(hit.rule.name in PLAIN and not hit.discounted for hit in inside):
                    evidence = max(evidence, PLAIN_EVIDENCE)
                ruled.append((evidence, start, end))
                if evidence > worst.evidence:
                    worst = Opinion(evidence, inside, [(start, end)], "window")
        if worst.evidence < self.limit:
            return worst
        # All that read like instructions: who redacts them must not leave the second best.
        judged = [*ruled, *((self.buried.combine(logit, []) - chance, start, end) for logit, start, end in windows)]
        return worst._replace(
            spans=smallest({(start, end) for evidence, start, end in judged if evidence >= self.limit})
        )

    def decoded(self, variant: Variant) -> Opinion:
        """The opinion on a decoded part; its place is the whole encoded run."""
        inner = normalise(variant.text).text
        found, coded = look(inner)
        opinion = self.whole(without_codes(inner, coded), found)
        if variant.kind in NEEDS_RULE and not opinion.found:
            return opinion._replace(evidence=-99.0)
        bonus = ENCODED + (ENCODED if variant.kind == "tags" else 0.0)
        return Opinion(opinion.evidence + bonus, opinion.found, [(variant.start, variant.end)], variant.kind)

    def verdict(self, opinion: Opinion, normal: Normalised, head: Head, length: int) -> Verdict:
        """The opinion at the configured threshold, with places in the original."""
        score = squashed(max(-30.0, min(30.0, opinion.evidence)))
        if score < self.limits[head is self.buried]:
            return Verdict("allow", score)
        found = sorted(opinion.found, key=lambda hit: -hit.weight)
        category = found[0].rule.category if found else "indirect" if head is self.buried else "injection"
        names = list(dict.fromkeys([opinion.kind, *(hit.rule.name for hit in found)]))
        most = MAX_SPANS if head is self.direct else None
        places = [normal.original(*place) for place in opinion.spans[:most]] or [(0, length)]
        spans = tuple(Span(start, end, category, REMOVED) for start, end in sorted(set(places)))
        return Verdict("block", score, "+".join(filter(None, names)) or "model", category, spans)
