"""One look at a text for the toxicity and content guards, which share it."""

import re
from functools import cache

from msgspec import Struct

from llmctl.guards.toxicity_lexicon import Hit, Lexicon, fold, lexicon
from llmctl.guards.toxicity_model import Heads, heads, squash

TOXIC = frozenset({"profanity", "insult", "harassment", "hate"})
NEGATED = 0.4  # what a hit still weighs after a negation,
MENTIONED = 0.15  # quoted or named, not used, in a text about words,
QUOTED = 0.6  # and quoted in any other text
REPORTED = 40  # characters before a hit in which "the word" makes it a mention

_QUOTED = re.compile(r'"[^"\n]{1,300}"|\u201c[^\u201d\n]{1,300}\u201d|«[^»\n]{1,300}»|`[^`\n]{1,300}`')
_SINGLE = re.compile(r"(?<!\w)['\u2018][^'\u2019\n]{1,300}['\u2019](?!\w)")
_ABOUT_WORDS = re.compile(
    r"\b(?:words?|terms?|slurs?|means?|meaning|define|definition|offensive|insult(?:ing)?|translate|translation|"
    r"synonyms?|etymology|call(?:ed|s|ing)?|said|says?|wrote|writes|tweeted|posted|comment(?:ed|s)?|messages?|"
    r"report(?:ed|ing)?|moderat\w+|classif\w+|appropriate|derogatory|origin|quote[ds]?|rude|swear\w*|is it ok)\b",
    re.IGNORECASE,
)
_NAMED = re.compile(r"\b(?:words?|terms?|slurs?|phrases?|expressions?|meaning of|mean by|definition of|define)\W+$")
_NEGATION = re.compile(
    r"(?:\b(?:not|never|no|nobody|without|don'?t|didn'?t|isn'?t|aren'?t|wasn'?t|won'?t|wouldn'?t|shouldn'?t|can'?t|"
    r"cannot|stop|avoid|against|prevent(?:ing)?)\b)\s+(?:\S+\s+){0,2}$"
)
_YOU = re.compile(r"\b(?:you|your|you're|youre|ur|u|yourself)\b")


class Weighed(Struct, frozen=True, gc=False):
    """A hit and how far it counts, 0 to 1: less if negated, quoted or only spoken about."""

    hit: Hit
    weight: float


class Scan(Struct, frozen=True):
    """What was seen: hits, features of the toxic ones (weight by severity; aimed at the reader), a logit a head."""

    hits: tuple[Weighed, ...]
    lexical: tuple[float, float, float, float]
    logits: tuple[float, ...]


class Scanner:
    """Scans texts. It remembers the last one, because the two guards ask after each other."""

    def __init__(self, lexicon: Lexicon, heads: Heads) -> None:
        self._lexicon = lexicon
        self._heads = heads
        self.names = heads.names
        self._last: tuple[str, Scan] | None = None

    def scan(self, text: str) -> Scan:
        """What is in `text`."""
        last = self._last  # read once: threads may scan too
        if last is not None and last[0] == text:
            return last[1]
        folded, hits = look(self._lexicon, text)
        seen = Scan(hits, lexical(hits, folded), tuple(self._heads.logits(folded)))
        self._last = (text, seen)
        return seen

    def toxicity(self, scan: Scan) -> float:
        """The probability that a text is toxic, between 0 and 1."""
        logit = scan.logits[0] + sum(c * x for c, x in zip(self._heads.lexical, scan.lexical, strict=True))
        return squash(logit)


def look(lexicon: Lexicon, text: str) -> tuple[str, tuple[Weighed, ...]]:
    """The folded text, mentions blanked out, and the hits."""
    folded = fold(text)
    found = lexicon.find(text, folded)
    if not found:
        return folded, ()
    quotes = _quotes(text)
    spoken_about = bool(quotes or len(text) < 400) and _ABOUT_WORDS.search(text) is not None
    hits = []
    for hit in found:
        weight = _weight(hit, folded, quotes, spoken_about)
        hits.append(Weighed(hit, weight))
        if weight == MENTIONED:
            folded = folded[: hit.start] + " " * (hit.end - hit.start) + folded[hit.end :]
    if spoken_about:
        for start, end in quotes:
            folded = folded[:start] + " " * (end - start) + folded[end:]
    return folded, tuple(hits)


def lexical(hits: tuple[Weighed, ...], folded: str) -> tuple[float, float, float, float]:
    """How much of each severity, at most 2 each, and whether it is said to somebody."""
    sums = [0.0, 0.0, 0.0]
    for weighed in hits:
        if weighed.hit.category in TOXIC:
            sums[weighed.hit.severity - 1] += weighed.weight
    total = sum(sums)
    aimed = min(total, 1.0) if total and _YOU.search(folded) else 0.0
    return min(sums[0], 2.0), min(sums[1], 2.0), min(sums[2], 2.0), aimed


def _quotes(text: str) -> list[tuple[int, int]]:
    spans = [match.span() for match in _QUOTED.finditer(text)] if any(mark in text for mark in '"\u201c«`') else []
    if "'" in text or "\u2018" in text:
        spans += [match.span() for match in _SINGLE.finditer(text)]
    return spans


def _weight(hit: Hit, folded: str, quotes: list[tuple[int, int]], spoken_about: bool) -> float:
    before = folded[max(0, hit.start - REPORTED) : hit.start]
    if any(start <= hit.start < end for start, end in quotes):
        return MENTIONED if spoken_about else QUOTED
    if spoken_about and _NAMED.search(before):
        return MENTIONED
    return NEGATED if _NEGATION.search(before) else 1.0


@cache
def scanner() -> Scanner:
    """The scanner with the shipped lexicon and heads."""
    return Scanner(lexicon(), heads())
