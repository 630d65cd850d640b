"""An invoice against the ledger, by day and model, within a tolerance."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from llmctl.model.record import Record
from llmctl.model.usage import UNPRICED, Cost
from llmctl.reports.duck import database
from llmctl.reports.invoice import Charge
from llmctl.reports.ledger import open_ledger
from llmctl.reports.reconcile import COLUMNS, Reconciled, as_json, as_table, period, reconcile
from tests.reports.keeping import DAY, MONDAY, record, write

FIRST = date(2026, 1, 5)


def charge(usd: str, model: str = "gpt-4o-mini", day: date = FIRST) -> Charge:
    return Charge(day, model, Decimal(usd))


def found(tmp_path: Path, records: Sequence[Record], *charges: Charge, **options: Any) -> Reconciled:
    write(tmp_path, records)
    with database(memory_mb=300, threads=1) as db:
        open_ledger(tmp_path, db, COLUMNS)
        limits = {"relative": Decimal("0.01"), "absolute": Decimal("0.01")}
        return reconcile(db, charges, **(limits | options))


def priced(number: int, usd: float, **changes: Any) -> Record:
    return record(number, cost=Cost(usd, "exact", "p"), **changes)


def test_what_is_equal_agrees(tmp_path: Path) -> None:
    of = found(tmp_path, [priced(0, 1.5), priced(1, 0.5)], charge("2"))
    assert of.agrees
    assert (of.total.invoice, of.total.ledger, of.total.requests) == (Decimal(2), Decimal(2), 2)


@pytest.mark.parametrize(("usd", "agrees"), [("101.01", True), ("101.02", False), ("99.01", True), ("99.005", False)])
def test_the_tolerance_is_of_the_invoice(tmp_path: Path, usd: str, agrees: bool) -> None:
    assert found(tmp_path, [priced(0, 100.0)], charge(usd)).agrees == agrees


def test_cents_never_matter(tmp_path: Path) -> None:
    assert found(tmp_path, [priced(0, 0.001)], charge("0.011")).agrees
    assert not found(tmp_path, [priced(0, 0.001)], charge("0.0111")).agrees


def test_differences_that_cancel_out_are_still_differences(tmp_path: Path) -> None:
    of = found(tmp_path, [priced(0, 1.0), priced(1, 3.0, served_model="x")], charge("3"), charge("1", "x"))
    assert not of.agrees
    assert not of.total.outside
    assert [(cell.model, cell.difference) for cell in of.cells] == [("gpt-4o-mini", Decimal(2)), ("x", Decimal(-2))]
    assert found(tmp_path, [priced(0, 1.0), priced(1, 3.0, served_model="x")], charge("4"), by=["day"]).agrees


def test_small_differences_that_add_up_are_one(tmp_path: Path) -> None:
    records = [priced(n, 0.1, served_model=name) for n, name in enumerate("abc")]
    of = found(tmp_path, records, *(charge("0.11", name) for name in "abc"))
    assert not any(cell.outside for cell in of.cells)
    assert not of.agrees


def test_each_side_may_lack_a_cell(tmp_path: Path) -> None:
    of = found(tmp_path, [priced(0, 1.0)], charge("1", "other"))
    assert {(cell.model, cell.invoice, cell.ledger) for cell in of.cells} == {
        ("other", Decimal(1), Decimal(0)),
        ("gpt-4o-mini", Decimal(0), Decimal(1)),
    }


def test_names_are_made_alike_or_renamed(tmp_path: Path) -> None:
    records = [priced(0, 1.0, served_model="gpt-4o-mini-2024-07-18")]
    assert found(tmp_path, records, charge("1")).agrees
    assert found(tmp_path, records, charge("1", "mini"), rename={"Mini": "GPT-4o mini"}).agrees


def test_shadows_are_billed_too_and_what_was_not_called_is_not(tmp_path: Path) -> None:
    hit = record(1, cost=UNPRICED, attempts=[])
    of = found(tmp_path, [priced(0, 1.0, shadow_of="x"), hit], charge("1"))
    assert of.agrees
    assert of.total.requests == 1


def test_what_is_not_exact_is_counted(tmp_path: Path) -> None:
    of = found(
        tmp_path, [priced(0, 1.0), record(1, cost=UNPRICED), record(2, cost=Cost(1.0, "estimated", "p"))], charge("3")
    )
    assert (of.total.requests, of.total.uncertain, of.agrees) == (3, 2, False)


def test_only_one_providers_calls(tmp_path: Path) -> None:
    records = [priced(0, 1.0), priced(1, 9.0, provider="anthropic", served_model="claude")]
    assert found(tmp_path, records, charge("1"), provider="openai").agrees
    assert not found(tmp_path, records, charge("1")).agrees


def test_the_period_is_the_invoices(tmp_path: Path) -> None:
    assert period([charge("1", day=date(2026, 1, 7)), charge("1")]) == (MONDAY, MONDAY + 3 * DAY)


def test_the_table_lists_what_differs(tmp_path: Path) -> None:
    of = found(tmp_path, [priced(0, 1.0)], charge("2"), charge("5", "x"), charge("0", "fine"))
    text = as_table(of, 1)
    assert text.splitlines()[1].split() == ["2026-01-05", "x", "5.000000", "0.000000", "+5.000000", "0", "0"]
    assert "1 more are outside" in text
    assert "1 of 3 agree" in text
    assert as_json(of)["total"]["difference"] == "6"
