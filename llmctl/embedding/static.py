"""Static embeddings: the mean of a text's token vectors, at unit length. No transformer, no network, no thread.

The table is that of WordLlama (Lee Miller, MIT: weights/NOTICE), 32,000 tokens by 256, in int8 with one scale a token:
8.3 MB on disk, mapped, so that only the tokens that texts use come into memory. Made by training/embedding.py; the
figures are in training/cards/embedding.md. It knows words, not their order: "dog bites man" is "man bites dog".
"""

import struct
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from llmctl.embedding.pieces import Pieces

DIMENSIONS = 256
FOLDER = Path(__file__).parent / "weights"
MAGIC = b"LCE1"
BLOCK = 96  # tokens at a time: 96 KB of floats come from the heap and stay in the cache, more are mapped anew each time
HEAD, TAIL = 4_000, 2_000  # characters; see `embed`

Vector = NDArray[np.float32]


class Table(NamedTuple):
    """What is on disk: the tokenizer, int8 vectors (tokens, 256), and a float32 scale for each."""

    pieces: Pieces
    vectors: NDArray[np.int8]
    scales: Vector


@cache
def load(folder: Path = FOLDER) -> Table:
    """The shipped table, read once a process. Raises ValueError for another format, OSError where it cannot be read."""
    path = folder / "static.bin"
    words = (folder / "vocabulary.txt").read_text(encoding="utf-8").split("\n")
    start = len(MAGIC) + 4
    size = start + len(words) * (4 + DIMENSIONS)
    with path.open("rb") as file:
        head = file.read(start)
    if head != MAGIC + struct.pack("<I", len(words)) or path.stat().st_size != size:
        raise ValueError(f"{path} is not a table of {len(words)} vectors; get the file of this version again")
    scales = np.fromfile(path, "<f4", len(words), offset=start).astype(np.float32)
    mapped = np.memmap(path, np.int8, "r", start + 4 * len(words), (len(words), DIMENSIONS))
    return Table(Pieces({word: at for at, word in enumerate(words)}), np.asarray(mapped), scales)


class StaticEmbedder:
    """Embeds texts. Making one costs nothing; the first `embed` of a process loads the table (`load` does so earlier).

    Not for several threads at once: what words consist of is remembered without a lock.
    """

    dimensions = DIMENSIONS

    def __init__(self, folder: Path = FOLDER) -> None:
        self._folder = folder
        self._table: Table | None = None

    def load(self) -> None:
        """Read the table now. Raises as `load` of this module."""
        self._loaded()

    def _loaded(self) -> Table:
        self._table = load(self._folder)
        return self._table

    def embed(self, text: str) -> Vector:
        """A unit vector of shape (256,), float32; zeros for a text without a token. The same for the same text.

        Of a text longer than 6,000 characters the first 4,000 and the last 2,000 count, which bounds the cost: what is
        asked stands at an end, and a mean of a thousand tokens changes little.
        """
        table = self._table or self._loaded()
        ids = np.frombuffer(table.pieces.encode(_ends(text)), "<u2")
        total = _sum(table, ids[:BLOCK])
        for at in range(BLOCK, len(ids), BLOCK):
            total += _sum(table, ids[at : at + BLOCK])
        square = float(total @ total)
        if square:
            total *= square**-0.5
        return total

    def words(self, text: str) -> tuple[list[str], Vector]:
        """The parts of the text that count, and the vector (n, 256) that each adds: together they are `embed(text)`."""
        table = self._table or self._loaded()
        parts = table.pieces.parts(_ends(text))
        vectors = np.zeros((len(parts), DIMENSIONS), np.float32)
        for at, part in enumerate(parts):
            vectors[at] = _sum(table, np.frombuffer(table.pieces[part], "<u2"))
        length = float(np.linalg.norm(vectors.sum(0)))
        return [part.strip() for part in parts], vectors / (length or 1.0)


def _sum(table: Table, ids: NDArray[np.uint16]) -> Vector:
    result: Vector = table.scales.take(ids) @ table.vectors.take(ids, 0).astype(np.float32)
    return result


def _ends(text: str) -> str:
    return f"{text[:HEAD]} {text[-TAIL:]}" if len(text) > HEAD + TAIL else text
