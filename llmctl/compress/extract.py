"""Extractive compression: the whole units that a question is about, in their order, within a budget of tokens.

Two levels, as in extractive reading for retrieval (RECOMP, Xu et al. 2023, arXiv 2310.04408): passages are taken whole,
best first, while they fit; what is left of the budget goes to the best sentences of the passages that come next. Of a
dialogue, turns are taken. Nothing is rewritten: the text that comes back is units of the document, and marks.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Protocol

import numpy as np

from llmctl.compress.rank import Query, Ranker, Vector
from llmctl.compress.units import KEPT, Unit, blocks, sentences

MARK = "[…]"
POOL = 2  # passages are divided into sentences until these are so many times what is left of the budget
ROUNDS = 3  # of giving out again what the sum of the units' counts overstates


class Found(Protocol):
    """What a compiled expression says of a text: anything true where it matches."""

    def search(self, text: str, /) -> object:
        """A match, or None."""
        ...


Count = Callable[[str], int]
"""Tokens of a text."""


def estimate(text: str) -> int:
    """Tokens of a text, at four bytes each: no tokenizer is needed, and every model's is near it for English."""
    return ((len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))) + 3) // 4


@dataclass(frozen=True, slots=True)
class Compressed:
    """`kept` are the units in order, `before` and `after` tokens, `budget` what was allowed.

    `after` exceeds `budget` only where what must be kept does (code, JSON, tags, what is protected), or where no unit
    fits at all and the best one is kept alone.
    """

    text: str
    kept: tuple[Unit, ...]
    before: int
    after: int
    budget: int


def compress(
    document: str,
    query: str,
    budget: int | float,
    *,
    count: Count = estimate,
    protect: Sequence[Found] = (),
    mark: str = MARK,
    ranker: Ranker | None = None,
) -> Compressed:
    """What of the document the query is about, in at most `budget` tokens (int) or that share of its tokens (float).

    A query that names nothing keeps what comes first. Raises ValueError for a budget that is not positive.
    """
    if budget <= 0:
        raise ValueError(f"budget is {budget}; give a number of tokens or a share above 0")
    before = count(document)
    allowed = max(1, int(budget * before)) if isinstance(budget, float) else budget
    found = blocks(document)
    if before <= allowed or not found:
        return Compressed(document, tuple(found), before, before, allowed)
    chosen = _Selection(document, allowed, count, mark)
    chosen.choose(found, ranker or Ranker(), query, protect)
    text = chosen.text()
    return Compressed(text, chosen.kept(), before, count(text), allowed)


class _Selection:
    """Which units of one document are kept, and what they cost so far, marks included."""

    def __init__(self, document: str, budget: int, count: Count, mark: str) -> None:
        self._document = document
        self._budget, self._count, self._mark = budget, count, mark
        self._mark_cost = count(f"{mark}\n\n") if mark else 0
        self._limit = budget
        self._known: dict[Unit, int] = {}
        self._above: dict[int, int] = {}  # from where a unit starts to where the heading above it does
        self._set([])

    def _set(self, units: list[Unit]) -> None:
        self._units = units
        for unit in units:
            if unit not in self._known:
                self._known[unit] = self._count(self._of(unit))
        self._costs = [self._known[unit] for unit in units]
        self._place = {unit.start: at for at, unit in enumerate(units)}
        self._taken = [False] * len(units)
        self._order: list[int] = []  # of those that may be dropped again, as they were taken
        self._spent = self._mark_cost if units else 0  # nothing is kept yet: one mark stands for everything

    def choose(self, found: list[Unit], ranker: Ranker, query: str, protect: Sequence[Found]) -> None:
        """Fill the budget."""
        asked = ranker.query(query)
        self._set_headings(found)
        forced: set[int] = set()  # by where they start
        self._set(self._parted(found, protect, forced))
        for start in sorted(forced):
            self._take(self._place[start])
        if any(unit.kind == "turn" for unit in found):
            scores = ranker.turns([self._of(unit) for unit in self._units], asked)
            self._fill(_best_first(scores))
            return
        ranked = self._ranked(ranker, asked)
        if rest := self._divide(ranked[self._fill_whole(ranked) :]):
            # A sentence's own relevance and its passage's, which says what the sentence does not repeat.
            own = ranker.sentences([self._of(self._units[at]) for at, _ in rest], asked)
            best = _best_first(own + np.asarray([score for _, score in rest]))
            self._fill([rest[at][0] for at in best])

    def text(self) -> str:
        """The kept units and marks, within the budget if units that need not be kept can make it so."""
        text = self._rendered()
        while self._count(text) > self._budget and len(self._order) > (0 if self._must() else 1):
            self._taken[self._order.pop()] = False
            text = self._rendered()
        return text

    def kept(self) -> tuple[Unit, ...]:
        """The units of `text`."""
        return tuple(unit for unit, taken in zip(self._units, self._taken, strict=True) if taken)

    def _of(self, unit: Unit) -> str:
        return self._document[unit.start : unit.end]

    def _must(self) -> bool:
        return sum(self._taken) > len(self._order)

    def _parted(self, found: Sequence[Unit], protect: Sequence[Found], forced: set[int]) -> list[Unit]:
        """The blocks, those with something protected divided so that only the sentence with it must be kept."""
        units: list[Unit] = []
        for unit in found:
            if unit.kind in KEPT:
                forced.add(unit.start)
            if not protect or not any(one.search(self._of(unit)) for one in protect):
                units.append(unit)
                continue
            parts = self._parts(unit)
            inside = [part for part in parts if any(one.search(self._of(part)) for one in protect)]
            # A match across sentences protects them all.
            forced.update(part.start for part in inside or parts)
            units += parts
        return units

    def _set_headings(self, found: Sequence[Unit]) -> None:
        above = -1
        for unit, after in zip_longest(found, found[1:]):
            if unit.kind != "heading":
                self._above[unit.start] = above
            elif after is not None and after.kind != "heading":
                above = unit.start

    def _ranked(self, ranker: Ranker, asked: Query) -> list[tuple[int, float]]:
        """The blocks that compete, best first, each with its score; a block's heading is part of what it says."""
        headings = set(self._above.values())
        free = [at for at, unit in enumerate(self._units) if not self._taken[at] and unit.start not in headings]
        scores = ranker.passages([self._titled(at) for at in free], asked)
        return [(free[at], float(scores[at])) for at in _best_first(scores)]

    def _heading(self, at: int) -> int:
        """The place of the heading above a unit; the unit's own where there is none."""
        return self._place.get(self._above.get(self._units[at].start, -1), at)

    def _titled(self, at: int) -> str:
        above = self._heading(at)
        return (self._of(self._units[above]) if above != at else "") + self._of(self._units[at])

    def _fill_whole(self, ranked: Sequence[tuple[int, float]]) -> int:
        for place, (at, _) in enumerate(ranked):
            if not self._try(at):
                return place
        return len(ranked)

    def _divide(self, ranked: Sequence[tuple[int, float]]) -> list[tuple[int, float]]:
        """Divide the next blocks into sentences; the places of these, and the scores of the blocks they are from."""
        left = POOL * (self._limit - self._spent)
        pool: dict[int, float] = {}
        for at, score in ranked:
            unit = self._units[at]
            pool[unit.start] = score
            left -= self._costs[at]
            if left < 0:
                break
        free = [self._units[at].start for at in self._order]
        taken = [unit.start for unit, taken in zip(self._units, self._taken, strict=True) if taken]
        units: list[Unit] = []
        rest: list[tuple[int, float]] = []
        for unit in self._units:
            parts = self._parts(unit) if unit.start in pool else [unit]
            if unit.start in pool:
                labelled = len(parts) > 1 and parts[0].kind == "heading"
                rest += [(len(units) + at, pool[unit.start]) for at in range(labelled, len(parts))]
            units += parts
        self._set(units)
        for start in taken:
            self._take(self._place[start])
        self._order = [self._place[start] for start in free]
        return rest

    def _parts(self, block: Unit) -> list[Unit]:
        parts = sentences(self._document, block)
        above = self._above.get(block.start, -1)
        label = parts[0].start if parts[0].kind == "heading" else above
        self._above.update((part.start, label) for part in parts)
        self._above[block.start] = above
        return parts

    def _fill(self, order: Sequence[int]) -> None:
        """Take what fits, best first. Counts of parts may sum to more than that of the whole: then once more."""
        for _ in range(ROUNDS):
            for at in order:
                if not self._taken[at]:
                    self._try(at)
            slack = self._budget - self._count(self._rendered())
            if slack <= max(1, self._budget // 50) or all(self._taken):
                break
            self._limit = self._spent + slack
        if not any(self._taken) and order:
            self._take(order[0])
            self._order.append(order[0])

    def _try(self, at: int) -> bool:
        """Take a unit, with the heading above it, if both fit: without its label nobody could cite a passage."""
        if self._spent + self._costs[at] - self._mark_cost > self._limit:
            return False
        above = self._heading(at)
        places = [above, at] if above != at and not self._taken[above] else [at]
        spent = self._spent
        for place in places:
            self._take(place)
        if self._spent <= self._limit:
            self._order += places
            return True
        for place in places:
            self._taken[place] = False
        self._spent = spent
        return False

    def _take(self, at: int) -> None:
        self._taken[at] = True
        left = at == 0 or self._taken[at - 1]
        right = at == len(self._units) - 1 or self._taken[at + 1]
        self._spent += self._costs[at] + self._mark_cost * (1 - left - right)

    def _rendered(self) -> str:
        parts: list[str] = []
        gone = -1
        for unit, taken in zip(self._units, self._taken, strict=True):
            if taken:
                if gone >= 0:
                    parts.append(self._gap(gone, unit.start))
                    gone = -1
                parts.append(self._of(unit))
            elif gone < 0:
                gone = unit.start
        if gone >= 0:
            parts.append(self._gap(gone, len(self._document)))
        return "".join(parts)

    def _gap(self, start: int, end: int) -> str:
        """What stands for a part that is left out: the mark, and white space as wide as the widest break in it."""
        gone = self._document[start:end]
        space = next((space for space in ("\n\n", "\n") if space in gone), " " if end < len(self._document) else "")
        return self._mark + space if self._mark else ""


def _best_first(scores: Vector) -> list[int]:
    """Places by score, highest first; of equals the first."""
    order: list[int] = np.argsort(-scores, kind="stable").tolist()
    return order
