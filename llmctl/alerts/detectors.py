"""What is unusual, found by comparing a gateway with itself. Nobody needs to say what is usual.

Money: the spend of a window is far out where it is above Tukey's outer fence of the windows of the day before (the
upper quartile and three times the distance between the quartiles: Tukey, Exploratory Data Analysis, 1977), and above
the dearest of them by a factor, so that what happens every day is not found every day.

Time: the histogram of a window against that of the day before it, by the one-sided two-sample test of Smirnov (1939),
which makes no assumption on how long requests take: D = max over t of F_before(t) - F_now(t) is above
sqrt(-ln(alpha) / 2 * (1/n + 1/m)) by chance with probability alpha at most (Massey, 1951; with buckets it is less). It
must also matter: the 95th percentile must be `factor` times what it was.
"""

from collections.abc import Sequence
from math import ceil, inf, log, sqrt

DAY = 86400.0
FENCE = 3.0
"""Times the distance between the quartiles: Tukey's outer fence."""
ALPHA = 1e-6
"""Of one look at the histogram: windows of half an hour that do not overlap are 17,520 a year."""
PERCENTILE = 0.95
LEAST_BEFORE = 10
"""Times the requests of the window that the day before it must have had."""
SMIRNOV = -log(ALPHA) / 2


def quantile(values: Sequence[float], share: float) -> float:
    """Between the two nearest values in proportion, as numpy's and as Prometheus' `quantile_over_time`."""
    ranked = sorted(values)
    place = share * (len(ranked) - 1)
    low = int(place)
    high = min(low + 1, len(ranked) - 1)
    return ranked[low] + (ranked[high] - ranked[low]) * (place - low)


def least_windows(window: float) -> int:
    """So many windows of the day before must be known: half of them. `window` is in seconds, of a day of 24 hours."""
    return ceil(DAY / window / 2)


def far_out(spent: float, before: Sequence[float], factor: float) -> bool:
    """Whether a window's spend is far above all of the windows `before` it, of which there must be some."""
    low, high = quantile(before, 0.25), quantile(before, 0.75)
    # Where less than a quarter of the windows had any spend, nothing is usual.
    return high > 0 and spent > factor * max(before) and spent > high + FENCE * (high - low)


def ends_before(now: float, window: float, day: float) -> list[float]:
    """The ends of a day's windows, aligned as Prometheus aligns subqueries, none later than a window ago."""
    last = int((now - window) // window)
    count = ceil(day / window)
    return [end * window for end in range(last, last - count - 1, -1) if end * window > now - window - day]


def percentile(counts: Sequence[float], bounds: Sequence[float], share: float = PERCENTILE) -> float:
    """Of a histogram, as Prometheus' `histogram_quantile`: evenly within a bucket, the last bound beyond all of them.

    `counts` are cumulative, the infinite bound's last; there must be events.
    """
    rank = share * counts[-1]
    for place, bound in enumerate(bounds):
        if counts[place] >= rank:
            below = counts[place - 1] if place else 0.0
            start = bounds[place - 1] if place else 0.0
            inside = counts[place] - below
            return bound if inside <= 0 else start + (bound - start) * (rank - below) / inside
    return bounds[-1]


def slower(now: Sequence[float], before: Sequence[float]) -> bool:
    """Whether `now` has slower requests than `before` by more than chance. Counts are cumulative, by bucket."""
    n, m = now[-1], before[-1]
    if n <= 0 or m <= 0:
        return False
    shift = max((b / m - a / n for a, b in zip(now, before, strict=True)), default=-inf)
    return shift > sqrt(SMIRNOV * (1 / n + 1 / m))
