"""`llmctl cost budgets`: what budgets have spent, from the file in which a gateway keeps it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from llmctl.commands.options import ConfigOption, JsonOption, config_path, print_json
from llmctl.errors import UsageError


def budgets(config: ConfigOption = None, json: JsonOption = False) -> None:
    """What each budget's subjects have spent and reserved in the period that is now, as last saved."""
    from llmctl.clock import SystemClock
    from llmctl.config.load import load
    from llmctl.config.schema_cost import BudgetsConfig
    from llmctl.config.secrets import Environment
    from llmctl.limits.budget_store import read
    from llmctl.reports.text import dollars, table

    path = config_path(config)
    section: BudgetsConfig = load(path, Environment.of_process()).config.budgets
    if not section.limits:
        raise UsageError(f"{path}: has no budgets; write them under budgets.limits")
    snapshot = read(Path(section.dir))
    rows = list(_rows(section, snapshot, SystemClock().wall()))
    if json:
        print_json({"saved_at": snapshot.at if snapshot is not None else None, "budgets": rows})
        return
    header = ["BUDGET", "SUBJECT", "PERIOD", "SPENT $", "RESERVED $", "LIMIT $", "SHARE", "UNPRICED"]
    cells = [
        [
            row["budget"],
            "/".join(row["subject"]) or "-",
            row["period"],
            dollars(row["spent"]),
            dollars(row["reserved"]),
            dollars(row["limit"], 2),
            f"{row['share']:.1%}",
            str(row["unpriced"]),
        ]
        for row in rows
    ]
    print(table(header, cells, left=3), end="")


def _rows(section: Any, snapshot: Any, now: float) -> Iterator[dict[str, Any]]:
    """By budget as configured, the subject that spent most first; one line for a budget that nobody used."""
    from llmctl.limits.budget import window_at, zone_of
    from llmctl.limits.budget_store import SavedRow, key_of

    saved = {budget.key: budget.rows for budget in snapshot.budgets} if snapshot is not None else {}
    for name, one in section.limits.items():
        period = window_at(now, one.every, zone_of(one.timezone)).name
        found = [row for row in saved.get(key_of(name, one), []) if row.window == period]
        for row in sorted(found, key=lambda row: -row.spent) or [SavedRow((), period, 0.0)]:
            yield {
                "budget": name,
                "subject": row.subject,
                "per": one.per,
                "period": period,
                "spent": row.spent,
                "reserved": row.reserved,
                "limit": one.usd,
                "share": (row.spent + row.reserved) / one.usd,
                "unpriced": row.unpriced,
            }
