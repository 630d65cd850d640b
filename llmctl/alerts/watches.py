"""What Prometheus' rules would say, looked at in the process itself: the same windows and the same maths.

A watch keeps the history of what one promise counts and says, at each look, which of its alerts' conditions hold.
Seconds throughout.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from llmctl.alerts.detectors import DAY, LEAST_BEFORE, ends_before, far_out, least_windows, percentile, slower
from llmctl.alerts.history import History, Saved
from llmctl.alerts.indicators import REQUESTS, SPENT, Level, Ratio, level_of, ratio_of
from llmctl.alerts.readings import Group, Reading, Selection
from llmctl.alerts.rules import alert_name, paced, threshold
from llmctl.alerts.slo import (
    CostAnomalySlo,
    Histograms,
    LatencyShiftSlo,
    LimitSlo,
    RatioSlo,
    Slo,
    Slos,
)
from llmctl.statistics.wilson import limits

MINUTE = 60.0


@dataclass(frozen=True, slots=True)
class Breach:
    """A condition that holds now: which alert's, for which values of the labels `by`; fires once it held for `hold`."""

    alert: str
    hold: float
    by: tuple[str, ...]
    group: Group
    value: float


class Tracks:
    """Histories of counters that appear in one metric, by group. What was not there a look ago began at 0."""

    def __init__(self, span: float, width: int, saved: Mapping[Group, Saved]) -> None:
        """For windows of up to `span` seconds, `width` counters each."""
        self._span = span
        self._width = width
        self._looked: float | None = None
        self.by_group = {group: History(span, width, one) for group, one in saved.items()}

    def add(self, now: float, read: Mapping[Group, tuple[float, ...]]) -> None:
        """What was read of each group."""
        for group in read:
            if group not in self.by_group:
                history = self.by_group[group] = History(self._span, self._width)
                if self._looked is not None:
                    history.add(self._looked, (0.0,) * self._width)
        for group, history in self.by_group.items():
            history.add(now, read.get(group, (0.0,) * self._width))
        self._looked = now


class Watch(Protocol):
    """One promise."""

    tracks: Tracks | None

    def look(self, now: float, reading: Reading) -> Iterator[Breach]:
        """Take note of what is counted now, and say which conditions hold."""
        ...


class RatioWatch:
    """A share of events, over pairs of windows, as `rules` writes it for Prometheus."""

    def __init__(self, name: str, slo: RatioSlo, ratio: Ratio, pace: float, saved: Mapping[Group, Saved]) -> None:
        self._slo = slo
        self._ratio = ratio
        self._pairs = [
            (alert_name(name, pair), pair.long * MINUTE, pair.short * MINUTE, pair.hold * MINUTE, threshold(slo, pair))
            for pair in paced(pace)
        ]
        self.tracks: Tracks = Tracks(max(long for _, long, *_ in self._pairs), 2, saved)

    def look(self, now: float, reading: Reading) -> Iterator[Breach]:
        """See Watch."""
        self.tracks.add(now, self._counted(reading))
        for group, history in self.tracks.by_group.items():
            for alert, long, short, hold, limit in self._pairs:
                total, bad = history.growth(now - long, now)
                if total <= 0 or bad < self._slo.min_bad or limits(bad / total, total)[0] <= limit:
                    continue
                recent, recently_bad = history.growth(now - short, now)
                if recent > 0 and recently_bad / recent > limit:
                    yield Breach(alert, hold, self._ratio.by, group, bad / total)

    def _counted(self, reading: Reading) -> dict[Group, tuple[float, ...]]:
        ratio = self._ratio
        totals = ratio.total.sums(reading, ratio.by)
        if ratio.good is not None:
            good = ratio.good.sums(reading, ratio.by)
            return {group: (total, total - good.get(group, 0.0)) for group, total in totals.items()}
        assert ratio.bad is not None
        bad = ratio.bad.sums(reading, ratio.by)
        return {group: (total, bad.get(group, 0.0)) for group, total in totals.items()}


class LevelWatch:
    """A figure that must stay under a limit."""

    def __init__(self, name: str, slo: LimitSlo, level: Level, pace: float, saved: Mapping[Group, Saved]) -> None:
        self._alert = alert_name(name)
        self._hold = slo.window / pace
        self._level = level
        self.tracks: Tracks | None = Tracks(level.day, 1, saved) if level.counters else None

    def look(self, now: float, reading: Reading) -> Iterator[Breach]:
        """See Watch."""
        for group, value in self._values(now, reading).items():
            if value > self._level.limit:
                yield Breach(self._alert, self._hold, self._level.by, group, value)

    def _values(self, now: float, reading: Reading) -> dict[Group, float]:
        if self.tracks is None:
            return {} if self._level.gauge is None else self._level.gauge.peaks(reading, self._level.by)
        self.tracks.add(now, {(): (summed(self._level.counters, reading),)})
        return {group: history.growth(now - self._level.day, now)[0] for group, history in self.tracks.by_group.items()}


class CostWatch:
    """The spend of a window against those of the day before: `detectors.far_out`."""

    def __init__(self, name: str, slo: CostAnomalySlo, pace: float, saved: Mapping[Group, Saved]) -> None:
        self._alert = alert_name(name)
        self._slo = slo
        self._window, self._day, self._hold = slo.window / pace, DAY / pace, slo.hold / pace
        self._requests = Selection(REQUESTS)
        self.tracks: Tracks = Tracks(self._day + 2 * self._window, 2, saved)

    def look(self, now: float, reading: Reading) -> Iterator[Breach]:
        """See Watch."""
        self.tracks.add(now, {(): (summed(SPENT, reading), summed((self._requests,), reading))})
        for group, history in self.tracks.by_group.items():
            spent, requests = history.growth(now - self._window, now)
            if spent < self._slo.min_dollars or requests < self._slo.min_events or history.born is None:
                continue
            ends = [end for end in ends_before(now, self._window, self._day) if end > history.born]
            before = [history.growth(end - self._window, end)[0] for end in ends]
            if len(before) >= least_windows(self._slo.window) and far_out(spent, before, self._slo.factor):
                yield Breach(self._alert, self._hold, (), group, spent)


class LatencyWatch:
    """The histogram of a window against the day before it: `detectors.slower`."""

    def __init__(
        self, name: str, slo: LatencyShiftSlo, histograms: Histograms, pace: float, saved: Mapping[Group, Saved]
    ) -> None:
        self._alert = alert_name(name)
        self._slo = slo
        self._window, self._day, self._hold = slo.window / pace, DAY / pace, slo.hold / pace
        self._bounds = tuple(histograms.duration.bounds)
        self._selection = Selection(histograms.duration.name, histogram=True)
        self.tracks: Tracks = Tracks(self._day + self._window, len(self._bounds) + 1, saved)

    def look(self, now: float, reading: Reading) -> Iterator[Breach]:
        """See Watch."""
        self.tracks.add(now, {(): self._selection.buckets(reading) or (0.0,) * (len(self._bounds) + 1)})
        for group, history in self.tracks.by_group.items():
            start = now - self._window
            recent = history.growth(start, now)
            if recent[-1] < self._slo.min_events:
                continue
            before = history.growth(start - self._day, start)
            if before[-1] < LEAST_BEFORE * self._slo.min_events or not slower(recent, before):
                continue
            within = percentile(recent, self._bounds)
            if within > self._slo.factor * percentile(before, self._bounds):
                yield Breach(self._alert, self._hold, (), group, within)


def watch_of(
    name: str, slo: Slo, slos: Slos, histograms: Histograms, saved: Mapping[Group, Saved]
) -> RatioWatch | LevelWatch | CostWatch | LatencyWatch:
    """What watches a promise; `saved` is what was kept of what it counts."""
    if isinstance(slo, RatioSlo):
        return RatioWatch(name, slo, ratio_of(slo, slos.match, histograms), slos.pace, saved)
    if isinstance(slo, LimitSlo):
        return LevelWatch(name, slo, level_of(slo, slos.match, slos.pace), slos.pace, saved)
    if isinstance(slo, CostAnomalySlo):
        return CostWatch(name, slo, slos.pace, saved)
    assert isinstance(slo, LatencyShiftSlo)
    return LatencyWatch(name, slo, histograms, slos.pace, saved)


def counts_what(slo: Slo, slos: Slos, histograms: Histograms) -> str:
    """What a promise's history is of: kept counts are of no use to a promise that counts something else."""
    if isinstance(slo, RatioSlo):
        ratio = ratio_of(slo, {}, histograms)
        return f"{ratio.total.promql({})} {(ratio.bad or ratio.good or ratio.total).promql({})}"
    return f"{type(slo).__name__} {len(histograms.duration.bounds)}"


def summed(selections: tuple[Selection, ...], reading: Reading) -> float:
    """Over all series of all of these."""
    return sum((sum(selection.sums(reading).values()) for selection in selections), 0.0)
