"""What was used and what it cost, by any of the ledger's dimensions.

A request whose price is not known is counted as unpriced and never added up as nothing; one that no provider bills (a
cache hit, a blocked request, an error answer) cost nothing and is counted apart from both.
"""

# ruff: noqa: S608 - what stands in the SQL is ours or quoted by `columns`; what users give are parameters

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from functools import reduce

from llmctl.errors import UsageError
from llmctl.reports.columns import BOOKING, BUCKETS, PRICING, STATUS, STATUSES, literal, quoted
from llmctl.reports.duck import Database

DIMENSIONS = {
    "model": "model",
    "tenant": "tenant",
    "key": '"key"',
    "route": "route",
    "cache": "cache",
    "day": "CAST(day AS VARCHAR)",
    "provider": "provider",
    "degraded": "degraded",
    "experiment": "experiment",
    "arm": "arm",
    "policy": "policy",
    "state": "state",
    "tag": "array_to_string(list_sort(list_transform(map_entries(tags), lambda e: e.key || '=' || e.value)), ',')",
}
_OF = {name: name for name in DIMENSIONS} | {"tag": "tags"}
# Columns that every cost question needs.
BASE = ("day", "shadow_of", "cache", "state", *PRICING, *(f"{bucket}_tokens" for bucket in BUCKETS))
PRICED = ("exact", "estimated", "none")
_ZERO = Decimal(0)
_REQUESTS = "booking = 'request'"


@dataclass(frozen=True, slots=True)
class Sums:
    """Exact sums over `requests` records; `usd` adds up the costs that are known."""

    requests: int = 0
    answered: int = 0
    attempts: int = 0
    tokens: tuple[int, ...] = (0, 0, 0, 0, 0)
    usd: Decimal = _ZERO

    def __add__(self, other: "Sums") -> "Sums":
        return Sums(
            self.requests + other.requests,
            self.answered + other.answered,
            self.attempts + other.attempts,
            tuple(a + b for a, b in zip(self.tokens, other.tokens, strict=True)),
            self.usd + other.usd,
        )


NOTHING = Sums()


@dataclass(frozen=True, slots=True)
class Unit:
    """Dollars per so many of something, over `n` of them; None where there were none."""

    usd: Decimal | None
    n: int


@dataclass(frozen=True, slots=True)
class Line:
    """One group: its values of the dimensions, how it is booked, and its sums by the cost's status."""

    names: tuple[str, ...]
    booking: str
    parts: Mapping[str, Sums] = field(default_factory=dict)

    @property
    def all(self) -> Sums:
        """Everything, whatever is known of its price."""
        return reduce(Sums.__add__, self.parts.values(), NOTHING)

    @property
    def usd(self) -> Decimal | None:
        """Dollars as far as they are known, or None: nothing of it is."""
        return self.all.usd if any(status != "unpriced" for status in self.parts) else None

    def count(self, status: str) -> int:
        """Requests whose cost has this status."""
        return self.parts.get(status, NOTHING).requests

    @property
    def whole(self) -> bool:
        """Whether `usd` is all that it cost: nothing in it is unpriced or priced in part."""
        return not self.count("unpriced") and not self.count("partial")

    @property
    def priced(self) -> Sums:
        """Those whose cost is known entirely; unit costs are theirs."""
        return reduce(Sums.__add__, (self.parts.get(status, NOTHING) for status in PRICED), NOTHING)

    def units(self) -> dict[str, Unit]:
        """Dollars per request, per answered request and per 1,000 tokens."""
        of = self.priced
        tokens = sum(of.tokens)
        return {
            "request": _per(of.usd, of.requests),
            "answered": _per(of.usd, of.answered),
            "1k_tokens": _per(of.usd * 1000, tokens),
        }

    def __add__(self, other: "Line") -> "Line":
        both = {s: self.parts.get(s, NOTHING) + other.parts.get(s, NOTHING) for s in {*self.parts, *other.parts}}
        return Line(self.names, self.booking, {s: both[s] for s in sorted(both, key=_rank)})


@dataclass(frozen=True, slots=True)
class Costs:
    """Lines by falling cost, days in order; the sum of the `others` groups; the total, each day's, and what is apart.

    Apart is what was spent on shadows and audits: it is in no other sum.
    """

    by: tuple[str, ...]
    lines: tuple[Line, ...]
    total: Line
    days: Mapping[date, Line]
    apart: Mapping[str, Line]
    rest: Line | None = None
    others: int = 0


def dimension(name: str) -> str:
    """The SQL of a dimension, `tag:NAME` among them. Raises UsageError."""
    if name.startswith("tag:") and len(name) > 4:
        return f"coalesce(tags[{literal(name[4:])}], '')"
    if name not in DIMENSIONS:
        raise UsageError(f"--by {name}: give some of {', '.join(DIMENSIONS)}, tag:NAME")
    return DIMENSIONS[name]


def columns_for(by: Iterable[str]) -> set[str]:
    """The ledger's columns that `costs` needs. Raises UsageError."""
    names = list(by)
    for name in names:
        dimension(name)
    return {*BASE, *("tags" if name.startswith("tag") else _OF[name] for name in names)}


def costs(database: Database, by: Sequence[str], limit: int | None = None) -> Costs:
    """Sums over the ledger by these dimensions: all groups, or the `limit` dearest and the rest as one.

    Raises UsageError and StoreError.
    """
    dims = [f"coalesce({dimension(name)}, '') AS {quoted(f'd{at}')}" for at, name in enumerate(by)]
    sums = ", ".join(f"sum({bucket}_tokens) AS {bucket}" for bucket in BUCKETS)
    # The files are read once, for everything; what follows asks this much smaller table.
    database.rows(
        f"CREATE OR REPLACE TEMP TABLE cube AS SELECT {', '.join([*dims, ''])} day, {BOOKING} AS booking, "
        f"{STATUS} AS status, count(*) AS requests, count(*) FILTER (state = 'ok') AS answered, "
        f"sum(attempts) AS attempts, {sums}, sum(cost_usd) AS usd FROM ledger GROUP BY ALL",
        doing="adding up the ledger",
    )
    whole = {line.booking: line for line in _lines(database, ())}
    total = whole.pop("request", Line((), "request"))
    days = {date.fromisoformat(line.names[0]): line for line in _lines(database, ("day",), _REQUESTS)}
    lines, rest, others = _groups(database, tuple(f"d{at}" for at in range(len(by))), limit)
    lines.sort(key=_in_order if tuple(by) == ("day",) else _dearest_first)
    return Costs(tuple(by), tuple(lines), total, days, whole, rest, others)


def _groups(database: Database, names: tuple[str, ...], limit: int | None) -> tuple[list[Line], Line | None, int]:
    """The dearest groups, the sum of the others, and how many those are."""
    if limit is None or not names:
        return _lines(database, names, _REQUESTS), None, 0
    dims = ", ".join(names)
    doing = "looking for the dearest"
    database.rows(
        f"CREATE OR REPLACE TEMP TABLE dearest AS SELECT {dims} FROM cube WHERE {_REQUESTS} GROUP BY {dims} "
        f"ORDER BY coalesce(sum(usd), 0) DESC, sum(requests) DESC, {dims} LIMIT {int(limit)}",
        doing=doing,
    )
    (count,) = database.one(f"SELECT count(*) FROM (SELECT DISTINCT {dims} FROM cube WHERE {_REQUESTS})", doing=doing)
    lines = _lines(database, names, _REQUESTS, source=f"cube SEMI JOIN dearest USING ({dims})")
    rest = _lines(database, (), _REQUESTS, source=f"cube ANTI JOIN dearest USING ({dims})")
    return lines, rest[0] if rest else None, int(count) - len(lines)


def daily(database: Database, by: int, names: tuple[str, ...]) -> dict[date, Line]:
    """One group's days, after `costs` by so many dimensions."""
    where = " AND ".join([f"d{at} = ${at + 1}" for at in range(by)] or ["true"])
    lines = _lines(database, ("day",), f"{where} AND {_REQUESTS}", names)
    return {date.fromisoformat(line.names[0]): line for line in lines}


def _lines(
    database: Database,
    names: tuple[str, ...],
    where: str = "true",
    parameters: Sequence[str] = (),
    source: str = "cube",
) -> list[Line]:
    keys = "".join(f"CAST({quoted(name)} AS VARCHAR), " for name in names)
    sums = ", ".join(f"sum({name})" for name in ("requests", "answered", "attempts", *BUCKETS, "usd"))
    rows = database.rows(
        f"SELECT {keys}booking, status, {sums} FROM {source} WHERE {where} GROUP BY ALL ORDER BY ALL",
        list(parameters),
        doing="adding up the ledger",
    )
    found: dict[tuple[str, ...], dict[str, Sums]] = {}
    for row in rows:
        key, (status, requests, answered, attempts, *tokens, usd) = row[: len(names) + 1], row[len(names) + 1 :]
        status = status if status in STATUSES else "unpriced"
        sums_ = Sums(int(requests), int(answered), int(attempts), tuple(map(int, tokens)), usd or _ZERO)
        parts = found.setdefault(key, {})
        parts[status] = parts.get(status, NOTHING) + sums_
    return [
        Line(key[:-1], key[-1], {status: parts[status] for status in sorted(parts, key=_rank)})
        for key, parts in found.items()
    ]


def _in_order(line: Line) -> tuple[str, ...]:
    return line.names


def _dearest_first(line: Line) -> tuple[Decimal, int, tuple[str, ...]]:
    sums = line.all
    return -sums.usd, -sums.requests, line.names


def _rank(status: str) -> int:
    return STATUSES.index(status)


def _per(usd: Decimal, n: int) -> Unit:
    return Unit(usd / n if n else None, n)
