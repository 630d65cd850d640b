"""`llmctl traces prune`: delete what is old or too much."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from llmctl.clock import SystemClock
from llmctl.commands.options import JsonOption, print_json
from llmctl.config.units import parse_bytes, parse_seconds
from llmctl.errors import StoreError, UsageError
from llmctl.telemetry.retention import Forgotten, prune


def prune_(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of the record store.")] = Path(
        ".llmctl/records"
    ),
    older_than: Annotated[
        str | None, typer.Option("--older-than", metavar="TIME", help="Days that have been over for this long: 30d.")
    ] = None,
    max_bytes: Annotated[
        str | None, typer.Option("--max-bytes", metavar="SIZE", help="The oldest files until the rest fits: 10GB.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only list what would be deleted.")] = False,
    json: JsonOption = False,
) -> None:
    """Delete days of records, JSON lines and Parquet, that are old enough; then the oldest files over a size.

    What is being written to stays. A running gateway does the same by itself, as `records.retention` and
    `records.max_bytes` say.
    """
    if older_than is None and max_bytes is None:
        raise UsageError("say what to delete: --older-than 30d, --max-bytes 10GB, or both; --dry-run only lists it")
    age = _amount("--older-than", older_than, parse_seconds)
    most = _amount("--max-bytes", max_bytes, parse_bytes)
    if not folder.is_dir():
        raise UsageError(f"{folder}: no such folder; name the record store's, `records.dir` of gateway.yaml")
    gone: list[Forgotten] = []
    try:
        for each in prune(folder, SystemClock().wall(), older_than=age, max_bytes=most, dry_run=dry_run):
            gone.append(each)
            print(f"{each.path}: {each.size} bytes, for {each.why}", file=sys.stderr)
    except BlockingIOError:
        raise StoreError(f"{folder}: `traces compact`, or pruning, is at work there; wait for it") from None
    except OSError as error:
        raise StoreError(f"{error.filename or folder}: cannot delete: {error.strerror or error}") from None
    total = sum(each.size for each in gone)
    if json:
        print_json({"dry_run": dry_run, "bytes": total, "files": [_plain(each) for each in gone]})
    else:
        print(f"{len(gone)} files, {total} bytes {'would be ' if dry_run else ''}deleted")


def _amount(option: str, text: str | None, parse: Any) -> Any:
    try:
        return None if text is None else parse(text)
    except ValueError as error:
        raise UsageError(f"{option}: {error}") from None


def _plain(each: Forgotten) -> dict[str, object]:
    return {"path": str(each.path), "bytes": each.size, "why": each.why}
