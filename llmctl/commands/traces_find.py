"""What `llmctl traces ls` lists: records in JSON lines and in Parquet, by condition and by what was said."""

import heapq
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from llmctl.model.record import Record
from llmctl.reports.sources import parquet_files
from llmctl.reports.where import EVERYTHING, Where, all_of, parse
from llmctl.reports.where_fields import started_us
from llmctl.telemetry.reader import Filter, RecordReader

WhereOption = Annotated[
    str | None,
    typer.Option(
        "--where", metavar="EXPR", help="A condition, such as 'status=failed and model=small and duration>2s'."
    ),
]
TextOption = Annotated[
    str | None,
    typer.Option(
        "--text", metavar="WORDS", help='What was asked or answered has all of these words; "two words" for a phrase.'
    ),
]


@dataclass(frozen=True, slots=True)
class Found:
    """A record, and whether it is what compaction has left of one."""

    record: Record
    compacted: bool


def condition_of(where: str | None) -> Where:
    """The condition of `--where`, or the one that everything meets. Raises UsageError."""
    return EVERYTHING if where is None else parse(where)


def newest(
    reader: RecordReader, folder: Path, wanted: Filter, where: Where, text: str | None, limit: int
) -> list[Found]:
    """At most `limit` records that meet all of this, those that ended last first, each once.

    Raises UsageError and StoreError.
    """
    asked, wanted = all_of([where, _names(wanted)]), Filter(wanted.since, wanted.until)
    if text is not None:
        found = filter(said(text), filter(asked, reader.newest(wanted)))
        _tell_unsearched(folder, wanted)
        return _first((Found(record, False) for record in found), limit)
    if not parquet_files(folder):
        return _first((Found(record, False) for record in filter(asked, reader.newest(wanted))), limit)
    # DuckDB takes 0.1 s to import.
    from llmctl.reports.duck import database
    from llmctl.reports.where_rows import rows, split

    with database() as db:
        files = split(folder, db, wanted, asked.columns)
        compacted = rows(db, files, asked, wanted, limit)
    # Whole records are at hand where segments were kept; only with a condition would it take long to find them.
    segments = None if asked is EVERYTHING else files.segments
    whole = filter(asked, reader.newest(wanted, segments))
    return _first(
        heapq.merge(
            (Found(record, False) for record in whole),
            (Found(record, True) for record in compacted),
            key=lambda found: (-_ended(found.record), found.compacted),
        ),
        limit,
    )


def said(text: str) -> Callable[[Record], bool]:
    """Whether a record's request and answer have, together, every word or "quoted phrase" of `text`, in any case."""
    wanted = [(phrase or word).casefold() for phrase, word in re.findall(r'"([^"]+)"|([^\s"]+)', text)]

    def test(record: Record) -> bool:
        content = "\n".join(_strings([record.request, record.response])).casefold()
        return all(each in content for each in wanted)

    return test


def shown(found: Found) -> Any:
    """One record for `--json`, without content; `compacted` where more than that is gone."""
    plain = msgspec.to_builtins(msgspec.structs.replace(found.record, request=None, response=None))
    return plain | {"compacted": True} if found.compacted else plain


def _first(found: Iterator[Found], limit: int) -> list[Found]:
    return list(islice(_once(found), limit))


def _once(found: Iterator[Found]) -> Iterator[Found]:
    seen: set[tuple[str, int, int]] = set()
    for each in found:
        record = each.record
        key = (record.id, started_us(record), record.duration_us)
        if key not in seen:
            seen.add(key)
            yield each


def _ended(record: Record) -> int:
    return started_us(record) + record.duration_us


def _names(wanted: Filter) -> Where:
    """The filter's names as a condition."""
    named = {"tenant": wanted.tenant, "model": wanted.model, "state": wanted.state, "key": wanted.key}
    escaped = {name: re.sub(r"([\\'])", r"\\\1", value) for name, value in named.items() if value is not None}
    return all_of([parse(f"{name}='{value}'", f"--{name}") for name, value in escaped.items()])


def _strings(value: Any) -> Iterator[str]:
    """Every text in this JSON, but for the names of its keys."""
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, str):
            yield each
        elif isinstance(each, dict):
            waiting += reversed(each.values())
        elif isinstance(each, list):
            waiting += reversed(each)


def _tell_unsearched(folder: Path, wanted: Filter) -> None:
    files = [path for path in parquet_files(folder) if wanted.day(path.parent.name)]
    if files:
        what = "file holds" if len(files) == 1 else "files hold"
        print(f"note: {len(files)} Parquet {what} no content: --text searches JSON lines only", file=sys.stderr)
