"""Closed segments into Parquet: the columns that reports need, about a hundredth of the bytes.

A file appears whole, with the manifest of its segments inside it, or not at all: written beside its place, verified,
synced, renamed. Killed at any point, the segments are still there, and a segment and a file that both hold a record
count it once. Content, stages and guards' verdicts are not in the file: they are gone with a segment that is removed.
"""

# ruff: noqa: S608 - what stands in the SQL is ours or quoted by `columns`; what users give are parameters

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Protocol

import msgspec

from llmctl.errors import StoreError
from llmctl.reports.columns import COLUMNS, literal, quoted
from llmctl.reports.duck import Database
from llmctl.reports.ledger import drop_lines_in, load_lines
from llmctl.reports.sources import MANIFEST, SUFFIX, Manifest, Source, manifests, parquet_files
from llmctl.telemetry.reader import RecordReader
from llmctl.telemetry.retention import LOCK

QUIET = 300.0  # seconds without a write before a segment may count as closed
BATCH_BYTES = 256 * 1024**2
PART = ".part"


class Disk(Protocol):
    """What compaction does to the disk, in the order in which it does it."""

    def write(self, database: Database, sql: str, path: Path) -> None:
        """Run the COPY `sql`, which makes `path`."""
        ...

    def settle(self, path: Path) -> None:
        """Wait until `path`, a file or a folder, is on the disk."""
        ...

    def rename(self, part: Path, path: Path) -> None:
        """Let `part` appear as `path`."""
        ...

    def remove(self, path: Path) -> None:
        """Delete a segment."""
        ...


class LocalDisk:
    """The real one."""

    def write(self, database: Database, sql: str, path: Path) -> None:
        """Only the owner may read what it makes."""
        path.unlink(missing_ok=True)
        database.rows(sql, doing=f"writing {path}")
        path.chmod(0o600)

    def settle(self, path: Path) -> None:
        """By fsync."""
        fd = os.open(path, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def rename(self, part: Path, path: Path) -> None:
        """Atomic."""
        part.replace(path)

    def remove(self, path: Path) -> None:
        """One that is gone already is no error."""
        path.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class Compacted:
    """One new file. `damaged` lines by segment; `duplicates` records that were compacted before."""

    path: Path
    segments: int
    records: int
    bytes_in: int
    bytes_out: int
    duplicates: int
    damaged: dict[Path, int]


def compact(
    folder: Path, database: Database, *, now: float, disk: Disk | None = None, batch_bytes: int = BATCH_BYTES
) -> Iterator[Compacted]:
    """Compact every closed segment that no file holds yet, day by day. Raises StoreError."""
    disk = disk or LocalDisk()
    with _locked(folder):
        for day, segments in closed(folder, now).items():
            for part in (folder / day).glob(f".*{SUFFIX}{PART}"):
                part.unlink(missing_ok=True)  # of a run that was killed: the lock says it is nobody's
            held = _held(folder, day, database)
            for batch in _batches([path for path in segments if (path, path.stat().st_size) not in held], batch_bytes):
                if made := _compact(folder, batch, database, disk):
                    yield made


def remove_compacted(folder: Path, database: Database, *, disk: Disk | None = None) -> list[Path]:
    """Delete segments that a file holds, byte for byte, once the file has been read and found whole.

    One with damaged lines stays: they are in no file. Raises StoreError.
    """
    disk, removed = disk or LocalDisk(), []
    with _locked(folder):
        for path, manifest in manifests(parquet_files(folder), database).items():
            segments = [s for s in manifest.sources if not s.damaged and (path.parent / s.name).is_file()]
            if not segments:
                continue
            _verify(path, manifest.records, database)
            disk.settle(path)
            disk.settle(path.parent)
            for source in segments:
                segment = path.parent / source.name
                if _digest(segment) == (source.size, source.digest):
                    disk.remove(segment)
                    removed.append(segment)
    return removed


def closed(folder: Path, now: float) -> dict[str, list[Path]]:
    """Segments that nobody writes to any more, by day: of an earlier day, or followed by another of their writer.

    Also, nothing has been written to them for `QUIET` seconds. Raises StoreError.
    """
    today = f"{datetime.fromtimestamp(now, UTC):%Y-%m-%d}"
    found: dict[str, list[Path]] = {}
    try:
        segments = RecordReader(folder).segments()
        newest = {(path.parent.name, _writer(path)): path for path in segments}
        for path in segments:
            day = path.parent.name
            over = day < today or newest[day, _writer(path)] != path
            if over and now - path.stat().st_mtime >= QUIET:
                found.setdefault(day, []).append(path)
    except OSError as error:
        raise StoreError(f"{error.filename or folder}: {error.strerror or error}") from None
    return found


def _writer(path: Path) -> str:
    return path.stem.split("-")[1] if path.stem.count("-") == 2 else path.stem


def _compact(folder: Path, segments: list[Path], database: Database, disk: Disk) -> Compacted | None:
    before = {path: path.stat().st_size for path in segments}
    damaged = load_lines(database, segments, tuple(COLUMNS))
    duplicates = drop_lines_in(database, _near(folder, segments[0].parent.name))
    (records,) = database.one("SELECT count(*) FROM lines", doing="counting")
    sources = []
    for path in segments:
        size, digest = _digest(path)
        if size != before[path]:
            return None  # it was not closed after all: the next run takes it
        sources.append(Source(path.name, size, digest, damaged.get(path, 0)))
    manifest = Manifest(records, sources)
    name = f"{segments[0].stem}-{_short(sources)}{SUFFIX}"
    path, part = segments[0].with_name(name), segments[0].with_name(f".{name}{PART}")
    text = msgspec.json.encode(manifest).decode()
    columns = ", ".join(map(quoted, COLUMNS))
    disk.write(
        database,
        f"COPY (SELECT {columns} FROM lines) TO {literal(str(part))} "
        f"(FORMAT parquet, COMPRESSION zstd, USE_TMP_FILE false, KV_METADATA {{{MANIFEST}: {literal(text)}}})",
        part,
    )
    _verify(part, records, database)
    disk.settle(part)
    disk.rename(part, path)
    disk.settle(path.parent)
    return Compacted(path, len(segments), records, sum(before.values()), path.stat().st_size, duplicates, damaged)


def _verify(path: Path, records: int, database: Database) -> None:
    """Read it all back: a file that cannot be is no reason to delete anything."""
    sums = "count(*), sum(cost_usd), sum(input_tokens + output_tokens), bit_xor(hash(id))"
    found = database.one(f"SELECT {sums} FROM read_parquet($1)", [[str(path)]], doing=f"verifying {path}")
    if found[0] != records:
        raise StoreError(f"{path}: holds {found[0]} records where {records} were written; the segments are kept")
    if path.name.endswith(PART):
        written = database.one(f"SELECT {sums} FROM lines", doing="verifying")
        if found != written:
            raise StoreError(f"{path}: reads back other sums than were written; the segments are kept")


def _near(folder: Path, day: str) -> list[Path]:
    """Files that may hold the same records: a write that was tried again may have come to the next day's folder."""
    days = [date.fromisoformat(day) + timedelta(days=step) for step in (-1, 0, 1)]
    return parquet_files(folder, [each.isoformat() for each in days])


def _held(folder: Path, day: str, database: Database) -> set[tuple[Path, int]]:
    found = manifests(parquet_files(folder, {day}), database)
    return {(path.parent / source.name, source.size) for path, m in found.items() for source in m.sources}


def _batches(segments: list[Path], limit: int) -> Iterator[list[Path]]:
    batch: list[Path] = []
    size = 0
    for path in segments:
        more = path.stat().st_size
        if batch and size + more > limit:
            yield batch
            batch, size = [], 0
        batch.append(path)
        size += more
    if batch:
        yield batch


def _digest(path: Path) -> tuple[int, str]:
    digest, size = hashlib.blake2b(digest_size=16), 0
    with path.open("rb") as file:
        while block := file.read(1024**2):
            digest.update(block)
            size += len(block)
    return size, digest.hexdigest()


def _short(sources: list[Source]) -> str:
    return hashlib.blake2b(msgspec.json.encode(sources), digest_size=4).hexdigest()


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One compaction at a time, and no pruning meanwhile. Raises StoreError where another is at work."""
    try:
        fd = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StoreError(f"{folder}: {error.strerror or error}") from None
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise StoreError(f"{folder}: another `traces compact`, or pruning, is at work there; wait for it") from None
    except OSError as error:
        raise StoreError(f"{error.filename or folder}: {error.strerror or error}; the segments are kept") from None
    finally:
        os.close(fd)
