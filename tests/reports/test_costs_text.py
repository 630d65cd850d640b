"""The report's formats over a small fixed set, against golden files. `LLMCTL_GOLDEN=1` writes them anew."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from llmctl.model.pricing import Price, Tier
from llmctl.reports import focus
from llmctl.reports.costs_text import anomalies_text, as_csv, as_json, as_table, savings_text
from llmctl.reports.duck import database
from llmctl.reports.ledger import open_ledger
from llmctl.reports.page import as_html
from llmctl.reports.report import Asked, Report, report
from llmctl.telemetry.reader import EVERYTHING
from tests.reports.keeping import LATER, fixed, write

GOLDEN = Path(__file__).parent / "golden"
BASELINE = ("big", Price((Tier(1e-5, 1e-4, 1e-6, 2e-6),), "v1"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path, fixed())
    return tmp_path


def made(folder: Path, *by: str, limit: int | None = None) -> Report:
    with database(memory_mb=300, threads=1) as db:
        return report(folder, db, Asked(EVERYTHING, LATER, by, limit, baseline=BASELINE))


def is_golden(name: str, text: str) -> None:
    path = GOLDEN / name
    if os.environ.get("LLMCTL_GOLDEN"):
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


def test_table(folder: Path) -> None:
    found = made(folder, "model", "tenant", limit=3)
    assert found.savings is not None
    is_golden("cost.txt", as_table(found.costs) + "\n" + savings_text(found.savings))


def test_csv(folder: Path) -> None:
    is_golden("cost.csv", as_csv(made(folder, "tenant", "model").costs))


def test_json(folder: Path) -> None:
    found = made(folder, "model")
    document: dict[str, Any] = as_json(found.costs, found.anomalies, found.savings, {"segments": 1})
    is_golden("cost.json", json.dumps(document, indent=2, ensure_ascii=False) + "\n")


def test_html(folder: Path) -> None:
    is_golden("cost.html", as_html(made(folder, "tenant", "model", limit=3), about="golden"))


def test_focus(folder: Path) -> None:
    with database(memory_mb=300, threads=1) as db:
        open_ledger(folder, db, focus.COLUMNS)
        is_golden("focus.csv", focus.as_csv(focus.focus(db, "acct"), "acct"))


def test_the_rows_of_a_table_add_up_to_its_total(folder: Path) -> None:
    for limit in (1, 2, 50):
        rows = as_table(made(folder, "model", "tenant", limit=limit).costs).splitlines()[1:-1]
        total = next(at for at, row in enumerate(rows) if row.startswith("total"))
        counts = [int(row.rsplit(None, 4)[3]) for row in rows]
        assert sum(counts[:total]) == counts[total]


def test_without_dimensions_there_is_the_total(folder: Path) -> None:
    assert [row.split()[0] for row in as_table(made(folder).costs).splitlines()[1:2]] == ["total"]


def test_no_anomalies_no_text() -> None:
    assert anomalies_text([]) == ""
