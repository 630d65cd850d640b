"""Topics named by the operator as keywords and phrases, denied or the only ones allowed; words match by their stems."""

import re
from typing import ClassVar

from pydantic import Field, field_validator

from llmctl.guards.base import ALLOW, About, Direction, GuardOptions, Outcome, Preset, Span, Verdict
from llmctl.guards.toxicity_lexicon import fold

THRESHOLDS: dict[Preset, float] = {"strict": 0.5, "balanced": 0.5, "lenient": 0.75}
FIRST, NEXT = 0.6, 0.45  # score of one term found; by how much each further one closes the gap to 1
OFF_TOPIC = 0.8
REMEMBERED = 20_000  # stems

_VOWEL = re.compile(r"[aeiouy]")
_ENDINGS = (
    *("ational", "ization", "isation", "fulness", "iveness", "ousness"),
    *("ations", "ation", "ators", "ator", "ments", "ment", "ities", "ness", "ings", "ions", "ists", "isms"),
    *("ing", "ion", "ies", "ied", "ist", "ism", "ity", "ers", "ors", "ed", "er", "or", "ly", "al", "es", "s"),
)
_WORD = re.compile(r"\S+")  # of a folded text
_SPACELESS = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")


def stem(word: str) -> str:
    """A light English stem, the same for inflections and close derivations: bets, betting → bet. Others stay."""
    word = word.strip("'").removesuffix("'s")
    if len(word) < 4 or not word.isascii():
        return word
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 3 and _VOWEL.search(word[: -len(ending)]):
            if ending == "s" and word[-2] in "su":
                break
            word = word[: -len(ending)]
            if ending[-2:] in ("er", "or") or ending in ("ers", "ors"):  # better is no bet
                return word
            break
    if len(word) > 3 and word[-1] == word[-2] and word[-1] not in "aeioulsz":
        word = word[:-1]
    return word[:-1] if len(word) > 3 and word[-1] in "eyi" else word


class _Stems(dict[str, str]):
    """Stems by word, remembered."""

    def __missing__(self, word: str) -> str:
        found = stem(word)
        if len(self) < REMEMBERED and len(word) < 40:
            self[word] = found
        return found


class TopicsOptions(GuardOptions):
    """Options of `topics`."""

    deny: dict[str, tuple[str, ...]] = Field(
        default_factory=dict, description="Topic to keywords and phrases; a text with one of them is blocked."
    )
    allow: dict[str, tuple[str, ...]] = Field(
        default_factory=dict, description="Topic to keywords and phrases; if any, a text with none of them is blocked."
    )
    min_words: int = Field(4, ge=0, description="Shorter texts, such as greetings, need not match `allow`.")

    @field_validator("deny", "allow")
    @classmethod
    def _terms_have_words(cls, topics: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        for topic, terms in topics.items():
            if not terms:
                raise ValueError(f"topic {topic!r} has no keywords")
            for term in terms:
                if not fold(term).strip(" '"):
                    raise ValueError(f"topic {topic!r}: {term!r} has no word in it")
        return topics


class _Terms:
    """The terms of some topics: phrases by their first stem, and what is written without spaces as a pattern."""

    def __init__(self, topics: dict[str, tuple[str, ...]], stems: _Stems) -> None:
        self._phrases: dict[str, list[tuple[tuple[str, ...], str]]] = {}
        self._spaceless: list[tuple[str, str]] = []
        self._openings: set[tuple[str, ...]] = set()
        self._longest = 1
        for topic, terms in topics.items():
            for term in terms:
                if _SPACELESS.search(term):
                    self._spaceless.append((term, topic))
                else:
                    phrase = tuple(stems[word] for word in fold(term).split())
                    self._phrases.setdefault(phrase[0], []).append((phrase, topic))
                    self._openings.update(phrase[:count] for count in range(1, len(phrase)))
                    self._longest = max(self._longest, len(phrase))

    def find(self, text: str, folded: str, stemmed: list[str]) -> list[Span]:
        """Every place where a term stands."""
        found = []
        if not self._phrases.keys().isdisjoint(stemmed):
            found = self._places(folded, stemmed)
        for term, topic in self._spaceless:
            at = text.find(term)
            if at >= 0:
                found.append(Span(at, at + len(term), topic))
        return found

    def begun(self, text: str, stems: _Stems) -> int:
        """How many characters at the end may be the beginning of a term: an unfinished word, and a phrase's first."""
        held = 0
        for term, _ in self._spaceless:
            held = max(held, next((n for n in range(len(term) - 1, 0, -1) if text.endswith(term[:n])), 0))
        tail = fold(text[-64 * self._longest :])
        places = [match.span() for match in _WORD.finditer(tail)][-self._longest :]
        at = len(tail)
        if places and places[-1][1] == len(tail):
            at = max((match.end() for match in _SPACELESS.finditer(tail, places[-1][0])), default=places[-1][0])
            places.pop()
        words = tuple(stems[tail[start:end]] for start, end in places)
        for first, (start, _) in enumerate(places):
            if words[first:] in self._openings:
                at = start
                break
        return max(held, len(tail) - at)

    def _places(self, folded: str, stemmed: list[str]) -> list[Span]:
        spans = []
        places = list(_WORD.finditer(folded))
        for at, first in enumerate(stemmed):
            for phrase, topic in self._phrases.get(first, ()):
                last = at + len(phrase)
                if tuple(stemmed[at:last]) == phrase:
                    spans.append(Span(places[at].start(), places[last - 1].end(), topic))
        return spans


class Topics:
    """Blocks what is about a denied topic or, with an allow list, about none of the allowed ones."""

    Options: ClassVar[type[GuardOptions]] = TopicsOptions
    directions: ClassVar[frozenset[Direction]] = frozenset({"input", "output"})
    lookbehind: int | None = 128  # of an instance with an allow list: None, for its topic may come last
    cost_us: ClassVar[float] = 20.0

    def __init__(self, options: TopicsOptions) -> None:
        self._stems = _Stems()
        self._deny = _Terms(options.deny, self._stems)
        self._allow = _Terms(options.allow, self._stems) if options.allow else None
        self._min_words = 1 if options.preset == "strict" else max(1, options.min_words)
        self._threshold = THRESHOLDS[options.preset]
        if self._allow is not None:
            self.lookbehind = None

    def judge(self, text: str, about: About) -> Verdict:
        """A denied topic outweighs an allowed one; one term is enough unless the preset is lenient."""
        folded = fold(text)
        stemmed = list(map(self._stems.__getitem__, folded.split()))
        if denied := self._deny.find(text, folded, stemmed):
            terms = {text[span.start : span.end] for span in denied}
            score = 1 - (1 - FIRST) * NEXT ** (len(terms) - 1)
            outcome: Outcome = "block" if score >= self._threshold else "allow"
            topic = denied[0].category
            return Verdict(outcome, score, f"denied topic {topic}", topic, tuple(denied))
        if self._allow is None or len(stemmed) < self._min_words or self._allow.find(text, folded, stemmed):
            return ALLOW
        return Verdict("block", OFF_TOPIC, "none of the allowed topics", "off-topic")

    def unsettled(self, text: str) -> int:
        """The last words, as far as a denied term may begin there; with an allow list everything."""
        return len(text) if self._allow is not None else self._deny.begun(text, self._stems)
