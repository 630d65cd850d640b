"""`llmctl cost` on real files."""

import csv
import io
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from llmctl.commands.cost import app
from llmctl.errors import CheckFailed, UsageError
from llmctl.model.usage import UNPRICED, Cost
from tests.reports.keeping import fixed, record, write


@pytest.fixture
def store(tmp_path: Path) -> Path:
    folder = tmp_path / "records"
    write(folder, fixed()[:5], tail=b"damaged\n")
    write(folder, fixed()[5:])
    return folder


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, list(map(str, arguments)))


def test_the_table_has_groups_a_total_and_what_is_apart(store: Path) -> None:
    result = run("report", "--traces", store, "--by", "tenant")
    assert result.exit_code == 0
    names = [line.split("  ")[0] for line in result.stdout.splitlines()]
    assert names[:7] == ["TENANT", "=HYPERLINK(0)", "shop", "search", "total", "audit, apart", "shadow, apart"]
    assert "1 damaged line passed over" in result.stderr


def test_formats_say_the_same(store: Path) -> None:
    document = json.loads(run("report", "--traces", store, "--by", "tenant,model", "--format", "json").stdout)
    rows = list(csv.DictReader(io.StringIO(run("report", "--traces", store, "--format", "csv").stdout)))
    assert document["total"]["usd"] == "1.7501250375"
    assert json.loads(run("report", "--traces", store, "--by", "tenant,model", "--json").stdout) == document
    assert document["damaged_lines"] == 1
    assert document["groups"][0]["names"] == {"tenant": "=HYPERLINK(0)", "model": "<script>alert(1)</script>"}
    assert document["forecast"]["refused"].startswith("1 whole days")
    assert sum(int(row["requests"]) for row in rows if row["booking"] == "request") == document["total"]["requests"]
    assert "<svg" in run("report", "--traces", store, "--format", "html").stdout


def test_focus_tells_what_it_leaves_out(store: Path) -> None:
    result = run("report", "--traces", store, "--format", "focus", "--account", "acct")
    assert result.stdout.startswith("BilledCost,")
    assert "2 unpriced requests have no row" in result.stderr


def test_a_period(store: Path) -> None:
    result = run("report", "--traces", store, "--since", "2026-01-06", "--until", "2026-01-07", "--format", "json")
    assert json.loads(result.stdout)["total"]["requests"] == 2
    result = run("report", "--traces", store, "--since", "1h")
    assert result.exit_code == 0
    assert "no records in this period" in result.stderr


def test_names_cannot_drive_the_terminal(tmp_path: Path) -> None:
    write(tmp_path, [record(0, model="a\x1b[2J")])
    assert "\x1b" not in run("report", "--traces", tmp_path).stdout


def test_savings_against_a_model_of_the_price_list_or_a_given_price(store: Path) -> None:
    for more in (
        ("openai/gpt-4o",),
        ("mine", "--baseline-price", "input=2.5,output=10,cached_read=1.25,cached_write=0"),
    ):
        result = run("report", "--traces", store, "--baseline", *more)
        assert result.exit_code == 0, result.exception
        assert f"Against always {more[0]}" in result.stdout
        assert "not compared, unpriced: 2" in result.stdout


def test_a_baseline_of_the_configuration_has_the_price_that_is_declared(store: Path, tmp_path: Path) -> None:
    config = tmp_path / "gateway.yaml"
    up = 'providers: {up: {kind: openai, base_url: "http://127.0.0.1:9/v1"}}\nmodels: {mine: {provider: up}}\n'
    prices = "{input: 2.5, output: 10, cached_read: 1.25, cached_write: 0}"
    config.write_text(f"{up}prices: {{version: contract, models: {{mine: {prices}}}}}\n")
    plain = ("report", "--traces", store, "--json", "--baseline")
    declared = json.loads(run(*plain, "mine", "--config", config).stdout)["savings"]
    same = run(*plain, "mine", "--baseline-price", "input=2.5,output=10,cached_read=1.25,cached_write=0")
    assert declared == json.loads(same.stdout)["savings"] | {"price_version": "configured contract"}
    listed = json.loads(run(*plain, "openai/gpt-4o", "--config", config).stdout)["savings"]
    assert listed["price_version"].startswith("genai-prices")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--by", "modle"), "--by modle: give some of model"),
        (("--since", "yesterday"), "--since: 'yesterday' is no time"),
        (("--baseline", "gpt-4o"), "no price is known .*--baseline-price"),
        (("--baseline", "openai/no-such"), "no price is known"),
        (("--baseline-price", "input=1"), "say whose it is"),
        (("--baseline", "x", "--baseline-price", "input=a"), "give dollars per million tokens"),
        (("--baseline", "x", "--baseline-price", "inptu=1"), "give dollars per million tokens"),
        (("--baseline", "x", "--baseline-price", "input"), "write NAME=VALUE"),
    ],
)
def test_errors_teach(store: Path, arguments: tuple[str, ...], message: str) -> None:
    result = run("report", "--traces", store, *arguments)
    assert isinstance(result.exception, UsageError)
    with pytest.raises(UsageError, match=message):
        raise result.exception


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    result = run("report", "--traces", tmp_path / "none")
    assert isinstance(result.exception, UsageError)
    assert "no such folder" in str(result.exception)


def test_a_forecast_or_a_refusal(tmp_path: Path) -> None:
    for day in range(25):
        write(tmp_path, [record(day * 100, cost=Cost(1.0 + day % 7, "exact", "p"))])
    result = run("forecast", "--traces", tmp_path, "--days", "7")
    assert len(result.stdout.splitlines()) == 9
    document = json.loads(run("forecast", "--traces", tmp_path, "--days", "7", "--json").stdout)
    assert [day["usd"] for day in document["forecast"]["expected"]] == [5.0, 6.0, 7.0, 1.0, 2.0, 3.0, 4.0]
    refused = run("forecast", "--traces", tmp_path, "--confidence", "0.95")
    assert isinstance(refused.exception, CheckFailed)
    assert refused.exception.exit_code == 3
    assert "24 whole days; 46 are needed" in str(refused.exception)


def test_a_forecast_of_unknown_costs_is_a_lower_bound(tmp_path: Path) -> None:
    for day in range(25):
        write(tmp_path, [record(day * 100), record(day * 100 + 1, cost=UNPRICED)])
    assert "less than it will be" in run("forecast", "--traces", tmp_path).stderr


def invoice(tmp_path: Path, usd: str) -> Path:
    path = tmp_path / "invoice.csv"
    path.write_text(f"day,model,cost_usd\n2026-01-05,mini,{usd}\n")
    return path


def test_reconciling_exits_3_where_it_does_not_agree(tmp_path: Path) -> None:
    folder = tmp_path / "records"
    write(folder, [record(0, cost=Cost(10.0, "exact", "p"))])
    same = ("--traces", folder, "--rename", "mini=gpt-4o-mini")
    agrees = run("reconcile", invoice(tmp_path, "10.05"), *same)
    assert agrees.exit_code == 0, agrees.exception
    assert "1 of 1 agree" in agrees.stdout
    off = run("reconcile", invoice(tmp_path, "10.05"), *same, "--tolerance", "0.1")
    assert isinstance(off.exception, CheckFailed)
    assert off.exception.exit_code == 3
    assert "+0.050000" in off.stdout
    document = json.loads(run("reconcile", invoice(tmp_path, "9"), *same, "--json").stdout)
    assert (document["agrees"], document["format"], document["total"]["difference"]) == (False, "own", "-1")


def test_columns_may_be_named_and_an_empty_invoice_is_an_error(tmp_path: Path) -> None:
    folder = tmp_path / "records"
    write(folder, [record(0, cost=Cost(10.0, "exact", "p"))])
    path = tmp_path / "x.csv"
    path.write_text("d,m,c\n2026-01-05,gpt-4o-mini,10\n")
    named = ("--map", "day=d", "--map", "model=m", "--map", "cost=c")
    assert run("reconcile", path, "--traces", folder, *named).exit_code == 0
    path.write_text("d,m,c\n2026-01-05,gpt-4o-mini,\n")
    assert "has no row with an amount" in str(run("reconcile", path, "--traces", folder, *named).exception)
