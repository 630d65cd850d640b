"""Daily figures: which days stand out, and what the next ones may bring. Both say how many days they rest on.

Robust z after Iglewicz and Hoaglin (1993): 0.6745·(x - median)/MAD, where the MAD is 0 (x - median)/(1.2533·mean
absolute deviation); from four weeks on, x is the difference from the median of the weekday's other days, so that no
weekend stands out for being one. The forecast is seasonal naive by weekday with drift; its interval is split conformal:
the order statistics of past residuals, so that it claims no distribution.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from statistics import fmean, median

WEEK = 7
ALIKE_DAYS = 28  # before weekdays are told apart: one odd day does not move the median of three others
LEAST_DAYS = 8  # for a z: a week beside the day itself
STANDS_OUT = 3.5


@dataclass(frozen=True, slots=True)
class Anomaly:
    """A day unlike the group's others: `typical` is what was to be expected, `days` how many days it rests on."""

    names: tuple[str, ...]
    day: date
    value: float
    typical: float
    z: float
    days: int


@dataclass(frozen=True, slots=True)
class Expected:
    """What a day to come may bring, with the bounds of the interval; `low` is never negative."""

    day: date
    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Forecast:
    """`confidence` is of each day by itself; it rests on `days` days and `residuals` differences from a week before."""

    days: int
    residuals: int
    confidence: float
    drift: float
    expected: tuple[Expected, ...]

    @property
    def total(self) -> tuple[float, float, float]:
        """All days together; the bounds add up the days' bounds, which is wider than it need be."""
        return (
            sum(each.value for each in self.expected),
            sum(each.low for each in self.expected),
            sum(each.high for each in self.expected),
        )


@dataclass(frozen=True, slots=True)
class Refused:
    """There is too little to go by: `why` says how much more is wanted."""

    why: str


def filled(values: Mapping[date, float], first: date, last: date) -> dict[date, float]:
    """Every day from `first` to `last`; one without records is 0, for nothing was asked on it."""
    return {day: values.get(day, 0.0) for day in _days(first, (last - first).days + 1)}


def anomalies(names: tuple[str, ...], values: Mapping[date, float]) -> list[Anomaly] | Refused:
    """Days of one group whose robust z is `STANDS_OUT` or more, either way."""
    if len(values) < LEAST_DAYS:
        return Refused(f"{len(values)} whole days; {LEAST_DAYS} are needed to say that one stands out")
    typical = _typical(values)
    off = {day: value - typical[day] for day, value in values.items()}
    middle = median(off.values())
    apart = [abs(each - middle) for each in off.values()]
    # A hair's breadth on a flat line is no news; nor is it a division by nothing.
    spread = max(median(apart) / 0.6745 or 1.2533 * fmean(apart), median(values.values()) * 1e-3)
    if spread <= 0:
        return []
    scored = [(day, (off[day] - middle) / spread) for day in values]
    return [Anomaly(names, d, values[d], typical[d], z, len(values)) for d, z in scored if abs(z) >= STANDS_OUT]


def _typical(values: Mapping[date, float]) -> dict[date, float]:
    """What each day is held against: the median of the other days of its weekday, or of all while weeks are too few."""
    if len(values) < ALIKE_DAYS:
        whole = median(values.values())
        return dict.fromkeys(values, whole)
    alike: dict[int, list[date]] = {}
    for day in values:
        alike.setdefault(day.weekday(), []).append(day)
    return {day: median(values[other] for other in alike[day.weekday()] if other != day) for day in values}


def needed_days(confidence: float) -> int:
    """Fewest days that bear an interval of this confidence: a week to compare with, and enough residuals."""
    # The epsilon: (1 - 0.8) / 2 is a little less than a tenth.
    return max(3 * WEEK, WEEK + math.ceil(2 / (1 - confidence) - 1e-9) - 1)


def forecast(values: Mapping[date, float], horizon: int, confidence: float = 0.8) -> Forecast | Refused:
    """The `horizon` days after the last of `values`, which are consecutive. Refuses when they are too few."""
    least = needed_days(confidence)
    if len(values) < least:
        return Refused(
            f"{len(values)} whole days; {least} are needed for a weekly pattern and a {confidence:.0%} interval"
        )
    days = sorted(values)
    past = [values[day] for day in days]
    changes = [now - before for before, now in zip(past, past[WEEK:], strict=False)]
    drift = fmean(changes) / WEEK
    low, high = _bounds([change - drift * WEEK for change in changes], confidence)
    expected = []
    for ahead, day in enumerate(_days(days[-1] + timedelta(days=1), horizon)):
        seasons = ahead // WEEK + 1
        value = past[len(past) - WEEK + ahead % WEEK] + drift * WEEK * seasons
        # Differences of weeks add up like steps of a walk: their spread grows with the root of how many there are.
        wider = math.sqrt(seasons)
        expected.append(Expected(day, max(0.0, value), max(0.0, value + low * wider), max(0.0, value + high * wider)))
    return Forecast(len(past), len(changes), confidence, drift, tuple(expected))


def _bounds(residuals: Sequence[float], confidence: float) -> tuple[float, float]:
    """Conformal: the k-th smallest and largest, k = ⌊(n + 1)·(1 - confidence)/2⌋."""
    ordered = sorted(residuals)
    k = max(1, math.floor((len(ordered) + 1) * (1 - confidence) / 2 + 1e-9))
    return ordered[k - 1], ordered[-k]


def _days(first: date, count: int) -> list[date]:
    return [first + timedelta(days=step) for step in range(count)]
