"""A provider's invoice as (day, model, dollars) rows, out of its CSV export.

Formats are told apart by their header:

    openai     start_time (epoch seconds), amount_value, amount_currency, line_item (`MODEL, what`): costs by line item
    anthropic  usage_date_utc, model, cost_usd, and more: the console's cost export
    own        day (YYYY-MM-DD), model, cost_usd

`columns` names others: day, model and cost, each by the header's own name. Times are UTC days, money US dollars.
"""

import csv
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path

from llmctl.errors import UsageError

FIELDS = ("day", "model", "cost")
_DATED = re.compile(r"-(20\d{6}|20\d\d-\d\d-\d\d)$")


@dataclass(frozen=True, slots=True)
class Charge:
    """One row. `model` is normalised."""

    day: date
    model: str
    usd: Decimal


@dataclass(frozen=True, slots=True)
class Format:
    """Where a header has what is wanted; `currency` is checked where it is named."""

    name: str
    day: str
    model: str
    cost: str
    currency: str = ""
    model_of: Callable[[str], str] = str

    @property
    def wants(self) -> set[str]:
        """The header's names that it cannot do without."""
        return {self.day, self.model, self.cost}


def _line_item(text: str) -> str:
    return text.partition(",")[0]


FORMATS = (
    Format("openai", "start_time", "line_item", "amount_value", "amount_currency", _line_item),
    Format("anthropic", "usage_date_utc", "model", "cost_usd"),
    Format("own", "day", "model", "cost_usd"),
)


def read(path: Path, columns: Mapping[str, str] | None = None) -> tuple[str, list[Charge]]:
    """The format's name and the rows, those without an amount left out. Raises UsageError naming line and cure."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file, strict=True)
            header = [name.strip() for name in rows.fieldnames or []]
            rows.fieldnames = header
            found = _format(path, header, columns or {})
            return found.name, list(_charges(path, rows, found))
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror or error}") from None
    except (csv.Error, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: is not CSV in UTF-8: {error}") from None


def normalised(model: str) -> str:
    """One spelling of a model's name: `Claude Haiku 4.5`, `claude-haiku-4-5-20251001` are `claude-haiku-4-5`."""
    return _DATED.sub("", re.sub(r"[\s._]+", "-", model.strip().lower()))


def _format(path: Path, header: list[str], columns: Mapping[str, str]) -> Format:
    for field, name in columns.items():
        if field not in FIELDS:
            raise UsageError(f"--map {field}={name}: give {', '.join(FIELDS)}")
        if name not in header:
            raise UsageError(f"--map {field}={name}: {path} has no such column; it has {', '.join(header)}")
    if set(columns) == set(FIELDS):
        return Format("mapped", columns["day"], columns["model"], columns["cost"])
    for each in FORMATS:
        named = Format(
            each.name,
            columns.get("day", each.day),
            columns.get("model", each.model),
            columns.get("cost", each.cost),
            each.currency,
            str if "model" in columns else each.model_of,
        )
        if named.wants <= set(header):
            return named
    known = "; ".join(f"{each.name}: {each.day}, {each.model}, {each.cost}" for each in FORMATS)
    raise UsageError(
        f"{path}: its columns ({', '.join(header) or 'none'}) are of no known export ({known}); "
        "name them: --map day=… --map model=… --map cost=…"
    )


def _charges(path: Path, rows: "csv.DictReader[str]", found: Format) -> Iterator[Charge]:
    for row in rows:
        amount = (row.get(found.cost) or "").strip()
        if not amount:
            continue
        where = f"{path}:{rows.line_num}"
        currency = (row.get(found.currency) or "usd").strip() if found.currency else "usd"
        if currency.lower() != "usd":
            raise UsageError(f"{where}: the amount is in {currency}; only US dollars can be compared")
        model = normalised(found.model_of(row.get(found.model) or ""))
        yield Charge(_day((row.get(found.day) or "").strip(), where), model, _amount(amount, where))


def _day(text: str, where: str) -> date:
    if text.isdigit() and len(text) >= 9:
        return datetime.fromtimestamp(int(text), UTC).date()
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{where}: {text!r} is no day; write 2026-01-31 or epoch seconds") from None
    return at.astimezone(UTC).date() if at.tzinfo else at.date()


def _amount(text: str, where: str) -> Decimal:
    try:
        amount = Decimal(text.replace(",", "").removeprefix("$"))
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite():
        raise UsageError(f"{where}: {text!r} is no amount of dollars")
    return amount
