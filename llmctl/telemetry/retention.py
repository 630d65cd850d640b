"""What the record store forgets: days that are old enough, then the oldest files until the rest fits.

A day is forgotten as a whole, once it has been over for so long. A segment that somebody writes to is locked, by its
writer, and is passed over. One process at a time forgets, or compacts: `LOCK` in the store's folder says which.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from llmctl.telemetry.segments import SUFFIX

LOCK = ".compact.lock"
_KINDS = (SUFFIX, ".parquet")
_DAY = 86400.0


class Forgotten(NamedTuple):
    """A file that is gone, or would be: its size in bytes, and whether for its age or for the space."""

    path: Path
    size: int
    why: str


def prune(
    folder: Path, now: float, *, older_than: float | None = None, max_bytes: int | None = None, dry_run: bool = False
) -> Iterator[Forgotten]:
    """Delete, file by file, days that ended `older_than` seconds before `now`, then what is over `max_bytes`.

    Within a day JSON lines go before Parquet files, which are a hundredth of their size. Raises BlockingIOError where
    another process is at it, and OSError.
    """
    if not folder.is_dir():
        return
    with _locked(folder):
        today = f"{datetime.fromtimestamp(now, UTC):%Y-%m-%d}"
        days = [path for path in sorted(folder.iterdir()) if _ends(path.name) is not None and path.is_dir()]
        if older_than is not None:
            old = [day for day in days if (_ends(day.name) or 0.0) + older_than <= now]
            for day in old:
                yield from _each(_files(day), "age", dry_run)
                _tidy(day, today, dry_run)
            days = [day for day in days if day not in old]
        if max_bytes is not None:
            yield from _over(days, max_bytes, dry_run)
            for day in days:
                _tidy(day, today, dry_run)


def _over(days: list[Path], max_bytes: int, dry_run: bool) -> Iterator[Forgotten]:
    files = [file for day in days for file in _files(day)]
    excess = sum(size for _, size in files) - max_bytes
    for file in files:
        if excess <= 0:
            return
        for gone in _each([file], "space", dry_run):
            excess -= gone.size
            yield gone


def _each(files: list[tuple[Path, int]], why: str, dry_run: bool) -> Iterator[Forgotten]:
    for path, size in files:
        if _forget(path, dry_run):
            yield Forgotten(path, size, why)


def _files(day: Path) -> list[tuple[Path, int]]:
    """Segments, then Parquet files, each by name, with their sizes."""
    found = []
    with os.scandir(day) as entries:
        for entry in entries:
            kind = Path(entry.name).suffix
            if kind in _KINDS and not entry.name.startswith("."):
                with suppress(FileNotFoundError):
                    found.append((_KINDS.index(kind), entry.name, entry.stat().st_size))
    return [(day / name, size) for _, name, size in sorted(found)]


def _forget(path: Path, dry_run: bool) -> bool:
    """Delete `path`, unless somebody writes to it."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not dry_run:
            path.unlink(missing_ok=True)
    except BlockingIOError:
        return False
    finally:
        os.close(fd)
    return True


def _tidy(day: Path, today: str, dry_run: bool) -> None:
    # Not today's: a writer may be about to open a segment in it.
    if not dry_run and day.name < today:
        with suppress(OSError):  # it is not empty
            day.rmdir()


def _ends(name: str) -> float | None:
    """When this day is over, in epoch seconds; None for a name that is no day."""
    try:
        began = datetime.fromisoformat(name).replace(tzinfo=UTC)
    except ValueError:
        return None
    return began.timestamp() + _DAY if f"{began:%Y-%m-%d}" == name else None


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    fd = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(fd)
