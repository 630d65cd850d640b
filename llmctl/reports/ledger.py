"""Every record once: segments and Parquet files as one table, `ledger`, that the reports ask."""

# ruff: noqa: S608 - what stands in the SQL is ours or quoted by `columns`; what users give are parameters

from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

import msgspec

from llmctl.model.record import decoder
from llmctl.reports.columns import COLUMNS, KEY, WHOLE, line_reader, literal, quoted
from llmctl.reports.duck import Database
from llmctl.reports.sources import Sources, find
from llmctl.telemetry.reader import EVERYTHING, Filter


@dataclass(frozen=True, slots=True)
class Ledger:
    """What was read. `damaged` are lines that are no records, by file; `duplicates` records that stood there twice."""

    sources: Sources
    damaged: dict[Path, int]
    duplicates: int


def open_ledger(
    folder: Path,
    database: Database,
    columns: Collection[str],
    wanted: Filter = EVERYTHING,
    say: Callable[[str], None] = lambda _: None,
) -> Ledger:
    """Make the table `ledger` with `columns` of every record that `wanted.since` and `wanted.until` let through.

    Segments are parsed once, into memory; Parquet files are read anew by every question. Raises StoreError.
    """
    sources = find(folder, database, wanted)
    names = tuple(name for name in COLUMNS if name in {*columns, *KEY})
    if sources.segments:
        say(f"reading {len(sources.segments)} segments")
    damaged = load_lines(database, sources.segments, names, wanted)
    duplicates = drop_lines_in(database, sources.parquet) if sources.segments else 0
    parquet = ""
    if sources.parquet:
        distinct = f"DISTINCT ON ({', '.join(KEY)})" if sources.overlapping else ""
        parquet = f" UNION ALL BY NAME SELECT {distinct} {_listed(names)} FROM {_parquet(sources, names)}"
        parquet += f" WHERE {_inside(wanted)}"
    database.rows(
        f"CREATE VIEW ledger AS SELECT {_listed(names)} FROM lines{parquet}", doing="putting the ledger together"
    )
    return Ledger(sources, damaged, duplicates)


def load_lines(
    database: Database, segments: Collection[Path], names: tuple[str, ...], wanted: Filter = EVERYTHING
) -> dict[Path, int]:
    """Make the table `lines` with these columns of the segments' wanted records; returns damaged lines by file."""
    shape = ", ".join(f"{quoted(name)} {COLUMNS[name].type}" for name in names)
    database.rows(f"CREATE OR REPLACE TEMP TABLE lines ({shape}, file VARCHAR)", doing="making a table")
    if not segments:
        return {}
    doing = f"reading {len(segments)} segments"
    # A line that is no record has none of the fields; it is kept until it is counted.
    empty = " AND ".join(f"{quoted(name)} IS NULL" for name in KEY)
    values = ", ".join(f"CASE WHEN {WHOLE} THEN {COLUMNS[name].value} END AS {quoted(name)}" for name in names)
    database.rows(
        f"INSERT INTO lines SELECT * FROM (SELECT {values}, filename FROM {line_reader()}) "
        f"WHERE ({empty}) OR ({_inside(wanted)})",
        {"files": [str(path) for path in segments]},
        doing=doing,
    )
    rows = database.rows(f"SELECT file, count(*) FROM lines WHERE {empty} GROUP BY file ORDER BY file", doing=doing)
    if rows:
        database.rows(f"DELETE FROM lines WHERE {empty}", doing=doing)
    counts = {Path(name): int(count) - _torn(Path(name)) for name, count in rows}
    return {path: count for path, count in counts.items() if count > 0}


def drop_lines_in(database: Database, files: Collection[Path]) -> int:
    """Take out of `lines` what stands in `lines` twice, or in one of these Parquet files; returns how many."""
    doing = "looking for records that stand there twice"
    key = ", ".join(KEY)
    total, different = database.one(f"SELECT count(*), count(DISTINCT ({key})) FROM lines", doing=doing)
    if total != different:
        database.rows(
            f"CREATE OR REPLACE TEMP TABLE lines AS SELECT DISTINCT ON ({key}) * FROM lines ORDER BY {key}, file",
            doing=doing,
        )
    if files and different:
        first, last = database.one("SELECT min(started), max(started) FROM lines", doing=doing)
        database.rows(
            f"DELETE FROM lines WHERE ({key}) IN (SELECT ({key}) FROM read_parquet($files) "
            "WHERE started BETWEEN $first AND $last)",
            {"files": [str(path) for path in files], "first": first, "last": last},
            doing=doing,
        )
    (left,) = database.one("SELECT count(*) FROM lines", doing=doing)
    return int(total) - int(left)


def _parquet(sources: Sources, names: tuple[str, ...]) -> str:
    """The Parquet files with all of these columns, also those that were not known when a file was made."""
    none = ", ".join(f"CAST(NULL AS {COLUMNS[name].type}) AS {quoted(name)}" for name in names)
    files = ", ".join(literal(str(path)) for path in sources.parquet)
    return f"(SELECT {none} WHERE false UNION ALL BY NAME SELECT * FROM read_parquet([{files}], union_by_name=true))"


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(map(quoted, names))


def _inside(wanted: Filter) -> str:
    bounds = [("started >= {}", wanted.since), ("started < {}", wanted.until)]
    parts = [text.format(f"make_timestamp({round(at * 1e6)})") for text, at in bounds if at is not None]
    return " AND ".join(parts) or "true"


def _torn(path: Path) -> int:
    """1 if the file ends in the middle of a record, as a crash leaves it: that is told to nobody."""
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - 64 * 1024**2))
        last = file.read().rpartition(b"\n")[2]
    if not last.strip():
        return 0
    try:
        decoder.decode(last)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return 1
    return 0
