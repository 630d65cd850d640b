"""Answers found by meaning: the index, which answers are the same, and a policy that decides.

Off the network and off the disk: it knows entries by number, and texts; answers are compared by whoever has them.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from llmctl.cache.entry import Entry
from llmctl.cache.evidence import NEAREST, Neighbour
from llmctl.cache.index import Index, Vector
from llmctl.cache.policies import Decision, Policy

Embed = Callable[[str], Vector]


class Match(NamedTuple):
    """A decision, what it rests on, and what `learn` and `add` need of it."""

    decision: Decision
    neighbours: tuple[Neighbour, ...]
    text: str
    vector: Vector
    partition: bytes


class _Item(NamedTuple):
    key: bytes
    text: str
    group: int


class Semantic:
    """One policy's entries. Groups are of entries that give the same answer, as far as comparisons have shown."""

    def __init__(self, embed: Embed, index: Index, policy: Policy) -> None:
        self.policy = policy
        self._embed = embed
        self._index = index
        self._items: dict[int, _Item] = {}
        self._groups: dict[int, set[int]] = {}
        self._next = 0

    def lookup(self, partition: bytes, text: str, vector: Vector | None = None) -> Match:
        """Decide on a request. `vector` if it is known already, of unit length. A text without a token is not found."""
        vector = self._embed(text) if vector is None else vector
        near = self._index.search(partition, vector, NEAREST) if vector.any() else []
        items = self._items
        neighbours = []
        for entry, similarity in near:
            _, prompt, group = items[entry]
            neighbours.append(Neighbour(entry, similarity, group, prompt))
        decision = self.policy.decide(text, neighbours, self._index.size(partition))
        return Match(decision, tuple(neighbours), text, vector, partition)

    def key(self, entry: int) -> bytes:
        """The store's key of an entry. Raises KeyError for one that is gone."""
        return self._items[entry].key

    def learn(self, match: Match, same: Callable[[int], bool]) -> int | None:
        """Compare the model's answer, `same(entry)`, with that of the nearest and of one entry of each other group.

        Tells the policy, joins the groups that agree, and gives theirs: for `add`. None if no answer is the same.
        Nearest first: a `same` that costs can say False to all but the first.
        """
        agreed: list[int] = []
        seen: set[int] = set()
        for at, one in enumerate(match.neighbours):
            item = self._items.get(one.entry)
            if item is None or item.group in seen:
                continue  # gone meanwhile, or its answer is known to be another's
            seen.add(item.group)
            right = same(one.entry)
            if right:
                agreed.append(item.group)
            if not at:
                self.policy.observe(match.decision, right)
        return self._join(agreed) if agreed else None

    def add(self, match: Match, key: bytes, group: int | None = None) -> int:
        """Keep the model's answer, stored under `key`, to be found from now on; its entry."""
        return self._put(match.partition, key, match.text, match.vector, group)

    def trim(self, most: int) -> None:
        """Forget the entries that were added longest ago, down to so many."""
        while len(self._items) > most:
            self.remove(next(iter(self._items)))

    def restore(self, entries: Iterable[Entry]) -> int:
        """Take up entries that were kept from before; how many had a vector. Each begins as a group of its own."""
        taken = 0
        for entry in entries:
            vector = unpacked(entry.vector)
            if vector is not None and entry.text:
                self._put(entry.partition, entry.key, entry.text, vector, None)
                taken += 1
        return taken

    def remove(self, entry: int) -> None:
        """Forget an entry, if it is there: its answer is gone from the store, or past its time."""
        item = self._items.pop(entry, None)
        if item is not None:
            self._index.remove(entry)
            self._groups[item.group].discard(entry)
            if not self._groups[item.group]:
                del self._groups[item.group]

    def __len__(self) -> int:
        return len(self._items)

    def _put(self, partition: bytes, key: bytes, text: str, vector: Vector, group: int | None) -> int:
        entry = number(key)
        self.remove(entry)
        if group is None or group not in self._groups:
            group = self._next
            self._next += 1
        self._groups.setdefault(group, set()).add(entry)
        self._items[entry] = _Item(key, text, group)
        self._index.add(partition, entry, vector)
        return entry

    def _join(self, groups: list[int]) -> int:
        largest = max(groups, key=lambda group: len(self._groups[group]))
        for group in groups:
            if group != largest:
                moved = self._groups.pop(group)
                self._groups[largest] |= moved
                for entry in moved:
                    self._items[entry] = self._items[entry]._replace(group=largest)
        return largest


def number(key: bytes) -> int:
    """The entry of a store's key: its first eight bytes."""
    return int.from_bytes(key[:8], "little")


def packed(vector: Vector) -> bytes:
    """A vector as it is kept in an entry: little-endian float16."""
    return vector.astype("<f2").tobytes()


def unpacked(data: bytes) -> Vector | None:
    """The vector of `packed`, at unit length; None if there is none."""
    if not data or len(data) % 2:
        return None
    vector: NDArray[np.float32] = np.frombuffer(data, "<f2").astype(np.float32)
    length = float(np.linalg.norm(vector))
    return vector / np.float32(length) if np.isfinite(length) and length else None
