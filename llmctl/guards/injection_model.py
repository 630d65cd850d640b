"""The learned part of the `injection` guard: hashed word 1-3-grams and character 4-5-grams, two linear heads.

One head judges whole texts, the other windows of three sentences of tool and retrieved text. Everything is one
vectorised pass: 150 characters cost about 25 µs. Trained by training/injection.py; see training/cards/injection.md.
"""

import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zlib import crc32

from msgspec import Struct

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Words = NDArray[np.uint32]

BITS = 16
SIZE = 1 << BITS
PARAMETERS = 32
MAGIC = b"LCI1"
WINDOW = 3
MAX_SENTENCE = 400
PATH = Path(__file__).parent / "weights" / "injection.bin"

PUNCTUATION = bytes(32 if chr(i) in "\t\n\r\v\f!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~" else i for i in range(256))
SENTENCE = re.compile(r"(?<=[.!?。！？।|])\s+|\n+|(?<=[。！？।])|<[^<>]{0,200}>")  # noqa: RUF001 - CJK full stops


class Model(Struct, frozen=True, gc=False):
    """`direct` and `buried` are the heads, (2, SIZE) each: words, characters. `parameters` are named in training."""

    parameters: tuple[float, ...]
    direct: "NDArray[np.float32]"
    buried: "NDArray[np.float32]"


@cache
def load(path: Path = PATH) -> Model:
    """The shipped weights. Raises ValueError for a file of another format, OSError where it cannot be read."""
    import numpy as np

    raw = path.read_bytes()
    if raw[:4] != MAGIC or len(raw) != 4 + 4 * PARAMETERS + 4 * SIZE:
        raise ValueError(f"{path} is not a file of injection weights")
    parameters = np.frombuffer(raw, "<f4", PARAMETERS, 4)
    tables = np.frombuffer(raw, np.int8, offset=4 + 4 * PARAMETERS).reshape(2, 2, SIZE).astype(np.float32)
    tables *= parameters[:4].reshape(2, 2, 1)
    return Model(tuple(map(float, parameters)), tables[0], tables[1])


def word_hashes(text: str) -> list[int]:
    """One 32-bit hash a word of lower-case text; punctuation separates words."""
    return list(map(crc32, text.encode("utf-8", "replace").translate(PUNCTUATION).split()))


def word_grams(hashes: list[int]) -> "tuple[Words, Words, Words]":
    """Buckets of the words, pairs and triples."""
    import numpy as np

    one = np.array(hashes, np.uint32)
    two = one[:-1] * np.uint32(0x85EBCA6B) + one[1:]
    three = two[:-1] * np.uint32(0xC2B2AE35) + one[2:]
    return bucket(one), bucket(two), bucket(three)


def char_grams(text: str) -> "tuple[Words, Words]":
    """Buckets of the groups of four and five characters, one for each place where one begins."""
    import numpy as np

    codes = np.frombuffer(text.encode("utf-32-le", "replace"), np.uint32)
    two = codes[:-1] * np.uint32(0x01000193) + codes[1:]
    four = two[:-2] * np.uint32(0x85EBCA6B) + two[2:]
    five = four[:-1] * np.uint32(0xC2B2AE35) + codes[4:]
    return bucket(four), bucket(five)


def bucket(hashes: "Words") -> "Words":
    """The places in a table of SIZE entries."""
    import numpy as np

    mixed = (hashes ^ (hashes >> np.uint32(15))) * np.uint32(0x9E3779B1)
    return mixed >> np.uint32(32 - BITS)


def clean(text: str) -> str:
    """What the features are made of: lower case, single spaces, a space on either side."""
    return f" {' '.join(text.lower().split())} "


def logit(table: "NDArray[np.float32]", text: str) -> float:
    """How much a head thinks that `text` is an attack, without its bias; 0.0 for nothing at all."""
    text = clean(text)
    total = 0.0
    for weights, groups in zip(table, (word_grams(word_hashes(text)), char_grams(text)), strict=True):
        count = sum(map(len, groups))
        if count:
            total += sum(float(weights[group].sum()) for group in groups if len(group)) / count**0.5
    return total


def sentences(text: str) -> list[tuple[int, int]]:
    """Where the sentences, lines and stretches between HTML tags stand; none is longer than MAX_SENTENCE."""
    found = []
    start = 0
    for match in SENTENCE.finditer(text):
        found.append((start, match.start()))
        start = match.end()
    found.append((start, len(text)))
    return [
        (at, min(at + MAX_SENTENCE, end))
        for start, end in found
        if text[start:end].strip()
        for at in range(start, end, MAX_SENTENCE)
    ]


def windows(table: "NDArray[np.float32]", text: str, bounds: list[tuple[int, int]]) -> "list[tuple[float, int, int]]":
    """For each sentence and each run of WINDOW sentences: logit, start, end. One pass, whatever the number."""
    import numpy as np

    parts = [clean(text[start:end]) for start, end in bounds]
    hashes = [word_hashes(part) for part in parts]
    flat = [value for part in hashes for value in part]
    sums = [
        (cumulated(weights, groups), ends)
        for weights, groups, ends in (
            (table[0], word_grams(flat), np.cumsum([0, *map(len, hashes)])),
            (table[1], char_grams("".join(parts)), np.cumsum([0, *map(len, parts)])),
        )
    ]
    result = []
    for width in sorted({1, min(WINDOW, len(bounds))}):
        total = np.zeros(len(bounds) - width + 1)
        for (sum_to, count_to), ends in sums:
            first, last = ends[: len(ends) - width], ends[width:]
            total += (sum_to[last] - sum_to[first]) / np.sqrt(np.maximum(count_to[last] - count_to[first], 1.0))
        result += [(float(value), bounds[i][0], bounds[i + width - 1][1]) for i, value in enumerate(total)]
    return result


def cumulated(weights: Any, groups: "tuple[Words, ...]") -> Any:
    """Sums of the weights, and counts, of all groups that begin before each place."""
    import numpy as np

    length = len(groups[0]) + 8
    total, count = np.zeros(length), np.zeros(length)
    for group in groups:
        total[1 : len(group) + 1] += weights[group]
        count[1 : len(group) + 1] += 1.0
    return np.cumsum(total), np.cumsum(count)
