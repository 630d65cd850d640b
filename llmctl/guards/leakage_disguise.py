"""Protected texts as an answer may disguise them: other spacing, order, numbering, rot13, digits for letters.

Both sides are reduced to letters, so that what stands between them hides nothing. Synonyms, translations and ciphers
with a key are out of reach.
"""

import codecs
import re
import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from itertools import accumulate
from typing import NamedTuple

# A word, or one character of a script written without blanks.
WORD = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3]|[^\\W_]+")
_LETTERS = re.compile(r"[^\W\d_]+")
_NO_LETTERS = bytes(code for code in range(256) if not chr(code).isascii() or not chr(code).isalpha())
_LEET = str.maketrans("0134578@$!|l", "oieastbasiii")
_GRAM = 12  # letters; two or three words
_FEWEST = 6
LONGEST_DISGUISED = 8_192
"""Letters of a protected text that are looked for in a disguise; as they stand, all are."""


def letters_of(text: str) -> str:
    """The letters of a text alone, in one case."""
    if text.isascii():
        return text.lower().encode().translate(None, _NO_LETTERS).decode()
    return "".join(_LETTERS.findall(unicodedata.normalize("NFKC", text).casefold()))


def unleet(text: str) -> str:
    """The letters of a text in which digits and signs stand for some; i and l are one."""
    return letters_of(text.lower().translate(_LEET))


class Match(NamedTuple):
    """Where in the letters a stretch stands, how many words of the protected text it has, and how many are a leak."""

    start: int
    end: int
    words: int
    enough: int


class _Form(NamedTuple):
    """One disguise of one text: its letters, and where its words begin and end in them."""

    letters: str
    starts: list[int]
    ends: list[int]
    enough: int

    def words(self, start: int, end: int) -> int:
        """How many whole words stand between two places."""
        return max(0, bisect_right(self.ends, end) - bisect_left(self.starts, start))


class Disguised:
    """All forms of the protected texts of one exchange."""

    def __init__(self, texts: list[tuple[str, int]]) -> None:
        self._forms: list[_Form] = []
        fewest: list[int] = []
        for text, enough in texts:
            every = [letters_of(word) for word in WORD.findall(text)]
            words = list(filter(None, every))  # numbers may be left out
            sizes = [len(word) for word in every]
            sums = [0, *accumulate(sizes)]
            runs = [sums[at + enough] - sums[at] for at in range(len(sizes) - enough + 1)]
            fewest.append(min(runs, default=sums[-1]))
            self._forms += [_form(words, enough, sums[-1]), *_forms(text, words, enough)]
        smallest = min(fewest, default=0)
        self.covers = smallest >= _FEWEST and bool(self._forms)
        """Whether a text that is not `touched` repeats none of them."""
        self._size = max(_FEWEST, min(_GRAM, smallest // 2))
        self._step = max(1, smallest - self._size + 1)
        self._grams = frozenset(
            form.letters[at : at + self._size]
            for form in self._forms
            for at in range(len(form.letters) - self._size + 1)
        )

    def touched(self, letters: str) -> bool:
        """Whether a few letters in a row are those of a protected text."""
        size = self._size
        return not self._grams.isdisjoint(
            [letters[at : at + size] for at in range(0, len(letters) - size + 1, self._step)]
        )

    def begun(self, letters: str) -> int:
        """How many letters at the end are those of a protected text."""
        size = self._size
        at = len(letters)
        while at >= size and letters[at - size : at] in self._grams:
            at -= 1
        return 0 if at == len(letters) else len(letters) - at + size - 1

    def matches(self, letters: str) -> Iterator[Match]:
        """Every stretch that is long enough to be a leak."""
        size = self._size
        at = done = 0
        while at + size <= len(letters):
            best = self._longest(letters, at, done) if letters[at : at + size] in self._grams else None
            if best is None:
                at += self._step
            else:
                yield best
                at = done = best.end

    def _longest(self, letters: str, at: int, done: int) -> Match | None:
        gram = letters[at : at + self._size]
        best: Match | None = None
        for form in self._forms:
            place = form.letters.find(gram)
            for _ in range(3):  # of a phrase that the text has often, the first ones
                if place < 0:
                    break
                left = _common(letters[max(done, at - self._step) : at][::-1], form.letters[:place][::-1])
                right = _common(letters[at : at + len(form.letters)], form.letters[place:])
                words = form.words(place - left, place + right)
                if words >= form.enough and (best is None or left + right > best.end - best.start):
                    best = Match(at - left, at + right, words, form.enough)
                place = form.letters.find(gram, place + 1)
        return best


def _common(one: str, other: str) -> int:
    """How many characters both begin with."""
    at, most = 0, min(len(one), len(other))
    while at < most and one[at : at + 32] == other[at : at + 32]:
        at += 32
    at = min(at, most)
    while at < most and one[at] == other[at]:
        at += 1
    return at


def _form(words: list[str], enough: int, limit: int) -> _Form:
    ends = [end for end in accumulate(map(len, words)) if end <= limit]
    starts = [end - len(word) for end, word in zip(ends, words, strict=False)]
    return _Form("".join(words[: len(ends)]), starts, ends, min(enough, len(words)))


def _forms(text: str, words: list[str], enough: int) -> Iterator[_Form]:
    folded = list(filter(None, map(unleet, text.split())))
    for form in (
        [codecs.encode(word, "rot13") for word in words],
        [word[::-1] for word in reversed(words)],
        [word[::-1] for word in words],
        words[::-1],
        folded,
    ):
        yield _form(form, enough, LONGEST_DISGUISED)
