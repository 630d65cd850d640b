"""The whole report from one reading: which days are whole, what stands out, what is refused."""

from datetime import date
from pathlib import Path

import pytest

from llmctl.model.pricing import Price, Tier
from llmctl.model.usage import Cost
from llmctl.reports.duck import database
from llmctl.reports.report import Asked, Report, report, whole_days
from llmctl.reports.series import Forecast, Refused
from llmctl.telemetry.reader import EVERYTHING, Filter
from tests.reports.keeping import DAY, LATER, MONDAY, record, write

FIRST, SECOND, LAST = date(2026, 1, 5), date(2026, 1, 6), date(2026, 1, 9)


def made(folder: Path, asked: Asked) -> Report:
    with database(memory_mb=300, threads=1) as db:
        return report(folder, db, asked)


@pytest.mark.parametrize(
    ("wanted", "now", "expected"),
    [
        (EVERYTHING, LATER, (SECOND, LAST)),
        (Filter(since=MONDAY), LATER, (FIRST, LAST)),
        (Filter(since=MONDAY - DAY), LATER, (FIRST, LAST)),
        (Filter(since=MONDAY + 1), LATER, (SECOND, LAST)),
        (EVERYTHING, MONDAY + 4.5 * DAY, (SECOND, date(2026, 1, 8))),
        (Filter(until=MONDAY + 3.5 * DAY), LATER, (SECOND, date(2026, 1, 7))),
        (Filter(until=MONDAY + DAY), LATER, None),
    ],
)
def test_only_whole_days_are_compared(wanted: Filter, now: float, expected: tuple[date, date] | None) -> None:
    assert whole_days([FIRST, LAST], wanted, now) == expected


def test_without_records_nothing_is_said(tmp_path: Path) -> None:
    found = made(tmp_path, Asked(EVERYTHING, LATER))
    assert isinstance(found.watched, Refused)
    assert isinstance(found.outlook, Refused)
    assert found.anomalies == ()


def test_a_groups_odd_day_is_found(tmp_path: Path) -> None:
    for day in range(25):
        dear = 50.0 if day == 20 else 0.0
        usd = {"a": 1.0 + day % 3 / 10 + dear, "b": 1000.0 + day % 5 * 100}
        write(tmp_path, [record(day * 100 + n, model=m, cost=Cost(usd[m], "exact", "p")) for n, m in enumerate(usd)])
    found = made(tmp_path, Asked(EVERYTHING, LATER))
    assert [(odd.names, odd.day) for odd in found.anomalies] == [(("a",), date(2026, 1, 25))]
    assert found.anomalies[0].days == 24
    assert isinstance(found.outlook, Forecast)
    assert found.outlook.days == 24
    assert found.savings is None


def test_a_baseline_brings_savings(tmp_path: Path) -> None:
    write(tmp_path, [record(0)])
    found = made(tmp_path, Asked(EVERYTHING, LATER, baseline=("big", Price((Tier(1.0, 1.0, 1.0, 1.0),), "v"))))
    assert found.savings is not None
    assert found.savings.baseline == 146
