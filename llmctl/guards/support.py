"""How well passages support a sentence: lexical evidence, one number between 0 and 1.

Per answer sentence: IDF-weighted coverage by stems and word pairs, the best evidence window, missing
numbers, units and names, flipped negation, and what the question already said. A small logistic regression weighs them
(training/grounding.py). It sees words, not meaning: a paraphrase without shared words looks unsupported, and a false
sentence made of the passage's own words looks supported.
"""

import math
from collections.abc import Iterator, Sequence, Set
from functools import cache
from itertools import pairwise
from pathlib import Path

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from llmctl.guards.support_text import UNITS, Token, is_aside, is_month, is_negation, sentences, tokens

WEIGHTS = Path(__file__).parent / "weights" / "grounding.json"

# In the order of the weights, each with the bounds of its coefficient: evidence may only raise support. Missing numbers
# and names and flipped negation are rare in the training rows and serious here, so they cost at least this much.
FEATURES: tuple[tuple[str, float | None, float | None], ...] = (
    ("stems", 0, None),
    ("window", 0, None),
    ("alike", 0, None),
    ("bigrams", 0, None),
    ("missing_numbers", None, -2.5),
    ("missing_names", None, -1),
    ("negation_flip", None, -1),
    ("from_question", None, None),
    ("first_person", None, None),
    ("second_person", None, None),
    ("asks", None, None),
    ("length", None, None),
)
_NEGATION = [name for name, *_ in FEATURES].index("negation_flip")
_OPENING = 4  # letters that make two stems alike: charitable, charity
_FIRST = frozenset(["i", "me", "my", "mine", "we", "us", "our", "i'm", "i've", "i'd", "i'll", "im"])
_SECOND = frozenset(["you", "your", "yours", "you're"])


class Claim(Struct, frozen=True, gc=False):
    """A sentence of an answer: where it stands, its support, and what of it is nowhere in the passages.

    `support` is the regression's probability; `coverage` the weighted share of its words that the passages have, which
    tells a wrong source better.
    """

    start: int
    end: int
    support: float
    coverage: float
    missing_numbers: tuple[str, ...] = ()
    missing_names: tuple[str, ...] = ()
    negation_flip: bool = False
    passage: int = -1  # where the best evidence is


class Model(Struct, frozen=True, forbid_unknown_fields=True):
    """The shipped regression. By preset: below `thresholds` a sentence's support is too low, below
    `citation_thresholds` its coverage is too low for the source it cites.
    """

    features: tuple[str, ...]
    coefficients: tuple[float, ...]
    intercept: float
    thresholds: dict[str, float]
    citation_thresholds: dict[str, float]

    def support(self, values: Sequence[float]) -> float:
        """The probability that a sentence with these features is supported."""
        z = self.intercept + sum(c * v for c, v in zip(self.coefficients, values, strict=True))
        return 1.0 / (1.0 + math.exp(-max(-30.0, min(30.0, z))))


@cache
def load() -> Model:
    """The shipped weights, read once."""
    model = msgspec.json.decode(WEIGHTS.read_bytes(), type=Model)
    if model.features != tuple(name for name, *_ in FEATURES):
        raise ValueError(f"{WEIGHTS} was trained on other features: run training/grounding.py")
    return model


class Grounds:
    """An index over passages. Build it once for an answer; `claim` asks it about one sentence."""

    def __init__(self, passages: Sequence[str]) -> None:
        self._postings: dict[str, list[int]] = {}
        self._bigrams: set[tuple[str, str]] = set()
        self._openings: set[str] = set()
        self._numbers: set[str] = set()
        self._measures: set[tuple[str, str]] = set()
        self._words: set[str] = set()
        self._negated: list[bool] = []
        self._verbatim: list[str] = []
        self._passage: list[int] = []
        for index, passage in enumerate(passages):
            self._add(passage)
            self._passage += [index] * (len(self._negated) - len(self._passage))

    def _add(self, passage: str) -> None:
        everything: list[Token] = []
        for start, end in sentences(passage):
            found = tokens(passage[start:end])
            place = len(self._negated)
            self._negated.append(any(is_negation(token.word) for token in found))
            for key in {token.stem for token in found}:
                self._postings.setdefault(key, []).append(place)
            everything += found
        self._negated.append(False)  # a gap, so that no window spans two passages
        stems = [token.stem for token in everything]
        self._bigrams.update(pairwise(stems))
        self._openings.update(token.stem[:_OPENING] for token in everything if token.content)
        self._numbers.update(token.number for token in everything if token.number is not None)
        self._measures.update(_measures(everything))
        self._words.update(token.word for token in everything)
        self._verbatim.append(_line(everything))

    def claims(self, text: str, model: Model, question: str = "") -> Iterator[Claim]:
        """Every sentence of `text` that says anything. What is said of names in the question needs no other support."""
        asked = {token.stem for token in tokens(question) if token.content}
        for start, end in sentences(text):
            if (claim := self.claim(text[start:end], model, asked)) is not None:
                yield replace(claim, start=start, end=end)

    def claim(self, sentence: str, model: Model, asked: Set[str] = frozenset()) -> Claim | None:
        """The support of one sentence; None if it claims nothing. What a passage says verbatim has 1."""
        found = tokens(sentence)
        if not any(token.content for token in found) or is_aside(sentence):
            return None
        if self.verbatim(found):
            return Claim(0, len(sentence), 1.0, 1.0)
        values, numbers, names, place = self.features(sentence, found, asked)
        best = self._passage[place] if place >= 0 else -1
        flip = values[_NEGATION] > 0
        return Claim(0, len(sentence), model.support(values), values[0], numbers, names, flip, best)

    def verbatim(self, found: list[Token]) -> bool:
        """Whether a passage has these words in this order, nothing between them."""
        line = _line(found)
        return any(line in passage for passage in self._verbatim)

    def features(
        self, sentence: str, found: list[Token], asked: Set[str]
    ) -> tuple[list[float], tuple[str, ...], tuple[str, ...], int]:
        """The values of FEATURES, the missing numbers, the missing names, and the best evidence's place or -1."""
        content = [token for token in found if token.content]
        keys = [token.stem for token in content]
        weights = {key: self._weight(key) for key in keys}
        total = sum(weights.values()) or 1.0
        covered = sum(weight for key, weight in weights.items() if key in self._postings)
        missing = [key for key in weights if key not in self._postings]
        alike = sum(weights[key] for key in missing if len(key) >= _OPENING and key[:_OPENING] in self._openings)
        repeated = sum(weights[key] for key in missing if key in asked)
        window, place = self._window(weights)
        window /= total
        every = [token.stem for token in found]
        numbers, names = self._missing_numbers(found), self._missing_names(sentence, found, asked)
        words = {token.word for token in found}
        denies = any(is_negation(word) for word in words)
        values = [
            covered / total,
            window,
            alike / total,
            _share(every, self._bigrams, covered / total),
            min(len(numbers), 3.0),
            min(len(names), 3.0),
            float(place >= 0 and window >= 0.5 and denies != self._negated[place]),
            repeated / total,
            float(not words.isdisjoint(_FIRST)),
            float(not words.isdisjoint(_SECOND)),
            float(sentence.rstrip().endswith("?")),
            math.log1p(len(keys)),
        ]
        return values, numbers, names, place

    def _weight(self, key: str) -> float:
        often = len(self._postings.get(key, ())) or 1
        return 1.0 + 0.5 * math.log((len(self._negated) + 1) / (often + 1))

    def _window(self, weights: dict[str, float]) -> tuple[float, int]:
        """The most weight found in one sentence, or in two beside each other for a tenth less, and which it is."""
        single: dict[int, float] = {}
        twice: dict[int, float] = {}  # what a sentence shares with the next
        for key, weight in weights.items():
            last = -2
            for at in self._postings.get(key, ()):
                single[at] = single.get(at, 0.0) + weight
                if last == at - 1:
                    twice[last] = twice.get(last, 0.0) + weight
                last = at
        if not single:
            return 0.0, -1
        place = max(single, key=lambda at: (single[at], -at))
        best = max(0.9 * (single[at] + single.get(at + 1, 0.0) - twice.get(at, 0.0)) for at in single)
        return max(best, single[place]), place

    def _missing_numbers(self, found: list[Token]) -> tuple[str, ...]:
        absent = [t.raw for t in found if t.number is not None and t.content and t.number not in self._numbers]
        absent += [t.raw for t in found if is_month(t.word) and t.word not in self._words]
        absent += [
            f"{value} {unit}"
            for value, unit in _measures(found)
            if value in self._numbers
            and (value, unit) not in self._measures
            and any(value == other for other, _ in self._measures)
        ]
        return tuple(absent)

    def _missing_names(self, sentence: str, found: list[Token], asked: Set[str]) -> tuple[str, ...]:
        """Capitalised words after the first that no passage has; none in a text all in capitals."""
        if sentence.isupper():
            return ()
        return tuple(
            token.raw
            for token in found[1:]
            if token.raw[0].isupper() and token.content and token.stem not in self._postings and token.stem not in asked
        )


def _measures(found: list[Token]) -> list[tuple[str, str]]:
    """Numbers with the unit that follows them."""
    return [
        (token.number, UNITS[after.word])
        for token, after in pairwise(found)
        if token.number is not None and after.word in UNITS
    ]


def _line(found: list[Token]) -> str:
    return " " + " ".join(token.word for token in found) + " "


def _share(stems: list[str], known: set[tuple[str, str]], instead: float) -> float:
    """The share of neighbours that are known; a single word has none and takes `instead`."""
    if len(stems) < 2:
        return instead
    return sum(pair in known for pair in pairwise(stems)) / (len(stems) - 1)
