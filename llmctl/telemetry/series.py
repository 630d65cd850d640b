"""Metric values as plain data: cheap to add to, encoded in one go, and summed across processes.

prometheus_client's histogram walks its buckets in Python and takes a lock (bench/telemetry.py has the figures); here
an observation is one bisection, and the event loop is the only writer. Families become prometheus_client's own
types at scrape time.
"""

from collections.abc import Iterable
from string import ascii_letters, digits
from typing import Literal, Protocol

import msgspec
from prometheus_client.metrics_core import Metric
from prometheus_client.samples import Exemplar, Sample

Kind = Literal["counter", "gauge", "peak", "least", "histogram", "info", "unknown"]
"""`peak` and `least` are gauges of which the highest or lowest of several processes counts: a bound, a share."""
_OF_ONE = {"peak": max, "least": min}
_PASSING = frozenset({"gauge", "info", *_OF_ONE})
Trail = tuple[str, str, float, float]
"""An exemplar: request id, trace id, value, epoch seconds."""
# OpenMetrics allows 128 characters in all; and scrapers' parsers stumble over quotes, which a client may have sent.
_PLAIN = frozenset(ascii_letters + digits + "-_.:/")
_LONGEST_TRAIL = 128 - len("request_idtrace_id")


class Cell(msgspec.Struct):
    """One series. `value` is its number or, in a histogram, its sum; `counts` are by bucket and not cumulative."""

    value: float = 0.0
    counts: list[int] = []
    trails: dict[int, Trail] = {}


class Family(msgspec.Struct):
    """One metric with its series by label values. `bounds` are a histogram's upper bounds, but for the infinite one."""

    name: str
    help: str
    kind: Kind
    labels: tuple[str, ...] = ()
    bounds: tuple[float, ...] = ()
    cells: dict[tuple[str, ...], Cell] = {}

    def cell(self, *values: str) -> Cell:
        """The series with these label values, made if need be."""
        if (cell := self.cells.get(values)) is None:
            counts = [0] * (len(self.bounds) + 1) if self.kind == "histogram" else []
            cell = self.cells[values] = Cell(counts=counts)
        return cell

    def project(self, name: str, kind: Kind, *labels: str) -> "Family":
        """The same numbers under another name, summed over all labels but these."""
        places = [self.labels.index(label) for label in labels]
        out = Family(name, self.help, kind, labels, self.bounds)
        for values, cell in list(self.cells.items()):
            _add(out.cell(*(values[i] for i in places)), cell)
        return out

    def metric(self) -> Metric:
        """As prometheus_client's exposition wants it."""
        suffix = {"counter": "_total", "info": "_info"}.get(self.kind, "")
        out = Metric(self.name.removesuffix(suffix), self.help, "gauge" if self.kind in _OF_ONE else self.kind)
        for values, cell in list(self.cells.items()):
            labels = dict(zip(self.labels, values, strict=True))
            if self.kind == "histogram":
                out.samples += self._histogram(labels, cell)
            else:
                out.samples.append(Sample(self.name, labels, cell.value))
        return out

    def _histogram(self, labels: dict[str, str], cell: Cell) -> list[Sample]:
        samples, total = [], 0
        for i, (bound, count) in enumerate(zip((*self.bounds, float("inf")), cell.counts, strict=True)):
            total += count
            le = labels | {"le": _le(bound)}
            samples.append(Sample(f"{self.name}_bucket", le, total, exemplar=_exemplar(cell.trails.get(i))))
        samples.append(Sample(f"{self.name}_count", labels, total))
        samples.append(Sample(f"{self.name}_sum", labels, cell.value))
        return samples


class Declare(Protocol):
    """Makes a family of series."""

    def __call__(self, name: str, help_: str, kind: Kind, *labels: str) -> Family: ...  # noqa: D102


Families = dict[str, Family]


def merged(parts: Iterable[Families]) -> Families:
    """The sum of what several processes count; `info` is not a number and stays 1."""
    total: Families = {}
    for part in parts:
        for name, family in part.items():
            mine = total.get(name)
            if mine is None:
                mine = total[name] = Family(name, family.help, family.kind, family.labels, family.bounds)
            if (mine.kind, mine.labels, mine.bounds) != (family.kind, family.labels, family.bounds):
                continue  # written by another version of llmctl
            for values, cell in list(family.cells.items()):
                if (choose := _OF_ONE.get(mine.kind)) is not None:
                    mine.cells[values] = Cell(choose(cell.value, mine.cells.get(values, cell).value))
                    continue
                _add(mine.cell(*values), cell)
                if mine.kind == "info":
                    mine.cells[values].value = 1.0
    return total


def lasting(families: Families) -> Families:
    """Those that outlive their process: a gauge says what is now, a counter what has ever been."""
    return {name: family for name, family in families.items() if family.kind not in _PASSING}


def _add(mine: Cell, other: Cell) -> None:
    mine.value += other.value
    mine.counts = [a + b for a, b in zip(mine.counts, other.counts, strict=True)]
    for i, trail in list(other.trails.items()):
        if i not in mine.trails or mine.trails[i][3] < trail[3]:
            mine.trails[i] = trail


def _exemplar(trail: Trail | None) -> Exemplar | None:
    if trail is None or len(trail[0]) + len(trail[1]) > _LONGEST_TRAIL or not _PLAIN.issuperset(trail[0]):
        return None
    labels = {"request_id": trail[0], "trace_id": trail[1]} if trail[1] else {"request_id": trail[0]}
    return Exemplar(labels, trail[2], round(trail[3], 3))


def _le(bound: float) -> str:
    return "+Inf" if bound == float("inf") else f"{bound:.9g}"
