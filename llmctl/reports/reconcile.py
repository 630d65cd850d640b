"""Does the provider's invoice agree with the ledger? By day and model, within a tolerance."""

# ruff: noqa: S608 - the SQL is made of our own names

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from llmctl.reports.columns import PRICING, STATUS
from llmctl.reports.duck import Database
from llmctl.reports.invoice import Charge, normalised
from llmctl.reports.text import dollars, number, table

COLUMNS = ("day", "model", "billed_model", "provider", *PRICING)
GRAINS = ("day", "model")


@dataclass(frozen=True, slots=True)
class Cell:
    """One day and model. `uncertain` counts the ledger's requests there whose cost is estimated or not all known."""

    day: str
    model: str
    invoice: Decimal
    ledger: Decimal
    requests: int
    uncertain: int
    outside: bool

    @property
    def difference(self) -> Decimal:
        """What the invoice has more."""
        return self.invoice - self.ledger


@dataclass(frozen=True, slots=True)
class Reconciled:
    """Every cell, those that differ most first, and all of them together."""

    cells: tuple[Cell, ...]
    total: Cell

    @property
    def agrees(self) -> bool:
        """Whether nothing, the total included, is outside the tolerance."""
        return not self.total.outside and not any(cell.outside for cell in self.cells)


def period(charges: Sequence[Charge]) -> tuple[float, float]:
    """From the invoice's first day to the end of its last, in epoch seconds."""
    days = [charge.day for charge in charges]
    return _epoch(min(days)), _epoch(max(days) + timedelta(days=1))


def reconcile(
    database: Database,
    charges: Iterable[Charge],
    *,
    relative: Decimal,
    absolute: Decimal,
    provider: str | None = None,
    by: Sequence[str] = GRAINS,
    rename: Mapping[str, str] | None = None,
) -> Reconciled:
    """Compare. A cell is outside when it differs by more than `absolute` dollars and `relative` of the invoice.

    The ledger's side is all that was called, shadows and audits too; `rename` gives an invoice's model our name.
    """
    names = {normalised(theirs): normalised(ours) for theirs, ours in (rename or {}).items()}
    billed: dict[tuple[str, str], Decimal] = {}
    for charge in charges:
        key = _key(charge.day, names.get(charge.model, charge.model), by)
        billed[key] = billed.get(key, Decimal(0)) + charge.usd
    spent: dict[tuple[str, str], list[Any]] = {}
    for day, model, requests, uncertain, usd in _spent(database, provider):
        sums = spent.setdefault(_key(day, normalised(model), by), [0, 0, Decimal(0)])
        sums[0], sums[1], sums[2] = sums[0] + requests, sums[1] + uncertain, sums[2] + (usd or 0)

    def outside(invoice: Decimal, ledger: Decimal) -> bool:
        return abs(invoice - ledger) > max(absolute, relative * abs(invoice))

    cells = [_cell(key, billed.get(key, Decimal(0)), spent.get(key), outside) for key in {*billed, *spent}]
    cells.sort(key=lambda cell: (-abs(cell.difference), cell.day, cell.model))
    whole = [sum(sums[at] for sums in spent.values()) for at in range(3)]
    total = _cell(("total", ""), sum(billed.values(), Decimal(0)), whole, outside)
    return Reconciled(tuple(cells), total)


def _spent(database: Database, provider: str | None) -> list[tuple[Any, ...]]:
    where = "WHERE provider = $1" if provider is not None else ""
    return database.rows(
        f"SELECT day, CASE WHEN billed_model = '' THEN model ELSE billed_model END, count(*), "
        f"count(*) FILTER ({STATUS} <> 'exact'), sum(cost_usd) FROM "
        f"(SELECT * FROM ledger {where}) WHERE {STATUS} <> 'none' GROUP BY ALL",
        [provider] if provider is not None else [],
        doing="adding up the ledger",
    )


def _cell(
    key: tuple[str, str], invoice: Decimal, spent: list[Any] | None, outside: Callable[[Decimal, Decimal], bool]
) -> Cell:
    requests, uncertain, usd = spent or (0, 0, Decimal(0))
    return Cell(key[0], key[1], invoice, Decimal(usd), requests, uncertain, outside(invoice, Decimal(usd)))


def _key(day: date, model: str, by: Sequence[str]) -> tuple[str, str]:
    return (day.isoformat() if "day" in by else "all"), (model if "model" in by else "all")


def _epoch(day: date) -> float:
    return datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()


def as_table(found: Reconciled, limit: int) -> str:
    """The total, and the cells outside the tolerance, at most so many."""
    off = [cell for cell in found.cells if cell.outside]
    rows = [_cells(cell) for cell in (*off[:limit], found.total)]
    text = table(["DAY", "MODEL", "INVOICE $", "LEDGER $", "DIFFERENCE $", "REQUESTS", "NOT EXACT"], rows, left=2)
    more = f"{len(off) - limit} more are outside\n" if len(off) > limit else ""
    return f"{text}{more}{len(found.cells) - len(off)} of {len(found.cells)} agree within the tolerance\n"


def _cells(cell: Cell) -> list[str]:
    money = (dollars(cell.invoice), dollars(cell.ledger), f"{cell.difference:+,.6f}")
    return [
        cell.day,
        cell.model or "(none)" if cell.day != "total" else "",
        *money,
        str(cell.requests),
        str(cell.uncertain),
    ]


def as_json(found: Reconciled) -> dict[str, Any]:
    """Every cell; dollars are strings."""
    return {
        "agrees": found.agrees,
        "total": _plain(found.total),
        "cells": [_plain(cell) for cell in found.cells],
    }


def _plain(cell: Cell) -> dict[str, Any]:
    money = {name: number(getattr(cell, name)) for name in ("invoice", "ledger", "difference")}
    counts = {"requests": cell.requests, "not_exact": cell.uncertain, "outside": cell.outside}
    return {"day": cell.day, "model": cell.model, **money, **counts}
