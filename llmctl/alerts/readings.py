"""What is read of a gateway's metrics: which series, as PromQL and in the process itself.

A reading is all metric families at one moment, as plain data. Whoever serves metrics has them in this shape
(`llmctl.telemetry.series.Family`), so nothing is copied and nothing needs to be imported.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Literal, Protocol

Labels = Mapping[str, str]
Group = tuple[str, ...]
"""Values of the labels that series are kept apart by."""


class Series(Protocol):
    """One series: its number, or a histogram's sum; `counts` by bucket and not cumulative."""

    @property
    def value(self) -> float: ...  # noqa: D102
    @property
    def counts(self) -> Sequence[int]: ...  # noqa: D102


class Metric(Protocol):
    """A metric's series by the values of its `labels`; `bounds` are a histogram's, but for the infinite one."""

    @property
    def labels(self) -> Sequence[str]: ...  # noqa: D102
    @property
    def bounds(self) -> Sequence[float]: ...  # noqa: D102
    @property
    def cells(self) -> Mapping[tuple[str, ...], Series]: ...  # noqa: D102


Reading = Mapping[str, Metric]
"""Metrics by name. Counters have their names as scraped, histograms without `_count` or `_bucket`."""


@dataclass(frozen=True, slots=True)
class Condition:
    """On a label's value: equal, or a regular expression that all of it matches."""

    label: str
    operator: Literal["=", "=~"]
    value: str

    def __str__(self) -> str:
        return f'{self.label}{self.operator}"{self.value}"'

    def holds(self, value: str) -> bool:
        """Whether a series with this value is meant."""
        return value == self.value if self.operator == "=" else re.fullmatch(self.value, value) is not None


@dataclass(frozen=True, slots=True)
class Selection:
    """Series of a metric that meet `where`. Of a `histogram` it is the events, or those of at most `bound` seconds."""

    metric: str
    where: Condition | None = None
    histogram: bool = False
    bound: float | None = None

    def promql(self, match: Labels) -> str:
        """As Prometheus selects it; `match` are labels that it adds to every series."""
        conditions = [] if self.where is None else [str(self.where)]
        if not self.histogram:
            return selector(self.metric, match, *conditions)
        if self.bound is None:
            return selector(f"{self.metric}_count", match, *conditions)
        bound = f"{self.bound:.9g}"
        # Prometheus 3 writes whole bounds as 1.0, Prometheus 2 keeps the gateway's 1.
        le = f'le="{bound}"' if "." in bound else f'le=~"{bound}([.]0)?"'
        return selector(f"{self.metric}_bucket", match, *conditions, le)

    def sums(self, reading: Reading, by: Sequence[str] = ()) -> dict[Group, float]:
        """The sum over these series, for each combination of values of the labels `by`; none where there are none."""
        found: dict[Group, float] = {}
        for group, metric, series in self._series(reading, by):
            found[group] = found.get(group, 0.0) + self._number(metric, series)
        return found

    def peaks(self, reading: Reading, by: Sequence[str] = ()) -> dict[Group, float]:
        """The highest of these series, for each combination."""
        found: dict[Group, float] = {}
        for group, metric, series in self._series(reading, by):
            number = self._number(metric, series)
            found[group] = max(found.get(group, number), number)
        return found

    def buckets(self, reading: Reading) -> tuple[float, ...]:
        """Events of a histogram that were at most each of its bounds, the infinite one last; () without series."""
        total: list[int] = []
        for _, _, series in self._series(reading, ()):
            total = [a + b for a, b in zip(total, series.counts, strict=True)] if total else list(series.counts)
        return tuple(map(float, accumulate(total)))

    def _series(self, reading: Reading, by: Sequence[str]) -> list[tuple[Group, Metric, Series]]:
        metric = reading.get(self.metric)
        if metric is None:
            return []
        names = list(metric.labels)
        if self.where is not None and self.where.label not in names:
            return []
        tested = None if self.where is None else names.index(self.where.label)
        places = [names.index(label) for label in by]
        return [
            (tuple(values[place] for place in places), metric, series)
            for values, series in list(metric.cells.items())
            if tested is None or self.where is None or self.where.holds(values[tested])
        ]

    def _number(self, metric: Metric, series: Series) -> float:
        if not self.histogram:
            return series.value
        if self.bound is None:
            return float(sum(series.counts))
        # Bounds in the file were checked against the histogram's; computed ones may differ in the last place.
        upto = sum(bound <= self.bound * (1 + 1e-9) for bound in metric.bounds)
        return float(sum(series.counts[:upto]))


def selector(name: str, match: Labels, *conditions: str) -> str:
    """A metric's series with these labels."""
    matchers = [*conditions, *(f'{label}="{value}"' for label, value in match.items())]
    return name + "{" + ", ".join(matchers) + "}"
