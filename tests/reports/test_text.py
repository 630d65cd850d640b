"""What is printed can neither run in a spreadsheet nor drive a terminal."""

import csv
import io
from decimal import Decimal

import pytest

from llmctl.reports.text import dollars, inert, number, plain, table, to_csv


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\t=1", "\r=1", "\n=1", " =1", "\uff1dSUM(1)"])
def test_formulas_are_inert(text: str) -> None:
    assert inert(text) == "'" + plain(text)
    (_, (cell,)) = csv.reader(io.StringIO(to_csv(["a"], [[text]]), newline=""))
    assert cell.startswith("'")


@pytest.mark.parametrize("value", ["gpt-4o", "", 1, -1, None, Decimal("-1.5")])
def test_the_rest_is_as_it_was(value: object) -> None:
    assert inert(value) == value


def test_a_carriage_return_begins_no_row() -> None:
    assert to_csv(["a"], [["x\r=1"]]) == "a\nx\\r=1\n"


def test_none_is_an_empty_cell() -> None:
    assert to_csv(["a", "b"], [[None, 0]]) == "a,b\n,0\n"


def test_a_terminal_is_not_driven() -> None:
    assert plain("a\x1b[2Jb\u202ec\nü") == "a\\x1b[2Jb\\u202ec\\nü"


def test_columns_are_aligned() -> None:
    assert table(["A", "N"], [["x", "1"], ["yy", "10"]], left=1) == "A    N\nx    1\nyy  10\n"


def test_money() -> None:
    assert dollars(None) == "unknown"
    assert dollars(Decimal("1234.5")) == "1,234.500000"
    assert number(Decimal("0E-12")) == "0"
    assert number(Decimal("1.500000000000")) == "1.5"
    assert number(Decimal("100")) == "100"
    assert number(Decimal("0.000000000001")) == "0.000000000001"
