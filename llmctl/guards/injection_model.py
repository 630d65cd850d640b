"""The learned part of the `injection` guard: what a text's words are, and how what they are about follows each other.

A text counts by its words (each a place for the word, and places for its groups of three to five characters), by its
pairs of neighbouring words, and by the triples in its sequence of concepts (injection_words.py). Two linear heads: one
judges whole texts by what is distinct in them, the other windows of sentences of tool and retrieved text by all of it,
so that running sums serve every window. What a word weighs is remembered, so an ordinary text costs a look-up a word.
Trained by training/injection.py; see training/cards/injection.md.
"""

import re
import struct
import unicodedata
from array import array
from collections.abc import Iterable
from functools import cache
from itertools import accumulate
from math import sqrt
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

from llmctl.guards.injection_words import FILLER, UNSPACED, concept, segments

WORD_SIZE, CHAR_SIZE, CONCEPT_SIZE, TRIPLE_SIZE, PAIR_SIZE = 1 << 15, 1 << 16, 1 << 13, 1 << 14, 1 << 16
SIZES = (WORD_SIZE, CHAR_SIZE, CONCEPT_SIZE, TRIPLE_SIZE, PAIR_SIZE)
SIZE = sum(SIZES)
STARTS = tuple(accumulate(SIZES[:-1], initial=0))
PARAMETERS = 32
MAGIC = b"LCI3"
ZERO = 128  # what weight 0 is in the file: unsigned bytes are indexed without making an object
ONE = 1 << 20  # weights are summed as whole numbers, so that the order of a set does not matter
MAX_MEMO = 1 << 14
MAX_WORD = 24  # longer ones count without their groups of characters, and are not remembered
MAX_PAIRS = 256  # of a request; what comes later counts by its words and concepts
WINDOW = 3
MAX_SENTENCE = 400
MARK = b"\x01"  # stands for the end of a sentence, and of the text
CODE = struct.Struct("=HHB3x")
PATH = Path(__file__).parent / "weights" / "injection.bin"

LOWER = bytes(i if 97 <= i <= 122 or i == 1 else i + 32 if 65 <= i <= 90 else 32 for i in range(256))
LETTERS = re.compile(r"\x01|(?:[^\W\d_]|[\u0300-\u036f\u0610-\u061a\u064b-\u065f\u0900-\u0963\u0966-\u0dff])+")
APOSTROPHES = re.compile("['\u2019]")
FILLED = bytes([FILLER])
FILLERS = re.compile(re.escape(FILLED) + b"+")
ENDS = ".!?|\u3002\uff01\uff1f\u0964"
SENTENCE = re.compile(r"[.!?|]\s+|[\u3002\uff01\uff1f\u0964]\s*|\n+|<[^<>]{0,200}>")


def words(text: str) -> list[bytes]:
    """The lower-case words of a text; where none are spaced, known words and pairs of characters. Digits are none."""
    if text.isascii():
        return text.encode().translate(LOWER, b"'").split()
    found: list[bytes] = []
    for word in LETTERS.findall(APOSTROPHES.sub("", text.lower())):
        if word.isascii() or not UNSPACED.search(word):
            found.append(word.encode("utf-8", "replace"))
            continue
        at = 0
        for run in UNSPACED.finditer(word):
            found += [part.encode() for part in (word[at : run.start()], *segments(run[0])) if part]
            at = run.end()
        found += [word[at:].encode("utf-8", "replace")] if word[at:] else []
    return found


def word_places(word: bytes) -> tuple[int, list[int]]:
    """The place of the word, and those of its groups of characters."""
    text = f"<{word.decode('utf-8', 'replace')[:MAX_WORD]}>"
    groups = [text[i : i + size] for size in (3, 4, 5) for i in range(len(text) - size + 1)]
    return crc32(word) % WORD_SIZE, [STARTS[1] + crc32(group.encode()) % CHAR_SIZE for group in groups]


def triple_places(one: int, two: int, three: int) -> tuple[int, int, int]:
    """The places of a pair of neighbours, of a pair with anything between, and of the three."""
    triple = crc32(bytes((one, two, three))) % TRIPLE_SIZE
    return STARTS[2] + (one << 6 | two), STARTS[2] + (1 << 12) + (one << 6 | three), STARTS[3] + triple


def remembered(word: bytes) -> bool:
    """Whether a word may be kept in memory: short, and of letters only."""
    text = word.decode("utf-8", "replace")
    return len(text) <= MAX_WORD and all(unicodedata.category(letter)[0] in "LM" for letter in text)


class Codes(dict[bytes, bytes]):
    """What a sequence of words is judged by, remembered: the halves of each word's hash, and what it is about.

    A pair's place is the first half of one and the second of the next. All of a word in eight bytes, so that one
    look-up gives both, and a text's words are one row of bytes. A mark is about 0.
    """

    def __missing__(self, word: bytes) -> bytes:
        both = crc32(word)
        found = CODE.pack(both % PAIR_SIZE, both >> 16, 0 if word == MARK else concept(word.decode("utf-8", "replace")))
        if word == MARK or remembered(word):
            if len(self) >= MAX_MEMO:
                self.clear()
            self[word] = found
        return found


CODES = Codes()


def coded(found: Iterable[bytes]) -> bytes:
    """The codes of words in a row."""
    return b"".join(map(CODES.__getitem__, found))


def about(codes: bytes) -> bytes:
    """What each word is about."""
    return codes[4 :: CODE.size]


def neighbours(codes: bytes) -> "array[int]":
    """The places of the pairs of neighbouring words, from 0."""
    row = int.from_bytes(codes, "little")
    moved = row ^ row >> 8 * CODE.size + 16  # each word's first half, and upon it the second half of the next
    return array("H", moved.to_bytes(len(codes), "little"))[: -CODE.size // 2 : CODE.size // 2]


def collapsed(codes: bytes) -> bytes:
    """The concepts with each run of words about nothing in particular as one."""
    return FILLERS.sub(FILLED, codes)


def triples(found: bytes) -> set[tuple[int, int, int]]:
    """The distinct triples of a sequence."""
    return set(zip(found, found[1:], found[2:], strict=False))


class Words(dict[bytes, int]):
    """What words weigh, remembered."""

    def __init__(self, table: bytes, scales: tuple[float, ...]) -> None:
        super().__init__()
        self.table, self.scales = table, scales

    def __missing__(self, word: bytes) -> int:
        place, groups = word_places(word)
        weight = (self.table[place] - ZERO) * self.scales[0]
        if groups:
            total = sum(map(self.table.__getitem__, groups)) - ZERO * len(groups)
            weight += total * self.scales[1] / sqrt(len(groups))
        result = 0 if word == MARK else round(weight * ONE)
        if word == MARK or remembered(word):
            if len(self) >= MAX_MEMO:
                self.clear()
            self[word] = result
        return result


class Triples(dict[tuple[int, int, int], int]):
    """What triples of concepts weigh, remembered."""

    def __init__(self, table: bytes, scales: tuple[float, ...]) -> None:
        super().__init__()
        self.table, self.scales = table, scales

    def __missing__(self, three: tuple[int, int, int]) -> int:
        near, apart, triple = (self.table[place] - ZERO for place in triple_places(*three))
        weight = self.scales[2] * (near + apart) + self.scales[3] * triple
        if len(self) >= MAX_MEMO:
            self.clear()
        self[three] = result = round(weight * ONE) if three[1] else 0
        return result


class Table:
    """One head: weights in int8, a scale for each of the five kinds of places."""

    def __init__(self, weights: bytes, scales: tuple[float, ...]) -> None:
        self.word, self.triple = Words(weights, scales).__getitem__, Triples(weights, scales).__getitem__
        self.pair, self.scale = weights[STARTS[4] :].__getitem__, scales[4]

    def logit(self, found: list[bytes]) -> float:
        """How much it thinks that the words are an attack, without its bias. 0.0 for nothing, or one word only."""
        distinct = set(found)
        if len(distinct) < 2:  # a word alone demands nothing; what it shares a place with may
            return 0.0
        codes = coded([MARK, *found, MARK])
        shapes = triples(collapsed(about(codes)))
        pairs = set(neighbours(codes[: CODE.size * (MAX_PAIRS + 1)]))
        by_pair = (sum(map(self.pair, pairs)) - ZERO * len(pairs)) * self.scale / sqrt(len(pairs))
        by_word = sum(map(self.word, distinct)) / sqrt(len(distinct))
        return by_pair + (by_word + sum(map(self.triple, shapes)) / sqrt(len(shapes))) / ONE

    def running(self, found: list[bytes]) -> tuple[list[int], list[int], list[float]]:
        """For each mark: the number of words and of concepts before, and the sums of what they weigh."""
        codes = coded(found)
        shapes = collapsed(about(codes))
        at, after = marks(about(codes)), marks(shapes)
        words_ = list(accumulate(map(self.word, found), initial=0))
        pairs = list(accumulate(map(self.pair, neighbours(codes)), initial=0))
        threes = list(accumulate(map(self.triple, zip(shapes, shapes[1:], shapes[2:], strict=False)), initial=0))
        threes.append(threes[-1])
        by_word = [words_[i] / ONE + (pairs[i] - ZERO * i) * self.scale for i in at]
        return at, after, by_word + [threes[i] / ONE for i in after]


def marks(codes: bytes) -> list[int]:
    """Where the marks stand."""
    return [k + length for k, length in enumerate(accumulate(map(len, codes.split(b"\0")[:-1])))]


class Model(NamedTuple):
    """The two heads, and the numbers of training that combine them with the rules."""

    parameters: tuple[float, ...]
    direct: Table
    buried: Table


@cache
def load(path: Path = PATH) -> Model:
    """The shipped weights. Raises ValueError for a file of another format, OSError where it cannot be read."""
    raw = path.read_bytes()
    if raw[:4] != MAGIC or len(raw) != 4 + 4 * PARAMETERS + 2 * SIZE:
        raise ValueError(f"{path} is not a file of injection weights")
    parameters = struct.unpack_from(f"<{PARAMETERS}f", raw, 4)
    body = raw[4 + 4 * PARAMETERS :]
    return Model(parameters, Table(body[:SIZE], parameters[:5]), Table(body[SIZE:], parameters[5:10]))


def plain(text: str) -> str:
    """The text without what MARK looks like."""
    return text.replace("\x01", " ") if "\x01" in text else text


def logit(table: Table, text: str) -> float:
    """How much a head thinks that `text` is an attack, without its bias."""
    return table.logit(words(plain(text)))


def sentences(text: str) -> list[tuple[int, int]]:
    """Where the sentences, lines and stretches between HTML tags stand; none is longer than MAX_SENTENCE."""
    found: list[tuple[int, int]] = []
    start = 0
    for match in (*SENTENCE.finditer(text), None):
        at, after = match.span() if match else (len(text), len(text))
        end = at + 1 if match and text[at] in ENDS else at
        if end - start > MAX_SENTENCE:
            pieces = [(i, min(i + MAX_SENTENCE, end)) for i in range(start, end, MAX_SENTENCE)]
            found += [piece for piece in pieces if text[slice(*piece)].strip()]
        elif end > start and not text[start:end].isspace():
            found.append((start, end))
        start = after
    return found


def marked(text: str, bounds: list[tuple[int, int]]) -> list[bytes]:
    """The words of all sentences, with a mark before each and after the last."""
    text = plain(text)
    return [MARK, *words(" \x01 ".join([text[start:end] for start, end in bounds])), MARK]


def windows(table: Table, text: str, bounds: list[tuple[int, int]]) -> list[tuple[float, int, int]]:
    """For each sentence and each run of WINDOW sentences: logit, start, end."""
    at, after, sums = table.running(marked(text, bounds))
    by_word, by_triple = sums[: len(at)], sums[len(at) :]
    result = []
    for width in sorted({1, min(WINDOW, len(bounds))}):
        for first in range(len(bounds) - width + 1):
            last = first + width
            value = (by_word[last] - by_word[first]) / (at[last] - at[first]) ** 0.5
            value += (by_triple[last] - by_triple[first]) / (after[last] - after[first]) ** 0.5
            result.append((value, bounds[first][0], bounds[last - 1][1]))
    return result
