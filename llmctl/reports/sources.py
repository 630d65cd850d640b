"""Which files hold the records: segments, and the Parquet files that segments were compacted into.

A Parquet file says in its own metadata which segments it holds, by name, size and digest, so that the file and its
manifest appear together or not at all. A segment that one of them holds as it is now is not read again.
"""

# ruff: noqa: S608 - what stands in the SQL is ours or quoted by `columns`; what users give are parameters

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import msgspec

from llmctl.errors import StoreError
from llmctl.reports.duck import Database
from llmctl.telemetry.reader import EVERYTHING, Filter, RecordReader

SUFFIX = ".parquet"
MANIFEST = "llmctl_manifest"
VERSION = 1


class Source(msgspec.Struct, frozen=True, gc=False):
    """A compacted segment: how large it was, the BLAKE2b of what was in it, and how many lines were no records."""

    name: str
    size: int
    digest: str
    damaged: int = 0


class Manifest(msgspec.Struct, frozen=True):
    """What a Parquet file holds: so many records, of these segments of its folder."""

    records: int
    sources: list[Source]
    v: int = VERSION


@dataclass(frozen=True, slots=True)
class Sources:
    """What is to be read. `overlapping`: two Parquet files claim one segment, so rows must be told apart one by one."""

    segments: tuple[Path, ...]
    parquet: tuple[Path, ...]
    covered: int = 0
    overlapping: bool = False


def find(folder: Path, database: Database, wanted: Filter = EVERYTHING) -> Sources:
    """The files under `folder`, a record store's, that may hold wanted records. Raises StoreError."""
    try:
        segments = RecordReader(folder).segments(wanted)
        parquet = [path for path in parquet_files(folder) if wanted.day(path.parent.name)]
        claims = list(_claims(manifests(parquet, database)))
        held = set(claims)
        left = [path for path in segments if (path, path.stat().st_size) not in held]
    except OSError as error:
        raise StoreError(f"{error.filename or folder}: {error.strerror or error}") from None
    return Sources(tuple(left), tuple(parquet), len(segments) - len(left), len(held) < len(claims))


def parquet_files(folder: Path, days: Collection[str] | None = None) -> list[Path]:
    """Compacted files, by name; of these days only, where they are given. Raises OSError."""
    named = sorted(folder.glob(f"[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]/[!.]*{SUFFIX}"))
    found = [path for path in named if path.is_file() and _is_day(path.parent.name)]
    return found if days is None else [path for path in found if path.parent.name in days]


def manifests(files: Sequence[Path], database: Database) -> dict[Path, Manifest]:
    """What each file says it holds. Raises StoreError for one that does not say."""
    if not files:
        return {}
    names = [str(path) for path in files]
    for name in names:
        with open(name, "rb") as file:
            if file.read(4) != b"PAR1":
                raise StoreError(f"{name}: is no Parquet file; move it away, its segments are read if they still exist")
    rows = database.rows(
        f"SELECT file_name, value FROM parquet_kv_metadata($1) WHERE decode(key) = '{MANIFEST}'",
        [names],
        doing="reading the Parquet files' manifests",
    )
    found: dict[Path, Manifest] = {}
    for name, value in rows:
        try:
            found[Path(name)] = msgspec.json.decode(value, type=Manifest)
        except msgspec.MsgspecError as error:
            raise StoreError(f"{name}: its manifest is damaged ({error}); move the file away") from None
    for path in files:
        if path not in found:
            raise StoreError(f"{path}: was not made by `llmctl traces compact`; move it out of the record store")
    return found


def _is_day(name: str) -> bool:
    try:
        return bool(date.fromisoformat(name))
    except ValueError:
        return False


def _claims(found: dict[Path, Manifest]) -> Iterator[tuple[Path, int]]:
    for path, manifest in found.items():
        yield from ((path.parent / source.name, source.size) for source in manifest.sources)
