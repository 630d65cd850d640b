"""`llmctl cost`: report what records cost, forecast it, and reconcile it with a provider's invoice."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from llmctl.clock import SystemClock
from llmctl.commands.cost_budgets import budgets
from llmctl.commands.options import JsonOption, print_json
from llmctl.commands.traces import filter_of
from llmctl.errors import CheckFailed, UsageError
from llmctl.gateway.prices import PROVIDER_IDS, Priced, price_list
from llmctl.model.pricing import Price, Tier
from llmctl.reports import costs_text, focus, invoice, page, reconcile
from llmctl.reports.duck import Database, database
from llmctl.reports.ledger import Ledger, open_ledger
from llmctl.reports.report import Asked, Report, report
from llmctl.reports.series import Forecast, Refused
from llmctl.reports.text import dollars, plain, table
from llmctl.telemetry.reader import Filter

app = typer.Typer(help="What records cost: report, forecast, reconcile; and budgets.", no_args_is_help=True)
app.command("budgets")(budgets)

TracesOption = Annotated[Path, typer.Option("--traces", metavar="DIR", help="Folder of the record store.")]
SinceOption = Annotated[
    str | None, typer.Option(metavar="TIME", help="Started at or after: 1h, 7d ago, or 2026-01-31T12:00Z.")
]
UntilOption = Annotated[str | None, typer.Option(metavar="TIME", help="Started before; written as in --since.")]
Format = Literal["table", "json", "csv", "html", "focus"]
DEFAULT_DIR = Path(".llmctl/records")
_SHOWN_DAMAGED = 5


@app.command("report")
def report_(
    traces: TracesOption = DEFAULT_DIR,
    since: SinceOption = None,
    until: UntilOption = None,
    by: Annotated[
        str,
        typer.Option(
            metavar="NAMES",
            help="Comma-separated: model, tenant, key, route, cache, day, provider, degraded, experiment, arm, policy, "
            "state, tag (all of them together) or tag:NAME.",
        ),
    ] = "model",
    fmt: Annotated[Format, typer.Option("--format", help="What to write; --json is --format json.")] = "table",
    limit: Annotated[
        int, typer.Option("--limit", "-n", min=1, help="Groups in a table or a page; the others are one line.")
    ] = 50,
    baseline: Annotated[
        str | None,
        typer.Option(
            metavar="KIND/MODEL", help="Savings against always asking it, as openai/gpt-4o; with --config also a name."
        ),
    ] = None,
    baseline_price: Annotated[
        str | None,
        typer.Option(
            metavar="PRICES", help="Its prices in $ per million tokens: input=2.5,output=10,cached_read=1.25."
        ),
    ] = None,
    config: Annotated[
        Path | None, typer.Option("--config", "-c", help="Configuration whose models and prices --baseline may name.")
    ] = None,
    account: Annotated[str, typer.Option(help="BillingAccountId of --format focus.")] = "llmctl",
    json: JsonOption = False,
) -> None:
    """What was used and what it cost. Unpriced requests are counted, never added up as nothing."""
    wanted = _period(since, until)
    fmt = "json" if json else fmt
    against = _baseline(baseline, baseline_price, config)
    names = tuple(dict.fromkeys(name for name in (part.strip() for part in by.split(",")) if name))
    with _reading(traces) as db:
        if fmt == "focus":
            _focus(traces, db, wanted, account)
            return
        shown = limit if fmt in ("table", "html") else None
        found = report(traces, db, Asked(wanted, SystemClock().wall(), names, shown, baseline=against), _say)
    _warn(found.ledger)
    _print_report(found, fmt, _about(traces, wanted, found))


@app.command("forecast")
def forecast_(
    traces: TracesOption = DEFAULT_DIR,
    since: SinceOption = None,
    days: Annotated[int, typer.Option(min=1, max=366, help="How many days ahead.")] = 30,
    confidence: Annotated[float, typer.Option(min=0.5, max=0.99, help="Of each day's interval.")] = 0.8,
    json: JsonOption = False,
) -> None:
    """What the next days may cost: the weekday's last value with drift. Refuses on fewer than three whole weeks."""
    asked = Asked(_period(since, None), SystemClock().wall(), (), horizon=days, confidence=confidence)
    with _reading(traces) as db:
        found = report(traces, db, asked, _say)
    _warn(found.ledger)
    if isinstance(found.outlook, Refused):
        raise CheckFailed(f"no forecast: {found.outlook.why}")
    if json:
        print_json(_outlook(found.outlook))
        return
    rows = [[str(e.day), dollars(e.value), dollars(e.low), dollars(e.high)] for e in found.outlook.expected]
    print(table(["DAY", "COST $", "LOW $", "HIGH $"], rows, left=1) + page.forecast_line(found.outlook))
    if not found.costs.total.whole:
        print("warning: some past costs are not known, so this is less than it will be", file=sys.stderr)


@app.command("reconcile")
def reconcile_(
    path: Annotated[Path, typer.Argument(metavar="INVOICE.csv", help="A provider's cost export.")],
    traces: TracesOption = DEFAULT_DIR,
    columns: Annotated[
        list[str] | None, typer.Option("--map", metavar="FIELD=COLUMN", help="Where day, model or cost stands.")
    ] = None,
    rename: Annotated[
        list[str] | None, typer.Option(metavar="THEIRS=OURS", help="A model that the invoice calls otherwise.")
    ] = None,
    provider: Annotated[str | None, typer.Option(help="Only calls of this provider of the configuration.")] = None,
    by: Annotated[Literal["day,model", "day", "model"], typer.Option(help="What is compared.")] = "day,model",
    tolerance: Annotated[float, typer.Option(min=0, help="In percent of the invoice's amount.")] = 1.0,
    cents: Annotated[float, typer.Option(min=0, help="Differences up to so many cents always agree.")] = 1.0,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="Differences in the table.")] = 50,
    json: JsonOption = False,
) -> None:
    """Compare an invoice with the records, by UTC day and model. Exits 3 where they do not agree."""
    fmt, charges = invoice.read(path, _pairs("--map", columns))
    if not charges:
        raise UsageError(f"{path}: has no row with an amount")
    start, end = reconcile.period(charges)
    with _reading(traces) as db:
        ledger = open_ledger(traces, db, reconcile.COLUMNS, Filter(since=start, until=end), _say)
        found = reconcile.reconcile(
            db,
            charges,
            relative=Decimal(str(tolerance)) / 100,
            absolute=Decimal(str(cents)) / 100,
            provider=provider,
            by=by.split(","),
            rename=_pairs("--rename", rename),
        )
    _warn(ledger)
    if json:
        print_json({"format": fmt, **reconcile.as_json(found)})
    else:
        print(reconcile.as_table(found, limit), end="")
    if not found.agrees:
        off = sum(cell.outside for cell in found.cells)
        raise CheckFailed(f"{path} ({fmt}): {off} of {len(found.cells)} differ by more than {tolerance:g}%, {cents:g}c")


def _period(since: str | None, until: str | None) -> Filter:
    return filter_of(since, until, None, None, None, None)


@contextmanager
def _reading(folder: Path) -> Iterator[Database]:
    if not folder.is_dir():
        hint = "it appears with `llmctl serve`'s first record; --traces DIR names another"
        raise UsageError(f"{folder}: no such folder; {hint}")
    with database() as found:
        yield found


def _focus(traces: Path, db: Database, wanted: Filter, account: str) -> None:
    ledger = open_ledger(traces, db, focus.COLUMNS, wanted, _say)
    found = focus.focus(db, account)
    _warn(ledger)
    print(focus.as_csv(found, account), end="")
    if found.unpriced:
        print(f"warning: {found.unpriced} unpriced requests have no row: FOCUS has no unknown cost", file=sys.stderr)


def _baseline(baseline: str | None, prices: str | None, config: Path | None) -> tuple[str, Price] | None:
    """The declared baseline and its price, out of the option, the configuration or the price list. Raises UsageError.

    A name of the configuration's has the price its requests are charged, `prices` included.
    """
    if baseline is None:
        if prices:
            raise UsageError("--baseline-price: say whose it is with --baseline MODEL")
        return None
    if prices:
        return baseline, _given(prices)
    if config is not None and (price := _configured(config, baseline)) is not None:
        return baseline, price
    kind, _, model = baseline.partition("/")
    found = price_list({baseline: Priced(kind, None, model)}, SystemClock()).of(baseline) if model else None
    if found is None:
        kinds = ", ".join(f"{kind}/…" for kind in PROVIDER_IDS) + ", or a name with --config"
        raise UsageError(f"--baseline {baseline}: no price is known ({kinds}); give it with --baseline-price")
    return baseline, found


def _configured(path: Path, name: str) -> Price | None:
    # All of the gateway is imported, which no other report needs.
    from llmctl.config.load import load
    from llmctl.config.secrets import Environment
    from llmctl.gateway.build import prices_of

    return prices_of(load(path, Environment.of_process()), SystemClock()).of(name)


def _given(prices: str) -> Price:
    given = _pairs("--baseline-price", prices.split(","))
    try:
        values = {name: float(value) / 1e6 for name, value in given.items()}
    except ValueError:
        values = {}
    buckets = ("input", "output", "cached_read", "cached_write")
    if not values or not set(values) <= set(buckets) or not all(0 <= value < 1 for value in values.values()):
        raise UsageError(f"--baseline-price: give dollars per million tokens for {', '.join(buckets)}")
    tier = Tier(values.get("input"), values.get("output"), values.get("cached_read"), values.get("cached_write"))
    return Price((tier,), "--baseline-price")


def _pairs(option: str, texts: list[str] | None) -> dict[str, str]:
    found = {}
    for text in texts or ():
        name, equals, value = text.partition("=")
        if not equals or not name.strip() or not value.strip():
            raise UsageError(f"{option} {text}: write NAME=VALUE")
        found[name.strip()] = value.strip()
    return found


def _say(what: str) -> None:
    if sys.stderr.isatty():
        print(what, file=sys.stderr)


def _warn(ledger: Ledger) -> None:
    shown = list(ledger.damaged.items())[:_SHOWN_DAMAGED]
    for path, count in shown:
        what = "damaged line" if count == 1 else "damaged lines"
        print(f"warning: {plain(str(path))}: {count} {what} passed over", file=sys.stderr)
    if len(ledger.damaged) > len(shown):
        print(f"warning: {len(ledger.damaged) - len(shown)} more files have damaged lines", file=sys.stderr)


def _about(traces: Path, wanted: Filter, found: Report) -> dict[str, Any]:
    ledger = found.ledger
    return {
        "traces": str(traces),
        "since": _time(wanted.since),
        "until": _time(wanted.until),
        "segments": len(ledger.sources.segments),
        "parquet_files": len(ledger.sources.parquet),
        "damaged_lines": sum(ledger.damaged.values()),
        "duplicates": ledger.duplicates,
    }


def _outlook(outlook: Forecast | Refused) -> dict[str, Any]:
    if isinstance(outlook, Refused):
        return {"forecast": {"refused": outlook.why}}
    expected = [{"day": str(e.day), "usd": e.value, "low": e.low, "high": e.high} for e in outlook.expected]
    basis = {"days": outlook.days, "residuals": outlook.residuals, "confidence": outlook.confidence}
    return {"forecast": {**basis, "drift_usd_per_day": outlook.drift, "expected": expected}}


def _print_report(found: Report, fmt: Format, about: dict[str, Any]) -> None:
    if fmt == "json":
        print_json(costs_text.as_json(found.costs, found.anomalies, found.savings, about | _outlook(found.outlook)))
    elif fmt == "csv":
        print(costs_text.as_csv(found.costs), end="")
    elif fmt == "html":
        line = f"{about['traces']}, {about['since'] or 'the first record'} to {about['until'] or 'the last'}."
        print(page.as_html(found, about=line), end="")
    else:
        print(costs_text.as_table(found.costs), end="")
        if found.anomalies:
            print("\nDays that stand out:\n" + _plain_lines(costs_text.anomalies_text(found.anomalies)), end="")
        if found.savings:
            print("\n" + _plain_lines(costs_text.savings_text(found.savings)), end="")
        if not found.costs.total.all.requests:
            print("no records in this period", file=sys.stderr)


def _plain_lines(text: str) -> str:
    """Each line as a terminal may have it."""
    return "".join(f"{plain(line)}\n" for line in text.split("\n")[:-1])


def _time(at: float | None) -> str | None:
    return None if at is None else datetime.fromtimestamp(at, UTC).isoformat().replace("+00:00", "Z")
