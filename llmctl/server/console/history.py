"""Snapshots of the last minute and the points of the last five: rates and percentiles over time."""

from collections import deque
from collections.abc import Mapping
from itertools import islice

from llmctl.server.console.overview import RATE_WINDOW, SPAN, WINDOW, CostToday, Now, Point
from llmctl.server.console.snapshot import ModelCounts, Snapshot, percentile

_DAY = 86400.0
_SHORTEST = 1e-3  # seconds between two snapshots that rates are taken over
_SHORTEST_POINT = 0.5  # seconds; a request in a few milliseconds would look like a storm


class History:
    """Fed with snapshots in the order of time. For one thread at a time.

    `born` is when this process began to look, `began` when the counting began: before, where it joins other workers.
    Epoch seconds. Of what they had counted by then only what was spent if they began today is called today's.
    """

    def __init__(self, born: float, *, began: float | None = None) -> None:
        self._born = born
        self._began = born if began is None else began
        self._snapshots: deque[Snapshot] = deque()
        self._pointed: Snapshot | None = None
        self._points: deque[Point] = deque()
        self._day = -1.0
        self._before: Mapping[str, float] = {}

    @property
    def last(self) -> Snapshot | None:
        """The newest snapshot."""
        return self._snapshots[-1] if self._snapshots else None

    @property
    def points(self) -> list[Point]:
        """Oldest first."""
        return list(self._points)

    def add(self, snapshot: Snapshot) -> None:
        """Keep it, and forget what is too old to be asked for."""
        self._turn_day(snapshot, self.last)
        self._snapshots.append(snapshot)
        pointed = self._pointed
        if pointed is None:
            self._pointed = snapshot
        elif snapshot.at - pointed.at >= _SHORTEST_POINT:
            self._points.append(self._point(snapshot, pointed))
            self._pointed = snapshot
        while len(self._snapshots) > 2 and self._snapshots[1].at <= snapshot.at - WINDOW:
            self._snapshots.popleft()
        while self._points and self._points[0].t < snapshot.t - SPAN:
            self._points.popleft()

    def since(self, seconds: float) -> Snapshot:
        """The newest snapshot that is at least so old, or the oldest there is. There must be one."""
        wanted = self._snapshots[-1].at - seconds
        older = (one for one in islice(reversed(self._snapshots), 1, None) if one.at <= wanted)
        return next(older, self._snapshots[0])

    def now(self) -> Now:
        """Rates and percentiles of the present."""
        last, short, long = self._snapshots[-1], self.since(RATE_WINDOW), self.since(WINDOW)
        took = last.at - short.at
        if took < _SHORTEST:
            return Now(last.in_flight, rate_window=0.0, window=last.at - long.at)
        total, before = last.total, short.total
        tokens = total.output_tokens - before.output_tokens
        durations = total.duration, long.total.duration
        p50, p95, p99 = (percentile(share, *durations, last.bounds) for share in (0.5, 0.95, 0.99))
        firsts = last.first_token, long.first_token
        return Now(
            last.in_flight,
            max(0.0, (total.requests - before.requests) / took),
            max(0.0, (total.errors - before.errors) / took),
            max(0.0, (total.refused - before.refused) / took),
            max(0.0, tokens / took),
            p50,
            p95,
            p99,
            percentile(0.5, *firsts, last.first_bounds),
            percentile(0.95, *firsts, last.first_bounds),
            percentile(0.99, last.overhead, long.overhead, last.overhead_bounds),
            took,
            last.at - long.at,
        )

    def cost(self) -> CostToday:
        """Money of today, UTC."""
        last, long = self._snapshots[-1], self.since(WINDOW)
        spent = self.spent_today()
        took = last.at - long.at
        pace = None
        if last.total.usd is not None and took >= _SHORTEST:
            pace = max(0.0, (last.total.usd - (long.total.usd or 0.0)) / took * 3600)
        return CostToday(sum(spent.values()) if spent else None, max(self._since, self._day * _DAY), pace)

    def spent_today(self) -> dict[str, float]:
        """By model, where it had a price at all."""
        models = self._snapshots[-1].models
        return {
            name: max(0.0, one.usd - self._before.get(name, 0.0)) for name, one in models.items() if one.usd is not None
        }

    @property
    def _since(self) -> float:
        """From when on money is known that is spent on the day of the first snapshot."""
        return self._began if self._began // _DAY == self._born // _DAY else self._born

    def _turn_day(self, snapshot: Snapshot, last: Snapshot | None) -> None:
        day = snapshot.t // _DAY
        if day == self._day:
            return
        self._day = day
        if last is not None:
            self._before = _spent(last.models)
        elif self._since > self._began:
            self._before = _spent(snapshot.models)

    def _point(self, now: Snapshot, last: Snapshot) -> Point:
        took, wide = now.at - last.at, self.since(RATE_WINDOW)
        durations, firsts = (now.total.duration, wide.total.duration), (now.first_token, wide.first_token)
        return Point(
            now.t,
            max(0.0, (now.total.requests - last.total.requests) / took),
            max(0.0, (now.total.errors - last.total.errors) / took),
            now.in_flight,
            *(percentile(share, *durations, now.bounds) for share in (0.5, 0.95, 0.99)),
            *(percentile(share, *firsts, now.first_bounds) for share in (0.5, 0.95)),
        )


def _spent(models: Mapping[str, ModelCounts]) -> dict[str, float]:
    return {name: one.usd for name, one in models.items() if one.usd is not None}
