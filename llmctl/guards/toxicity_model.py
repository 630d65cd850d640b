"""Hashed words and pieces of words, and the linear heads over them. Written by training/toxicity.py.

What a word adds to each head depends on the word alone, so it is worked out once and remembered, all heads in one
integer: a text costs one look-up and one addition a word. A word counts once in a window however often it is there,
else program text, which repeats a few words, would say whatever they say in prose. What holds a digit adds nothing.
"""

import json
import re
from functools import cache
from importlib import resources
from math import exp, inf
from struct import Struct as Layout
from zlib import crc32

from msgspec import Struct

from llmctl.guards.toxicity_fold import ZERO_WIDTH, plain_word

WEIGHTS = "weights/toxicity.bin"
BITS = 15
WORD = 4  # how much a word weighs against each of its pieces
PIECES = (3, 4, 5)
WINDOW = 64  # words judged together: the heads were fitted to short texts
TAIL = 32  # a last window shorter than this joins the one before
LONGEST = 24  # characters of a word that is remembered, and that are read of one that is not
REMEMBERED = 16_384  # words

_FIELD = 32  # bits of one head in a packed integer
_BYTES = _FIELD // 8
_UNSIGNED = bytes((code + 128) % 256 for code in range(256))  # a signed byte as one that is 128 too high
_HALF = 1 << (_FIELD - 1)  # added to each, so that none borrows from the next
_LETTERS = re.compile(rf"[^\d_{ZERO_WIDTH}]+|0+")
_DIGIT = re.compile(r"\d")
_TRIPLE = re.compile(r"([a-vyz])\1\1")

_GROUPS = """gay gays lesbian lesbians bisexual trans transgender queer lgbt lgbtq homosexual homosexuals straight
heterosexual nonbinary intersex asexual black blacks white whites brown asian asians african africans
american americans european europeans chinese japanese korean koreans vietnamese filipino indian indians
pakistani mexican mexicans latino latina latinos hispanic hispanics arab arabs turkish kurdish russian
russians ukrainian ukrainians polish german germans french italian irish british english jew jews jewish
muslim muslims islam islamic christian christians catholic catholics protestant hindu hindus buddhist
sikh sikhs mormon atheist atheists immigrant immigrants migrant migrants refugee refugees foreigner
foreigners native aboriginal indigenous roma woman women female females girl girls man men male males boy
boys elderly old young disabled blind deaf autistic autism diabetic wheelchair israeli israelis
palestinian palestinians nigerian somali syrian iranian iraqi afghan cuban"""
GROUPS = frozenset(_GROUPS.split())


def buckets(word: str) -> list[int]:
    """Of a word as `words` cuts it: its bucket, then those of its pieces. Identity terms have none, nor have words
    with digits or that are not in Latin letters."""
    if _DIGIT.search(word) is not None:
        return []
    read = word[:LONGEST]
    if min(read) > "\u036f":  # Cyrillic, Chinese …: nothing was fitted to them
        return []
    plain = plain_word(read)
    if plain in GROUPS or not plain.isascii():
        return []
    marked = f"<{plain}>".encode()
    size = len(marked)
    pieces = [marked[at : at + width] for width in PIECES for at in range(size - width + 1) if width < size]
    return [crc32(piece) & ((1 << BITS) - 1) for piece in (marked, *pieces)]


def windows(count: int) -> list[int]:
    """Where the windows of a text of so many words start."""
    return list(range(0, max(1, count - TAIL + 1), WINDOW))


class _Values(dict[str, int]):
    """What a word adds to each head, packed, and above that whether it is spelt oddly: 1 for a lone letter, else 2.

    Remembers words of letters only, or numbers as zeros, of at most `LONGEST` characters; forgets all when full.
    """

    def __init__(self, weights: bytes, heads: int) -> None:
        self._wide = bytearray(_BYTES * len(weights))  # each weight in a field of its own, 128 too high
        self._wide[::_BYTES] = weights.translate(_UNSIGNED)
        self._size = heads * _BYTES
        self._high = sum(128 << _FIELD * at for at in range(heads))
        self._top = _FIELD * heads

    def __missing__(self, word: str) -> int:
        found = buckets(word)
        value = 0
        if found:
            rows = [self._row(bucket) for bucket in found]
            value = (WORD - 1) * rows[0] + sum(rows) - (WORD - 1 + len(rows)) * self._high
        value += _oddness(word) << self._top
        if len(word) <= LONGEST and _LETTERS.fullmatch(word) is not None:
            if len(self) >= REMEMBERED:
                self.clear()
            self[word] = value
        return value

    def _row(self, bucket: int) -> int:
        at = bucket * self._size
        return int.from_bytes(self._wide[at : at + self._size], "little")


def _oddness(word: str) -> int:
    if len(word) == 1:
        return int("a" < word <= "z" and word != "i")
    if _TRIPLE.search(word) is not None:
        return 2
    return 0 if word.isascii() or not any(char in ZERO_WIDTH for char in word) else 2


class Sums(Struct, frozen=True, gc=False):
    """Of each head, then of oddness, the sum over a window, `_HALF` too high; what to divide by for its length."""

    fields: tuple[float, ...]
    norm: float


class Heads:
    """The shipped heads: a line of JSON (names, a scale and a bias each), then 2**BITS rows of int8 weights."""

    def __init__(self) -> None:
        head, _, weights = resources.files("llmctl.guards").joinpath(WEIGHTS).read_bytes().partition(b"\n")
        stored = json.loads(head)
        self._scale: list[float] = stored["scale"]
        self._bias: list[float] = stored["bias"]
        self.lexical: tuple[float, ...] = tuple(stored["lexical"])
        self.names: tuple[str, ...] = tuple(stored["names"])
        heads = len(self.names)
        if len(weights) != heads << BITS:
            raise ValueError(f"{WEIGHTS} does not fit this version")
        self._offset = sum(_HALF << _FIELD * at for at in range(heads))
        self._value = _Values(weights, heads).__getitem__
        self._size = (heads + 1) * _BYTES
        self._unpack = Layout(f"<{heads + 1}I").unpack

    def read(self, words: list[str]) -> Sums:
        """The sums over a text; over one of several windows each head's largest."""
        count = len(words)
        if count < WINDOW + TAIL:
            total = sum(map(self._value, set(words))) + self._offset
            return Sums(self._unpack(total.to_bytes(self._size, "little")), (count or 1) ** -0.5)
        starts = windows(count)
        parts = [self._sums(words[start : start + WINDOW]) for start in starts[:-1]]
        parts.append(self._sums(words[starts[-1] :]))
        odd = sum([part[-1] for part in parts])
        parts = [part[:-1] for part in parts]
        ratio = (WINDOW / (count - starts[-1])) ** 0.5
        last = [_HALF + (value - _HALF) * ratio for value in parts.pop()]
        tops = map(max, last, *parts) if parts else last
        return Sums((*tops, odd), WINDOW**-0.5)

    def _sums(self, words: list[str]) -> tuple[int, ...]:
        total = sum(map(self._value, set(words))) + self._offset
        return self._unpack(total.to_bytes(self._size, "little"))

    def logit(self, sums: Sums, at: int) -> float:
        """Of one head, without the lexical features."""
        return self._bias[at] + self._scale[at] * sums.norm * (sums.fields[at] - _HALF)

    def highest(self, sums: Sums, heads: list[int]) -> float:
        """The largest logit of these heads."""
        fields, norm, scale, bias = sums.fields, sums.norm, self._scale, self._bias
        most = -inf
        for at in heads:
            logit = bias[at] + scale[at] * norm * (fields[at] - _HALF)
            if logit > most:
                most = logit
        return most


def squash(logit: float) -> float:
    """The logistic function, for any finite logit."""
    if logit < 0:
        return (power := exp(max(logit, -700.0))) / (1 + power)
    return 1 / (1 + exp(-min(logit, 700.0)))


@cache
def heads() -> Heads:
    """The shipped heads, read once."""
    return Heads()
