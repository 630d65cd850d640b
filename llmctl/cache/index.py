"""Vectors by partition: an exact scan where they are few, a graph where they are many.

The graph is usearch's HNSW (Malkov and Yashunin 2016, arXiv 1603.09320) in bfloat16: among 100,000 vectors it finds the
nearest 98 times in 100 where texts repeat in other words (80 in 100 among unrelated ones, which is no loss).
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float32]

EXACT = 4096  # vectors of a partition that are scanned: 256 floats each, about 100 µs at most
START = 4
CONNECTIVITY = 16
EXPANSION_ADD = 96
EXPANSION_SEARCH = 24


class Near(NamedTuple):
    """An entry and its cosine with what was asked for."""

    entry: int
    similarity: float


class _Scan:
    """A growing matrix; a removed row is filled with the last one."""

    def __init__(self, dimensions: int) -> None:
        self.vectors = np.zeros((START, dimensions), np.float32)
        self.entries: list[int] = []
        self.rows: dict[int, int] = {}

    def add(self, entry: int, vector: Vector) -> None:
        row = self.rows.get(entry)
        if row is None:
            row = len(self.entries)
            if row == len(self.vectors):
                self.vectors = np.concatenate([self.vectors, np.zeros_like(self.vectors)])
            self.entries.append(entry)
            self.rows[entry] = row
        self.vectors[row] = vector

    def remove(self, entry: int) -> None:
        row, last = self.rows.pop(entry), self.entries.pop()
        if last != entry:
            self.vectors[row] = self.vectors[len(self.entries)]
            self.entries[row] = last
            self.rows[last] = row

    def search(self, vector: Vector, count: int) -> list[Near]:
        size = len(self.entries)
        found = self.vectors[:size] @ vector
        best = np.argpartition(found, size - count)[size - count :] if count < size else np.arange(size)
        best = best[np.argsort(-found[best], kind="stable")]
        return [Near(self.entries[row], float(found[row])) for row in best.tolist()]

    def __len__(self) -> int:
        return len(self.entries)


class _Graph:
    """usearch, which is imported here: only large partitions need it."""

    def __init__(self, dimensions: int, scan: _Scan) -> None:
        from usearch.index import Index as Hnsw

        self._graph: Any = Hnsw(
            ndim=dimensions,
            metric="ip",
            dtype="bf16",
            connectivity=CONNECTIVITY,
            expansion_add=EXPANSION_ADD,
            expansion_search=EXPANSION_SEARCH,
        )
        keys = np.array(scan.entries, np.uint64)
        self._graph.add(keys, scan.vectors[: len(keys)], threads=1)

    def add(self, entry: int, vector: Vector) -> None:
        if entry in self._graph:
            self._graph.remove(entry)
        self._graph.add(entry, vector, threads=1)

    def remove(self, entry: int) -> None:
        self._graph.remove(entry)

    def search(self, vector: Vector, count: int) -> list[Near]:
        found = self._graph.search(vector, count, threads=1)
        pairs = zip(found.keys.tolist(), found.distances.tolist(), strict=True)
        return [Near(entry, 1 - distance) for entry, distance in pairs]

    def __len__(self) -> int:
        return len(self._graph)


class Index:
    """Unit vectors by partition and entry, a number below 2^64 that is one entry's in the whole index.

    In memory, not for several threads. A partition that grows past `exact` becomes a graph at that `add`: a second.
    """

    def __init__(self, dimensions: int, exact: int = EXACT) -> None:
        self._dimensions = dimensions
        self._exact = exact
        self._partitions: dict[bytes, _Scan | _Graph] = {}
        self._of: dict[int, bytes] = {}

    def add(self, partition: bytes, entry: int, vector: Vector) -> None:
        """Put an entry in a partition, out of any other. `vector` has unit length and shape (dimensions,)."""
        if self._of.get(entry, partition) != partition:
            self.remove(entry)
        found = self._partitions.get(partition)
        if found is None:
            found = self._partitions[partition] = _Scan(self._dimensions)
        elif isinstance(found, _Scan) and len(found) >= self._exact and entry not in found.rows:
            found = self._partitions[partition] = _Graph(self._dimensions, found)
        found.add(entry, vector)
        self._of[entry] = partition

    def remove(self, entry: int) -> None:
        """Take an entry out, if it is in."""
        partition = self._of.pop(entry, None)
        if partition is not None:
            found = self._partitions[partition]
            found.remove(entry)
            if not len(found):
                del self._partitions[partition]

    def search(self, partition: bytes, vector: Vector, count: int) -> list[Near]:
        """The nearest entries of a partition, nearest first, at most `count`."""
        found = self._partitions.get(partition)
        return [] if found is None else found.search(vector, count)

    def size(self, partition: bytes) -> int:
        """Entries in a partition."""
        found = self._partitions.get(partition)
        return 0 if found is None else len(found)

    def __len__(self) -> int:
        return len(self._of)
