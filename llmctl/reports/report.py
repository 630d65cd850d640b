"""The whole cost report: sums, days that stand out, a forecast and savings, from one reading of the records."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from llmctl.model.pricing import Price
from llmctl.reports import savings as saved
from llmctl.reports.cost import Costs, Line, columns_for, costs, daily
from llmctl.reports.duck import Database
from llmctl.reports.ledger import Ledger, open_ledger
from llmctl.reports.savings import Savings
from llmctl.reports.series import Anomaly, Forecast, Refused, anomalies, filled, forecast
from llmctl.telemetry.reader import Filter

WATCHED = 20  # groups whose days are looked at, the dearest


@dataclass(frozen=True, slots=True)
class Asked:
    """What the report is to be about. `limit` is of groups, days excepted; `horizon` is in days."""

    wanted: Filter
    now: float
    by: tuple[str, ...] = ("model",)
    limit: int | None = None
    horizon: int = 14
    confidence: float = 0.8
    baseline: tuple[str, Price] | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """What came out. `watched` is Refused where there are too few days to tell an odd one."""

    ledger: Ledger
    costs: Costs
    watched: tuple[Anomaly, ...] | Refused
    outlook: Forecast | Refused
    savings: Savings | None

    @property
    def anomalies(self) -> tuple[Anomaly, ...]:
        """Days that stand out, by day."""
        return () if isinstance(self.watched, Refused) else self.watched


def report(folder: Path, database: Database, asked: Asked, say: Callable[[str], None] = lambda _: None) -> Report:
    """Read and add up the records under `folder`. Raises UsageError and StoreError."""
    columns = columns_for(asked.by) | (set(saved.COLUMNS) if asked.baseline else set())
    ledger = open_ledger(folder, database, columns, asked.wanted, say)
    found = costs(database, asked.by, None if asked.by == ("day",) else asked.limit)
    whole = whole_days(found.days, asked.wanted, asked.now)
    if whole is None:
        nothing = Refused("no whole day has any records")
        watched: tuple[Anomaly, ...] | Refused = nothing
        outlook: Forecast | Refused = nothing
    else:
        values = _filled(found.days, whole)
        watched = _watched(database, found, values, whole)
        outlook = forecast(values, asked.horizon, asked.confidence)
    savings = saved.savings(database, *asked.baseline) if asked.baseline else None
    return Report(ledger, found, watched, outlook, savings)


def whole_days(days: Iterable[date], wanted: Filter, now: float) -> tuple[date, date] | None:
    """First and last day that the records are of from midnight to midnight; None where there is none.

    The first day on record is left out unless `wanted.since` says that it was asked for entirely: recording may have
    begun in the middle of it.
    """
    known = sorted(days)
    if not known:
        return None
    since = None if wanted.since is None else _day_from(wanted.since)
    start = known[0] + timedelta(days=1) if since is None or since > known[0] else known[0]
    start = start if since is None else max(start, since)
    over = datetime.fromtimestamp(now if wanted.until is None else min(now, wanted.until), UTC).date()
    last = min(known[-1], over - timedelta(days=1))
    return (start, last) if start <= last else None


def _watched(
    database: Database, found: Costs, values: dict[date, float], whole: tuple[date, date]
) -> tuple[Anomaly, ...] | Refused:
    total = anomalies((), values)
    if isinstance(total, Refused):
        return total
    odd = list(total)
    at = [index for index, name in enumerate(found.by) if name != "day"]
    if at and len(at) == len(found.by):
        for line in found.lines[:WATCHED]:
            more = anomalies(line.names, _filled(daily(database, len(found.by), line.names), whole))
            odd += more if not isinstance(more, Refused) else []
    return tuple(sorted(odd, key=lambda each: (each.day, each.names)))


def _filled(days: Mapping[date, Line], whole: tuple[date, date]) -> dict[date, float]:
    return filled({day: float(line.all.usd) for day, line in days.items()}, *whole)


def _day_from(since: float) -> date:
    """The first day that begins at or after `since`."""
    at = datetime.fromtimestamp(since, UTC)
    return at.date() if at.time() == at.min.time() else at.date() + timedelta(days=1)
