"""How counters grew, over days, in bounded memory.

Fine where it is recent, coarse where it is old: points are kept in levels, each with every second point of the level
before it. Between points growth is taken to be even. A point of age `a` has a neighbour no more than `a / 60` away (or
one look, if that is longer), so a window's beginning is uncertain by 1/60 of the window at most; a window as short as
`CAPACITY` looks is exact to one look.
"""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise
from operator import itemgetter

import msgspec

CAPACITY = 120
"""Points of a level."""
RESET = 1 - 1e-9
"""A counter below this share of what it was has been reset; a hair less is the order in which floats were summed."""

Point = tuple[float, ...]
"""Seconds, then the counters' values as if they had never been reset."""
_TIME = itemgetter(0)


class Saved(msgspec.Struct):
    """A history as it is written down: see History."""

    raw: tuple[float, ...]
    base: tuple[float, ...]
    levels: list[list[Point]]


class History:
    """Several counters of one origin, which are reset together. Time is in seconds and only goes on."""

    def __init__(self, span: float, width: int, saved: Saved | None = None) -> None:
        """Of `width` counters, for windows of up to `span` seconds. What was saved of another width is not taken."""
        self._span = span
        self._width = width
        self._raw: tuple[float, ...] = ()
        self._base: tuple[float, ...] = (0.0,) * width
        self._levels: list[list[Point]] = [[]]
        if saved is not None and _fits(saved, width):
            self._raw, self._base, self._levels = saved.raw, saved.base, saved.levels

    @property
    def born(self) -> float | None:
        """When the oldest point was taken that is still kept."""
        return next((points[0][0] for points in reversed(self._levels) if points), None)

    def add(self, at: float, raw: Sequence[float]) -> None:
        """What the counters were at this time; no later than the last one, it is passed over."""
        newest = self._levels[0]
        if newest and at <= newest[-1][0]:
            return
        if self._raw and any(now < RESET * before for now, before in zip(raw, self._raw, strict=True)):
            self._base = tuple(a + b for a, b in zip(self._base, self._raw, strict=True))
        self._raw = tuple(raw)
        self._push((at, *(a + b for a, b in zip(self._base, raw, strict=True))))

    def growth(self, start: float, end: float) -> tuple[float, ...]:
        """By how much each counter grew between these times; before the first point they did not grow."""
        before, after = self._at(start), self._at(end)
        return tuple(max(0.0, b - a) for a, b in zip(before[1:], after[1:], strict=True))

    def saved(self) -> Saved:
        """To be written down."""
        return Saved(self._raw, self._base, self._levels)

    def _push(self, point: Point) -> None:
        levels = self._levels
        for number in range(len(levels) + 1):
            if number == len(levels):
                levels.append([])
            points = levels[number]
            points.append(point)
            if len(points) <= CAPACITY + 1:
                break
            point = points[0]
            del points[:2]
        while len(levels) > 1 and not levels[-1]:
            levels.pop()
        oldest, horizon = levels[-1], levels[0][-1][0] - self._span
        # One is kept from before the longest window.
        while len(oldest) > 1 and oldest[1][0] <= horizon:
            del oldest[0]
        if len(levels) > 1 and len(oldest) == 1 and levels[-2] and levels[-2][0][0] <= horizon:
            levels.pop()

    def _at(self, when: float) -> Point:
        newer: Point | None = None
        for points in self._levels:
            if not points:
                continue
            if points[0][0] <= when:
                place = bisect_right(points, when, key=_TIME)
                before = points[place - 1]
                after = points[place] if place < len(points) else newer
                return before if after is None else _between(before, after, when)
            newer = points[0]
        return newer if newer is not None else (when, *(0.0 for _ in range(self._width)))


def _between(before: Point, after: Point, when: float) -> Point:
    share = (when - before[0]) / (after[0] - before[0])
    return tuple(a + share * (b - a) for a, b in zip(before, after, strict=True))


def _fits(saved: Saved, width: int) -> bool:
    points = [point for level in reversed(saved.levels) for point in level]
    rising = all(a[0] < b[0] for a, b in pairwise(points))
    return (
        bool(saved.levels and saved.levels[0])
        and len(saved.raw) == len(saved.base) == width
        and all(len(point) == width + 1 for point in points)
        and rising
    )
