"""`llmctl cost budgets` on a file that a gateway wrote."""

import json
from pathlib import Path

from typer.testing import CliRunner

from llmctl.clock import SystemClock
from llmctl.commands.cost import app
from llmctl.config.schema_cost import BudgetConfig
from llmctl.errors import UsageError
from llmctl.limits.budget_store import Book

MODEL = 'providers: {up: {kind: openai, base_url: "http://127.0.0.1:9/v1"}}\nmodels: {m: {provider: up}}\n'


async def test_it_shows_what_was_saved(tmp_path: Path) -> None:
    config = tmp_path / "gateway.yaml"
    config.write_text(MODEL + f"budgets: {{dir: {tmp_path}/b, limits: {{one: {{usd: 2}}, idle: {{usd: 3}}}}}}\n")
    book = Book(tmp_path / "b", SystemClock().wall, lambda message: None)
    one = BudgetConfig(usd=2)
    sums = book.sums("one", one)
    await book.open()
    book.fill("one", one)
    sums.add(("shop",), 0.5)
    await book.close()
    found = json.loads(CliRunner().invoke(app, ["budgets", "-c", str(config), "--json"]).stdout)["budgets"]
    assert [(row["budget"], row["subject"], row["spent"], row["share"]) for row in found] == [
        ("one", ["shop"], 0.5, 0.25),
        ("idle", [], 0.0, 0.0),
    ]
    lines = CliRunner().invoke(app, ["budgets", "-c", str(config)]).stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["BUDGET", "one", "idle"]
    assert "25.0%" in lines[1]


def test_without_budgets_it_says_so(tmp_path: Path) -> None:
    config = tmp_path / "gateway.yaml"
    config.write_text(MODEL)
    result = CliRunner().invoke(app, ["budgets", "-c", str(config)])
    assert isinstance(result.exception, UsageError)
