"""FOCUS 1.2: columns that exist, those that must be there, costs without loss."""

import csv
import io
import json
from decimal import Decimal
from pathlib import Path

import pytest

from llmctl.reports import focus
from llmctl.reports.duck import database
from llmctl.reports.ledger import open_ledger
from tests.reports.keeping import fixed, write

NOT_NULL = focus.MANDATORY - {"BillingAccountName", "ChargeClass"}


@pytest.fixture
def found(tmp_path: Path) -> focus.Focus:
    write(tmp_path, fixed())
    with database(memory_mb=300, threads=1) as db:
        open_ledger(tmp_path, db, focus.COLUMNS)
        return focus.focus(db, "acct")


def test_every_column_is_of_focus_or_ours(found: focus.Focus) -> None:
    (header, *_) = csv.reader(io.StringIO(focus.as_csv(found, "acct")))
    assert {name for name in header if not name.startswith("x_")} <= focus.KNOWN
    assert set(header) >= focus.MANDATORY
    assert len(header) == len(set(header))
    assert (len(focus.KNOWN), len(focus.MANDATORY)) == (57, 21)


def test_what_may_not_be_null_is_not(found: focus.Focus) -> None:
    for row in found.rows:
        assert all(row[name] not in (None, "") for name in NOT_NULL)
        assert row["ChargeCategory"] == "Usage"
        assert isinstance(json.loads(row["Tags"]), dict)
        assert (row["PricingUnit"] is None) == (row["PricingQuantity"] is None)


def test_costs_add_up_and_the_unpriced_have_no_row(found: focus.Focus) -> None:
    assert sum(Decimal(row["BilledCost"]) for row in found.rows) == Decimal("2.3751250375")
    assert found.unpriced == 2
    assert {row["x_Booking"] for row in found.rows} == {"request", "shadow", "audit"}
    assert {row["x_CostStatus"] for row in found.rows} == {"exact", "estimated", "partial"}


def test_periods_are_utc_days_within_a_month(found: focus.Focus) -> None:
    row = found.rows[0]
    assert (row["ChargePeriodStart"], row["ChargePeriodEnd"]) == ("2026-01-05T00:00:00Z", "2026-01-06T00:00:00Z")
    assert (row["BillingPeriodStart"], row["BillingPeriodEnd"]) == ("2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z")


def test_names_are_inert(found: focus.Focus) -> None:
    assert "'=HYPERLINK(0)" in focus.as_csv(found, "acct")


def test_without_rows_there_is_a_header() -> None:
    assert focus.as_csv(focus.Focus((), 0), "a").startswith("BilledCost,")
