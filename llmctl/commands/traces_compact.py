"""`llmctl traces compact`: closed segments into Parquet."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from llmctl.clock import SystemClock
from llmctl.commands.options import JsonOption, print_json
from llmctl.commands.traces_show import plain
from llmctl.errors import UsageError
from llmctl.reports.compact import Compacted, compact, remove_compacted
from llmctl.reports.duck import database


def compact_(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of the record store.")] = Path(
        ".llmctl/records"
    ),
    remove: Annotated[
        bool,
        typer.Option(
            "--remove/--keep",
            help="Delete segments once their Parquet file has been read back. Requests, answers, stages and guards' "
            "verdicts are in segments only; `traces show` no longer finds what is removed.",
        ),
    ] = False,
    json: JsonOption = False,
) -> None:
    """Write what reports need of closed segments into Parquet files, which they read 20 times as fast."""
    if not folder.is_dir():
        raise UsageError(f"{folder}: no such folder; name the record store's, `records.dir` of gateway.yaml")
    made: list[Compacted] = []
    removed: list[Path] = []
    with database() as db:
        for each in compact(folder, db, now=SystemClock().wall()):
            made.append(each)
            _tell(each)
        if remove:
            removed = remove_compacted(folder, db)
    if json:
        print_json({"files": [_plain(each) for each in made], "removed": [str(path) for path in removed]})
        return
    records, before, after = (sum(getattr(m, n) for m in made) for n in ("records", "bytes_in", "bytes_out"))
    print(f"{len(made)} files, {records} records, {before} bytes into {after}")
    if remove:
        print(f"{len(removed)} segments removed")
    if not made:
        print("nothing to do: segments of today stay open until another follows them", file=sys.stderr)


def _tell(made: Compacted) -> None:
    print(f"{made.path}: {made.records} records of {made.segments} segments", file=sys.stderr)
    if made.duplicates:
        print(f"  {made.duplicates} records that stood there twice were taken once", file=sys.stderr)
    for path, count in made.damaged.items():
        what = "damaged line" if count == 1 else "damaged lines"
        print(f"warning: {plain(str(path))}: {count} {what} passed over; --remove keeps this segment", file=sys.stderr)


def _plain(made: Compacted) -> dict[str, object]:
    return {
        "path": str(made.path),
        "segments": made.segments,
        "records": made.records,
        "bytes_in": made.bytes_in,
        "bytes_out": made.bytes_out,
        "duplicates": made.duplicates,
        "damaged": {str(path): count for path, count in made.damaged.items()},
    }
