"""One look at a text for the toxicity and content guards, which share it."""

import re
from functools import cache

from msgspec import Struct

from llmctl.guards.toxicity_fold import fold, read, words
from llmctl.guards.toxicity_lexicon import Hit, Lexicon, lexicon
from llmctl.guards.toxicity_model import Heads, Sums, heads, squash

TOXIC = frozenset({"profanity", "insult", "harassment", "hate"})
LOOKBEHIND = 160  # characters: the longest term, what is looked at before it, and some
NEGATED = 0.4  # what a hit still weighs after a negation,
MENTIONED = 0.15  # quoted or named, not used, in a text about words,
QUOTED = 0.6  # and quoted in any other text
NOTHING = (0.0, 0.0, 0.0, 0.0)
SHORT = 300  # characters: in a longer text a suggestive word (severity 1) weighs less, as it says less there
NEAR = 80  # characters from a hit in which it is said to somebody
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
    """What was seen: hits, features of the toxic ones (weight by severity; aimed at the reader), the heads' sums."""

    hits: tuple[Weighed, ...]
    lexical: tuple[float, float, float, float]
    sums: Sums


class Scanner:
    """Scans texts. It remembers the last scan, because the two guards ask after each other, but not the text.

    The text is known again by its length and Python's keyed 64-bit hash, which differs from process to process.
    """

    def __init__(self, lexicon: Lexicon, heads: Heads) -> None:
        self._lexicon = lexicon
        self._heads = heads
        self.names = heads.names
        self._last: tuple[int, int, Scan] | None = None

    def scan(self, text: str) -> Scan:
        """What is in `text`."""
        last = self._last  # read once: threads may scan too
        known, length = hash(text), len(text)
        if last is not None and last[0] == known and last[1] == length:
            return last[2]
        folded, said = read(text)
        sums = self._heads.read(said)
        found = self._lexicon.find(text, folded, sums.fields[-1] > 1)
        seen = self._weighed(text, folded, found, sums) if found else Scan((), NOTHING, sums)
        self._last = (known, length, seen)
        return seen

    def _weighed(self, text: str, folded: str, found: list[Hit], sums: Sums) -> Scan:
        left, hits = weigh(text, folded, found)
        if left != folded:
            sums = self._heads.read(words(left))
        return Scan(hits, lexical(hits, left), sums)

    def unsettled(self, text: str, most: int) -> int:
        """How many of the last characters of the first part of a stream may become part of a hit."""
        return self._lexicon.unsettled(text, most)

    def toxicity(self, scan: Scan) -> float:
        """The probability that a text is toxic, between 0 and 1."""
        logit = self._heads.logit(scan.sums, 0)
        if scan.lexical is not NOTHING:
            logit += sum([c * x for c, x in zip(self._heads.lexical, scan.lexical, strict=True)])
        return squash(logit)

    def highest(self, scan: Scan, heads: list[int]) -> float:
        """The most that any of these heads says, between 0 and 1."""
        return squash(self._heads.highest(scan.sums, heads))

    def head(self, scan: Scan, at: int) -> float:
        """What one of the heads named in `names` says, between 0 and 1."""
        return squash(self._heads.logit(scan.sums, at))


def look(lexicon: Lexicon, text: str) -> tuple[str, tuple[Weighed, ...]]:
    """The folded text, mentions blanked out, and the hits."""
    folded = fold(text)
    return weigh(text, folded, lexicon.find(text, folded))


def weigh(text: str, folded: str, found: list[Hit]) -> tuple[str, tuple[Weighed, ...]]:
    """How far each hit counts; the folded text, mentions blanked out."""
    if not found:
        return folded, ()
    quotes = _quotes(text)
    spoken_about = bool(quotes or len(text) < 400) and _ABOUT_WORDS.search(text) is not None
    hits = []
    for hit in found:
        weight = _weight(hit, folded, quotes, spoken_about)
        hits.append(Weighed(hit, weight))
        if weight <= NEGATED:  # the heads would count it in full
            folded = folded[: hit.start] + " " * (hit.end - hit.start) + folded[hit.end :]
    if spoken_about:
        for start, end in quotes:
            folded = folded[:start] + " " * (end - start) + folded[end:]
    return folded, tuple(hits)


def lexical(hits: tuple[Weighed, ...], folded: str) -> tuple[float, float, float, float]:
    """How much of each severity, each term once and at most 2 each, and whether it is said to somebody."""
    terms: dict[str, tuple[int, float]] = {}
    spoken = False
    for weighed in hits:
        hit = weighed.hit
        if hit.category in TOXIC:
            term = folded[hit.start : hit.end].strip()
            terms[term] = max(terms.get(term, (0, 0.0)), (hit.severity, weighed.weight))
            spoken = spoken or _YOU.search(folded, max(0, hit.start - NEAR), hit.end + NEAR) is not None
    sums = [0.0, 0.0, 0.0]
    for severity, weight in terms.values():
        sums[severity - 1] += weight
    if len(folded) > SHORT:
        sums[0] *= (SHORT / len(folded)) ** 0.5
    aimed = min(sum(sums), 1.0) if spoken else 0.0
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
