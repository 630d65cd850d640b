"""`llmctl traces`: list, show and export what the gateway recorded."""

import csv
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from difflib import get_close_matches
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Literal, TextIO

import msgspec
import typer

from llmctl.clock import SystemClock
from llmctl.commands.options import JsonOption, print_json
from llmctl.commands.traces_compact import compact_
from llmctl.commands.traces_find import TextOption, WhereOption, condition_of, newest, shown
from llmctl.commands.traces_prune import prune_
from llmctl.commands.traces_show import print_record
from llmctl.errors import StoreError, UsageError
from llmctl.model.record import Record, State
from llmctl.reports.text import inert, plain
from llmctl.telemetry.reader import Filter, RecordReader, parse_when

app = typer.Typer(help="List, show, export, compact and prune recorded exchanges.", no_args_is_help=True)
app.command("compact")(compact_)
app.command("prune")(prune_)

_RECENT = 5000
_SHOWN_CORRUPT = 5

TracesOption = Annotated[Path, typer.Option("--traces", metavar="DIR", help="Folder of the record store.")]
SinceOption = Annotated[
    str | None, typer.Option(metavar="TIME", help="Started at or after: 1h, 7d ago, or 2026-01-31T12:00Z.")
]
UntilOption = Annotated[str | None, typer.Option(metavar="TIME", help="Started before; written as in --since.")]
TenantOption = Annotated[str | None, typer.Option(help="Of this tenant.")]
ModelOption = Annotated[str | None, typer.Option(help="Asked for, routed to, or served by this model.")]
StateOption = Annotated[State | None, typer.Option(help="Ended in this state.")]
KeyOption = Annotated[str | None, typer.Option(metavar="ID", help="Made with this virtual key.")]
DEFAULT_DIR = Path(".llmctl/records")


@app.command()
def ls(
    traces: TracesOption = DEFAULT_DIR,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="At most so many.")] = 20,
    where: WhereOption = None,
    text: TextOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    tenant: TenantOption = None,
    model: ModelOption = None,
    state: StateOption = None,
    key: KeyOption = None,
    json: JsonOption = False,
) -> None:
    """List exchanges, those that ended last first, compacted ones too. Content is left out: see `show`."""
    wanted = filter_of(since, until, tenant, model, state, key)
    condition = condition_of(where)
    with reading(traces) as reader:
        found = newest(reader, traces, wanted, condition, text, limit)
    if json:
        print_json([shown(each) for each in found])
    elif found:
        _print_table([each.record for each in found])
    else:
        asked = wanted != Filter() or where is not None or text is not None
        print(f"no records in {traces}" + (" that match" if asked else " yet"), file=sys.stderr)


@app.command()
def show(
    id_: Annotated[str, typer.Argument(metavar="ID", help="The exchange's id, or its beginning if that is unique.")],
    traces: TracesOption = DEFAULT_DIR,
    json: JsonOption = False,
) -> None:
    """Show one exchange: its timeline, decisions, cost, and what was said."""
    with reading(traces) as reader:
        record = reader.find(id_) or _by_beginning(reader, traces, id_)
    if json:
        print_json(msgspec.to_builtins(record))
    else:
        print_record(record, _console())


@app.command()
def export(
    traces: TracesOption = DEFAULT_DIR,
    fmt: Annotated[
        Literal["jsonl", "csv"], typer.Option("--format", help="jsonl is whole records; csv leaves content out.")
    ] = "jsonl",
    output: Annotated[Path | None, typer.Option("--output", "-o", metavar="FILE", help="Default: stdout.")] = None,
    where: WhereOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    tenant: TenantOption = None,
    model: ModelOption = None,
    state: StateOption = None,
    key: KeyOption = None,
) -> None:
    """Write exchanges, oldest segment first. What only Parquet still holds is not among them."""
    wanted = filter_of(since, until, tenant, model, state, key)
    condition = condition_of(where)
    with reading(traces) as reader:
        if output is None:
            _write(filter(condition, reader.read(wanted)), fmt, sys.stdout)
            return
        with _replacing(output) as file:
            count = _write(filter(condition, _with_progress(reader, wanted)), fmt, file)
    print(f"{output}: {count} records", file=sys.stderr)


def filter_of(
    since: str | None, until: str | None, tenant: str | None, model: str | None, state: State | None, key: str | None
) -> Filter:
    """The filter that these options ask for. Raises UsageError."""
    now = SystemClock().wall()
    times: list[float | None] = []
    for name, text in (("since", since), ("until", until)):
        try:
            times.append(None if text is None else parse_when(text, now))
        except ValueError as error:
            raise UsageError(f"--{name}: {error}") from None
    return Filter(times[0], times[1], tenant, model, state, key)


@contextmanager
def reading(folder: Path) -> Iterator[RecordReader]:
    """A reader whose corrupt lines are told on stderr. Raises UsageError and StoreError."""
    if not folder.is_dir():
        hint = "it appears with `llmctl serve`'s first record; --traces DIR names another"
        raise UsageError(f"{folder}: no such folder; {hint}")
    lines: list[str] = []
    reader = RecordReader(folder, lambda line: lines.append(line) if len(lines) < _SHOWN_CORRUPT else None)
    try:
        yield reader
    except PermissionError as error:
        raise StoreError(f"{error.filename or folder}: {error.strerror}") from None
    for line in lines:
        print(f"warning: passed over a corrupt line: {plain(line)}", file=sys.stderr)
    if reader.corrupt > len(lines):
        print(f"warning: {reader.corrupt - len(lines)} more corrupt lines", file=sys.stderr)


def _by_beginning(reader: RecordReader, folder: Path, beginning: str) -> Record:
    recent = list(islice(reader.newest(), _RECENT))
    if not recent:
        raise UsageError(f"{folder}: no records yet")
    found = {record.id: record for record in recent if record.id.startswith(beginning)}
    if len(found) == 1:
        return next(iter(found.values()))
    near = list(found)[:3] or get_close_matches(beginning, {record.id for record in recent}, n=3, cutoff=0.5)
    hint = f"did you mean {', '.join(map(plain, near))}?" if near else "`llmctl traces ls` lists them"
    what = f"{len(found)} exchanges begin with it" if found else "no such exchange"
    raise UsageError(f"{plain(beginning)}: {what} in {folder}; {hint}")


def _console() -> Any:
    # Rich takes 150 ms to import.
    from rich.console import Console

    console = Console(highlight=False, markup=False, emoji=False)
    return console if console.is_terminal else Console(highlight=False, markup=False, emoji=False, width=200)


def _print_table(records: list[Record]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for title in ("STARTED (UTC)", "ID", "STATE", "STATUS", "TENANT", "MODEL"):
        table.add_column(title, no_wrap=True, overflow="ellipsis" if title == "TENANT" else "fold")
    for title in ("MS", "TOKENS", "COST $"):
        table.add_column(title, no_wrap=True, justify="right")
    for record in records:
        cost = "" if record.cost.usd is None else f"{record.cost.usd:.6f}"
        asked, got = record.requested_model, record.model
        table.add_row(
            *(
                Text(plain(cell))
                for cell in (
                    f"{datetime.fromtimestamp(record.started, UTC):%Y-%m-%d %H:%M:%S}",
                    record.id,
                    record.state,
                    str(record.http_status),
                    record.tenant,
                    f"{asked} > {got}" if got and got != asked else asked,
                    f"{record.duration_us / 1000:.1f}",
                    f"{record.usage.prompt}+{record.usage.completion}",
                    cost,
                )
            )
        )
    _console().print(table)


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


_COLUMNS: dict[str, Callable[[Record], Any]] = {
    "id": lambda r: r.id,
    "started": lambda r: _time(r.started),
    "duration_ms": lambda r: r.duration_us / 1000,
    "state": lambda r: r.state,
    "http_status": lambda r: r.http_status,
    "tenant": lambda r: r.tenant,
    "key": lambda r: r.key,
    "policy": lambda r: r.policy,
    "dialect": lambda r: r.dialect,
    "operation": lambda r: r.operation,
    "stream": lambda r: int(r.stream),
    "requested_model": lambda r: r.requested_model,
    "model": lambda r: r.model,
    "provider": lambda r: r.provider,
    "served_model": lambda r: r.served_model,
    "strategy": lambda r: r.decision.strategy if r.decision else None,
    "propensity": lambda r: r.decision.propensity if r.decision else None,
    "attempts": lambda r: len(r.attempts),
    "cache": lambda r: r.cache.kind if r.cache else None,
    "input_tokens": lambda r: r.usage.input,
    "cached_read_tokens": lambda r: r.usage.cached_read,
    "cached_write_tokens": lambda r: r.usage.cached_write,
    "output_tokens": lambda r: r.usage.output,
    "reasoning_tokens": lambda r: r.usage.reasoning,
    "usage_source": lambda r: r.usage.source,
    "cost_usd": lambda r: r.cost.usd,
    "cost_status": lambda r: r.cost.status,
    "price_version": lambda r: r.cost.price_version,
    "ttft_ms": lambda r: None if r.ttft_us is None else r.ttft_us / 1000,
    "overhead_ms": lambda r: r.overhead_us / 1000,
    "finish_reason": lambda r: r.finish_reason,
    "failure": lambda r: r.failure.code if r.failure else None,
}


def _write(records: Iterator[Record], fmt: str, file: TextIO) -> int:
    count = 0
    if fmt == "csv":
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(_COLUMNS)
        for count, record in enumerate(records, 1):  # noqa: B007
            rows.writerow([inert(column(record)) for column in _COLUMNS.values()])
    else:
        for count, record in enumerate(records, 1):  # noqa: B007
            file.write(msgspec.json.encode(record).decode() + "\n")
    return count


@contextmanager
def _replacing(path: Path) -> Iterator[TextIO]:
    """A file that becomes `path` when it is complete; only its owner may read it. Raises StoreError."""
    part = path.with_name(f".{path.name}.part")
    try:
        fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(fd, "w", encoding="utf-8", newline="") as file:
            yield file
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise StoreError(f"{path}: cannot write: {error.strerror or error}") from None


def _with_progress(reader: RecordReader, wanted: Filter) -> Iterator[Record]:
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    segments = reader.segments(wanted)
    for path in track(segments, "exporting", console=console, transient=True, disable=not console.is_terminal):
        yield from filter(wanted, reader.read_segment(path))
