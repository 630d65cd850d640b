"""Providers' cost exports, told apart by their header."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from llmctl.errors import UsageError
from llmctl.reports.invoice import Charge, normalised, read

OPENAI = (
    "start_time,end_time,start_time_iso,end_time_iso,amount_value,amount_currency,quantity,line_item,project_id\n"
    "1767571200,1767657600,2026-01-05T00:00:00+00:00,,,,,,\n"
    '1767571200,1767657600,2026-01-05T00:00:00+00:00,,0.5000000000000000001,usd,9,"gpt-4o-2024-08-06, input",p\n'
    '1767571200,1767657600,2026-01-05T00:00:00+00:00,,0.25,usd,9,"gpt-4o-2024-08-06, output",p\n'
)
ANTHROPIC = (
    "usage_date_utc,model,workspace,api_key,usage_type,context_window,token_type,cost_usd,list_price_usd,cost_type\n"
    "2026-01-05,Claude Haiku 4.5,Default,k,message,≤ 200k,input_no_cache,0.05,0.05,token\n"
)


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "invoice.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_openai(tmp_path: Path) -> None:
    name, charges = read(written(tmp_path, "\ufeff" + OPENAI))
    assert name == "openai"
    assert charges == [
        Charge(date(2026, 1, 5), "gpt-4o", Decimal("0.5000000000000000001")),
        Charge(date(2026, 1, 5), "gpt-4o", Decimal("0.25")),
    ]


def test_anthropic(tmp_path: Path) -> None:
    name, charges = read(written(tmp_path, ANTHROPIC))
    assert (name, charges) == ("anthropic", [Charge(date(2026, 1, 5), "claude-haiku-4-5", Decimal("0.05"))])


def test_own(tmp_path: Path) -> None:
    name, charges = read(written(tmp_path, 'day,model,cost_usd\n2026-01-05,small,"$1,000.5"\n2026-01-06,small,-1e-3\n'))
    assert name == "own"
    assert [charge.usd for charge in charges] == [Decimal("1000.5"), Decimal("-0.001")]


def test_mapped(tmp_path: Path) -> None:
    columns = {"day": "Datum", "model": "SKU", "cost": "Betrag"}
    name, charges = read(written(tmp_path, "Datum,SKU,Betrag\n2026-01-05T23:30:00-02:00,A B,1\n"), columns)
    assert (name, charges) == ("mapped", [Charge(date(2026, 1, 6), "a-b", Decimal(1))])


def test_one_column_of_a_known_format_may_be_mapped(tmp_path: Path) -> None:
    name, charges = read(written(tmp_path, OPENAI), {"model": "project_id"})
    assert (name, {charge.model for charge in charges}) == ("openai", {"p"})


@pytest.mark.parametrize(
    ("text", "columns", "message"),
    [
        ("a,b\n1,2\n", {}, r"its columns \(a, b\) are of no known export .*--map day="),
        ("", {}, r"its columns \(none\)"),
        ("day,model,cost_usd\n", {"price": "x"}, r"--map price=x: give day, model, cost"),
        ("day,model,cost_usd\n", {"day": "x"}, r"has no such column; it has day, model, cost_usd"),
        ("day,model,cost_usd\n2026-01-05,a,much\n", {}, r"invoice\.csv:2: 'much' is no amount"),
        ("day,model,cost_usd\n2026-01-05,a,NaN\n", {}, r"'NaN' is no amount"),
        ("day,model,cost_usd\nMonday,a,1\n", {}, r":2: 'Monday' is no day; write 2026-01-31"),
        (OPENAI.replace("usd", "eur"), {}, r":3: the amount is in eur; only US dollars"),
    ],
)
def test_errors_teach(tmp_path: Path, text: str, columns: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        read(written(tmp_path, text), columns)


def test_a_file_that_is_not_there_or_not_text(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        read(tmp_path / "none.csv")
    path = tmp_path / "x.csv"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match="is not CSV in UTF-8"):
        read(path)


@pytest.mark.parametrize(
    "name",
    ["Claude Haiku 4.5", "claude-haiku-4-5", "claude-haiku-4-5-20251001", "claude_haiku_4.5", " Claude  Haiku 4.5"],
)
def test_one_spelling_of_a_name(name: str) -> None:
    assert normalised(name) == "claude-haiku-4-5"


def test_a_date_that_is_part_of_a_name_with_dashes() -> None:
    assert normalised("gpt-4o-2024-08-06") == "gpt-4o"
    assert normalised("gpt-4-0613") == "gpt-4-0613"
