"""What a dashboard is made of, as plain values: queries in panels, panels in rows, rows in a dashboard."""

from dataclasses import dataclass, replace
from typing import Literal, TypedDict, Unpack

Kind = Literal["timeseries", "heatmap", "stat", "bargauge", "table"]
WIDTH = 24
"""Columns of Grafana's grid."""
GOOD, FAIR, BAD, PLAIN = "green", "orange", "red", "blue"


@dataclass(frozen=True, slots=True)
class Query:
    """PromQL. `legend` names a series by its labels, `{{model}}`; `instant` asks for the last value only."""

    expr: str
    legend: str = ""
    instant: bool = False
    exemplars: bool = False


@dataclass(frozen=True, slots=True)
class Link:
    """A page to read."""

    title: str
    url: str


@dataclass(frozen=True, slots=True)
class Step:
    """From `value` on this colour; None is from the beginning."""

    color: str
    value: float | None = None


@dataclass(frozen=True, slots=True)
class Panel:
    """One picture. `unit` is Grafana's name of one; `width` is in columns of 24, `steps` colour what is grave.

    `stack` piles series up; `least` and `most` bound the axis where the data should not.
    """

    kind: Kind
    title: str
    description: str
    queries: tuple[Query, ...]
    unit: str = "short"
    width: int = 8
    steps: tuple[Step, ...] = ()
    stack: bool = False
    least: float | None = 0
    most: float | None = None
    links: tuple[Link, ...] = ()


class Look(TypedDict, total=False):
    """Fields of a panel that have defaults."""

    width: int
    steps: tuple[Step, ...]
    stack: bool
    least: float | None
    most: float | None
    links: tuple[Link, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """Panels under a title, side by side as far as they fit; `height` is in Grafana's units of 30 px."""

    title: str
    panels: tuple[Panel, ...]
    height: int = 8


@dataclass(frozen=True, slots=True)
class Variable:
    """A choice of label values above the panels; several may be chosen, or all."""

    name: str
    label: str
    query: str


@dataclass(frozen=True, slots=True)
class Annotation:
    """Marks in all panels at the times for which `expr` has a value; `text` may hold `{{label}}`."""

    name: str
    expr: str
    text: str
    color: str = PLAIN


@dataclass(frozen=True, slots=True)
class Dashboard:
    """A page of rows. `uid` is its name in links and never changes."""

    uid: str
    title: str
    description: str
    rows: tuple[Row, ...]
    variables: tuple[Variable, ...] = ()
    annotations: tuple[Annotation, ...] = ()
    since: str = "now-6h"


def steps(*bounds: float, rising: bool = True) -> tuple[Step, ...]:
    """Green, then orange and red from these bounds on; with one bound, red. Not `rising`: red first."""
    colors = (GOOD, FAIR, BAD) if len(bounds) == 2 else (GOOD, BAD)
    if not rising:
        colors = colors[::-1]
    return tuple(Step(color, bound) for color, bound in zip(colors, (None, *bounds), strict=True))


def graph(title: str, description: str, unit: str, *queries: Query, **more: Unpack[Look]) -> Panel:
    """Lines over time."""
    return Panel("timeseries", title, description, queries, unit, **more)


def figure(title: str, description: str, unit: str, expr: str, *, width: int, steps: tuple[Step, ...] = ()) -> Panel:
    """One number, as it is at the end of the time looked at."""
    return Panel("stat", title, description, (Query(expr, instant=True),), unit, width, steps)


def bars(title: str, description: str, unit: str, query: Query, **more: Unpack[Look]) -> Panel:
    """A bar for each series, as they are at the end of the time looked at."""
    return Panel("bargauge", title, description, (replace(query, instant=True),), unit, **more)
