"""Citations that do not hold: sources that do not exist, quotations that were altered, numbers the source has not.

What can be promised: a marker or address without a source and a quotation that no source has are always found; a source
about something else mostly (AUC .95 on other articles); the wrong sentence of the right article hardly (.61), and a
source that refutes the claim hardly either (.59). Figures: training/cards/grounding.md.
"""

from bisect import bisect_left
from typing import ClassVar, Literal, NamedTuple

from pydantic import Field

from llmctl.guards.base import About, Direction, GuardOptions, Span, Verdict
from llmctl.guards.citation_marks import Marker, Sources, markers, mask, normal, quotations, quoted_in, urls
from llmctl.guards.support import Grounds, load
from llmctl.guards.support_text import sentences

UNSCANNED = Verdict("allow", reason="unscanned: no context supplied")

# Worst first; the score of each. A weak source's score is one minus what the source has of the sentence's words.
FABRICATED = {"missing_source": 1.0, "altered_quote": 0.99}
WEAK = {"misattributed_quote": 0.95, "missing_number": 0.8, "unsupported": 0.0, "uncited": 0.5}


class CitationOptions(GuardOptions):
    """Options of `citation`."""

    ids: tuple[str, ...] = Field(
        (), description="Names of the context's passages, in their order, beside the numbers from 1."
    )
    min_quote_words: int = Field(
        3, ge=1, description="A quotation without a citation is checked from this many words on; with one, always."
    )
    check_urls: bool = Field(True, description="Whether a web address must occur in the context.")
    require: bool = Field(False, description="Whether an answer without any citation is reported.")
    threshold: float | None = Field(
        None, ge=0, le=1, description="Least share of a sentence's words in the cited source; default: the preset's."
    )
    on_fabricated: Literal["warn", "block"] = Field(
        "block", description="What a source that does not exist or an altered quotation leads to."
    )
    on_weak: Literal["warn", "block"] = Field(
        "warn", description="What a source that does not bear its sentence out leads to."
    )


class _Sentence(NamedTuple):
    start: int
    end: int
    cited: list[Marker]


class Citation:
    """Verifies each citation against what it names. Spans are the marker, address, quotation or sentence at fault."""

    Options: ClassVar[type[GuardOptions]] = CitationOptions
    directions: ClassVar[frozenset[Direction]] = frozenset({"output"})
    lookbehind: ClassVar[int | None] = None
    cost_us: ClassVar[float] = 1200.0

    def __init__(self, options: CitationOptions) -> None:
        self._model = load()
        self._options = options
        chosen = self._model.citation_thresholds[options.preset]
        self._threshold = chosen if options.threshold is None else options.threshold
        self._ids = frozenset(name.casefold() for name in options.ids)

    def judge(self, text: str, about: About) -> Verdict:
        """The worst finding decides."""
        if not any(passage.strip() for passage in about.context):
            return UNSCANNED
        sources = Sources(about.context, self._options.ids)
        plain = mask(text)
        parts = _attributed(plain, sorted(markers(plain, self._ids), key=lambda marker: marker.start))
        spans = self._missing(plain, parts, sources) + self._misquoted(plain, parts, sources, about.question)
        weak, score = self._unsupported(plain, parts, sources)
        spans += weak
        if not spans and not any(part.cited for part in parts):
            return self._uncited(plain, about)
        if not spans:
            return Verdict("allow", score)
        spans.sort(key=lambda span: (span.start, span.end))
        worst = min((span.category for span in spans), key=[*FABRICATED, *WEAK].index)
        score = max(score, (FABRICATED | WEAK)[worst])
        outcome = self._options.on_fabricated if worst in FABRICATED else self._options.on_weak
        count = sum(span.category == worst for span in spans)
        return Verdict(outcome, score, f"{count} x {worst} of {len(spans)} findings", worst, tuple(spans))

    def unsettled(self, text: str) -> int:
        """All of it: an answer is judged as a whole."""
        return len(text)

    def _missing(self, text: str, parts: list[_Sentence], sources: Sources) -> list[Span]:
        spans = [
            Span(marker.start, marker.end, "missing_source")
            for part in parts
            for marker in part.cited
            if any(sources.find(key) is None for key in marker.keys)
        ]
        if self._options.check_urls:
            spans += [Span(s, e, "missing_source") for s, e, url in urls(text) if not sources.has_url(url)]
        return spans

    def _misquoted(self, text: str, parts: list[_Sentence], sources: Sources, question: str) -> list[Span]:
        spans = []
        asked = normal(question)
        ends = [part.end for part in parts]
        for quote in quotations(text):
            at = bisect_left(ends, quote.end)
            cited = _named(parts[at], sources) if at < len(parts) else []
            if not cited and len(quote.words.split()) < self._options.min_quote_words and len(quote.words) < 20:
                continue
            if any(quoted_in(quote.words, sources.spelled(index)) for index in cited):
                continue
            elsewhere = any(quoted_in(quote.words, sources.spelled(index)) for index in range(len(sources.texts)))
            if elsewhere and cited:
                spans.append(Span(quote.start, quote.end, "misattributed_quote"))
            elif not elsewhere and not quoted_in(quote.words, asked):
                spans.append(Span(quote.start, quote.end, "altered_quote"))
        return spans

    def _unsupported(self, text: str, parts: list[_Sentence], sources: Sources) -> tuple[list[Span], float]:
        """Sentences that their sources do not bear out, and one minus the least coverage among those cited."""
        spans, score = [], 0.0
        known: dict[tuple[int, ...], Grounds] = {}
        for part in parts:
            cited = tuple(_named(part, sources))
            if not cited:
                continue
            grounds = known.get(cited) or known.setdefault(cited, Grounds([sources.texts[index] for index in cited]))
            claim = grounds.claim(_unmarked(text, part), self._model)
            if claim is None:
                continue
            score = max(score, round(1.0 - claim.coverage, 6))
            if claim.coverage < self._threshold:
                spans.append(Span(part.start, part.end, "unsupported"))
            elif claim.missing_numbers:
                spans.append(Span(part.start, part.end, "missing_number"))
        return spans, score

    def _uncited(self, text: str, about: About) -> Verdict:
        """Nothing to verify: the score is still that of the whole text against all passages."""
        claims = Grounds(about.context).claims(text, self._model)
        score = round(1.0 - min((claim.coverage for claim in claims), default=1.0), 6)
        if self._options.require and text.strip():
            return Verdict(self._options.on_weak, score, "no citation", "uncited", (Span(0, len(text), "uncited"),))
        return Verdict("allow", score, "unscanned: no citations")


def _attributed(text: str, found: list[Marker]) -> list[_Sentence]:
    """Sentences with their markers. A marker in front of a sentence belongs to the one before: `It rained. [1]`."""
    parts: list[_Sentence] = []
    left = 0
    for start, end in sentences(text):
        part = _Sentence(start, end, [])
        while left < len(found) and found[left].start < end:
            marker = found[left]
            left += 1
            leading = marker.start <= start or not text[start : marker.start].strip(" ,;")
            if leading and parts:
                previous = parts[-1]
                previous.cited.append(marker)
                start = marker.end
                continue
            part.cited.append(marker)
        if text[start:end].strip(" .,;") or not parts:
            parts.append(part._replace(start=min(start + _blanks(text, start, end), end)))
    return parts


def _blanks(text: str, start: int, end: int) -> int:
    return len(text[start:end]) - len(text[start:end].lstrip())


def _named(part: _Sentence, sources: Sources) -> list[int]:
    """The sources that a sentence cites and that exist."""
    found = (sources.find(key) for marker in part.cited for key in marker.keys)
    return list(dict.fromkeys(index for index in found if index is not None))


def _unmarked(text: str, part: _Sentence) -> str:
    """The sentence without its markers and addresses."""
    piece = list(text[part.start : part.end])
    cuts = [(marker.start, marker.end) for marker in part.cited] + [
        (s, e) for s, e, _ in urls(text[part.start : part.end])
    ]
    for at, (start, end) in enumerate(cuts):
        offset = part.start if at < len(part.cited) else 0
        for index in range(max(0, start - offset), min(len(piece), end - offset)):
            piece[index] = " "
    return "".join(piece)
