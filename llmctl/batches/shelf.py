"""One tenant's files and batches on disk. Everything here blocks; ids that are not on the shelf do not exist."""

import os
import re
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Literal, TypeVar

import msgspec

from llmctl.batches import disk
from llmctl.batches.objects import WINDOW, Batch, File, Purpose
from llmctl.clock import Clock
from llmctl.errors import InvalidRequest, StoreError, UnknownPath
from llmctl.model.json import UNDECODABLE, encode

_FILE = re.compile(r"file-[0-9a-f]{45}")
_BATCH = re.compile(r"batch_[0-9a-f]{45}")
_CURSOR = re.compile(r"(file-|batch_)[0-9a-f]{45}")

T = TypeVar("T", File, Batch)


class Upload:
    """A file that is arriving. `close` throws away what has not been kept.

    Its methods run in threads, which nothing can end: where the client goes, `close` waits for the last of them.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = 0
        self._lock = threading.Lock()
        self._descriptor = disk.create(path)

    def write(self, data: bytes) -> None:
        """Raises StoreError where the disk takes no more."""
        with self._lock:
            try:
                disk.write_all(self._descriptor, data)
            except OSError as error:
                raise StoreError(f"the file cannot be kept here: {error.strerror}; ask the operator") from None
            self.size += len(data)

    def keep_as(self, path: Path) -> None:
        """Make it durable under its name."""
        with self._lock:
            os.fsync(self._descriptor)
            self.path.replace(path)

    def close(self) -> None:
        """Always to be called."""
        with self._lock:
            os.close(self._descriptor)
            self._descriptor = -1  # the number may soon be another file's
        self.path.unlink(missing_ok=True)


class Shelf:
    """Made by `Store.shelf`."""

    def __init__(self, folder: Path, queue: Path, keep: int, clock: Clock, token: Callable[[int], str]) -> None:
        self._files = folder / "files"
        self._batches = folder / "batches"
        self._queue = queue
        self._keep = keep
        self._clock = clock
        self._token = token
        self.name = folder.name

    def new_id(self, kind: Literal["file-", "batch_"]) -> str:
        """Microseconds, so that names sort by age, and 128 bits that nobody guesses."""
        return f"{kind}{int(self._clock.wall() * 1e6):013x}{self._token(16)}"

    # --- files

    def upload(self) -> Upload:
        """A place for a file that arrives."""
        disk.make_folder(self._files)
        return Upload(self._files / f"{self._token(16)}{disk.PART}")

    def add(self, upload: Upload, filename: str, expires_after: int | None) -> File:
        """Keep what was uploaded."""
        ident = self.new_id("file-")
        upload.keep_as(self._files / f"{ident}.data")
        return self._describe(ident, upload.size, filename, "batch", expires_after)

    def adopt(self, path: Path, ident: str, filename: str, expires_after: int | None) -> None:
        """Make a batch's results a file. Done twice, it is as done once; an absent or empty file is none."""
        data = self._files / f"{ident}.data"
        if path.exists():
            path.replace(data)
        if not (self._files / f"{ident}.json").exists():
            self._describe(ident, data.stat().st_size, filename, "batch_output", expires_after)

    def _describe(self, ident: str, size: int, name: str, purpose: Purpose, expires_after: int | None) -> File:
        now = int(self._clock.wall())
        stays = expires_after if expires_after is not None else self._keep
        file = File(ident, size, now, name, purpose, now + stays, expires_after is not None)
        disk.replace(self._files / f"{ident}.json", encode(file), self._token)
        return file

    def file(self, ident: str) -> File:
        """Raises UnknownPath."""
        found = _read(self._files / f"{ident}.json", File) if _FILE.fullmatch(ident) else None
        if found is None or found.expires_at <= self._clock.wall():
            raise UnknownPath(f"no file {ident[:80]!r} here; it may have expired", param="id")
        return found

    def data(self, ident: str) -> Path:
        """Where a file's content is. `ident` is that of a file that was found."""
        return self._files / f"{ident}.data"

    def files(self, after: str | None, limit: int, *, rising: bool, purpose: str | None) -> tuple[list[File], bool]:
        """A page of files, by age, and whether more follow."""
        now = self._clock.wall()
        names = _names(self._files, ".json", after, rising=rising)
        found = (_read(self._files / f"{name}.json", File) for name in names)
        fitting = (one for one in found if one and one.expires_at > now and purpose in (None, one.purpose))
        return _page(fitting, limit)

    def delete(self, ident: str) -> None:
        """Raises UnknownPath, or InvalidRequest while a batch needs the file."""
        self.file(ident)
        for name in os.listdir(self._queue):
            batch = self._batch(name)
            if batch is not None and not batch.ended and batch.input_file_id == ident:
                raise InvalidRequest(f"batch {name} still reads this file; cancel it first", param="id")
        self.drop_file(ident)

    def drop_file(self, ident: str) -> None:
        """Remove it; its description first, as data alone is no file."""
        (self._files / f"{ident}.json").unlink(missing_ok=True)
        (self._files / f"{ident}.data").unlink(missing_ok=True)

    def all_files(self) -> Iterator[File]:
        """Every file that can be read, those that have expired too."""
        for name in _names(self._files, ".json", None, rising=True):
            with suppress(StoreError):
                if one := _read(self._files / f"{name}.json", File):
                    yield one

    # --- batches

    def folder(self, ident: str) -> Path:
        """Where a batch's own files are."""
        return self._batches / ident

    def enqueue(self, batch: Batch) -> None:
        """Keep a new batch and hand it to the lane."""
        disk.make_folder(self.folder(batch.id))
        self.save(batch)
        disk.replace(self._queue / batch.id, self.name.encode("ascii"), self._token)

    def save(self, batch: Batch) -> None:
        """Write it as it is now. For the lane alone, once it is queued."""
        disk.replace(self.folder(batch.id) / "batch.json", encode(batch), self._token)

    def ended(self, batch: Batch) -> None:
        """Write a batch that has ended, let its input go in time, and take it from the queue."""
        self.save(batch)
        file = _read(self._files / f"{batch.input_file_id}.json", File)
        until = int(self._clock.wall()) + self._keep
        if file is not None and not file.fixed and file.expires_at < until:
            longer = msgspec.structs.replace(file, expires_at=until)
            disk.replace(self._files / f"{file.id}.json", encode(longer), self._token)
        self.unqueue(batch.id)

    def unqueue(self, ident: str) -> None:
        """The lane has no more to do with it."""
        (self._queue / ident).unlink(missing_ok=True)

    def batch(self, ident: str) -> Batch:
        """Raises UnknownPath. One that is to be cancelled says so."""
        if (found := self._batch(ident)) is None:
            raise UnknownPath(f"no batch {ident[:80]!r} here", param="id")
        return found

    def cancel(self, ident: str) -> Batch:
        """Ask the lane to end it. Raises UnknownPath, or InvalidRequest where it has ended."""
        batch = self.batch(ident)
        if batch.ended:
            raise InvalidRequest(f"batch {ident} is {batch.status}: there is nothing to cancel", param="id")
        with suppress(FileExistsError):
            os.close(disk.create(self.folder(ident) / "cancel"))
        return self.batch(ident)

    def _cancelled_at(self, ident: str) -> float | None:
        """When its end was asked for, if it was."""
        try:
            return (self.folder(ident) / "cancel").stat().st_mtime
        except FileNotFoundError:
            return None

    def batches(self, after: str | None, limit: int) -> tuple[list[Batch], bool]:
        """A page of batches, the newest first, and whether more follow."""
        names = _names(self._batches, "", after, rising=False)
        return _page((one for name in names if (one := self._batch(name))), limit)

    def all_batches(self) -> Iterator[Batch]:
        """Every batch that can be read."""
        for name in _names(self._batches, "", None, rising=True):
            with suppress(StoreError):
                if one := self._batch(name):
                    yield one

    def drop_batch(self, ident: str) -> None:
        """Remove it with all that is left of it."""
        self.unqueue(ident)
        shutil.rmtree(self.folder(ident), ignore_errors=True)

    def _batch(self, ident: str) -> Batch | None:
        found = _read(self.folder(ident) / "batch.json", Batch) if _BATCH.fullmatch(ident) else None
        if (
            found is not None
            and found.status in ("validating", "in_progress")
            and (at := self._cancelled_at(ident)) is not None
        ):
            return found.on("cancelling", at)
        return found

    def new_batch(self, tenant: str, key: str, priority: int, endpoint: str, input_file_id: str) -> Batch:
        """A batch that begins now; it is not kept yet."""
        now = int(self._clock.wall())
        ident = self.new_id("batch_")
        return Batch(ident, tenant, key, priority, endpoint, input_file_id, now, now + WINDOW)


def _read(path: Path, kind: type[T]) -> T | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except UNDECODABLE:
        raise StoreError(f"{path.name} in batches.dir is not what llmctl wrote; remove it") from None


def _names(folder: Path, end: str, after: str | None, *, rising: bool) -> list[str]:
    """Ids in a folder by age, those behind `after`. Raises InvalidRequest where that is no id."""
    if after is not None and not _CURSOR.fullmatch(after):
        raise InvalidRequest("`after` must be the id of an object of this list", param="after")
    try:
        names = sorted(os.listdir(folder), reverse=not rising)
    except FileNotFoundError:
        return []
    ids = [name.removesuffix(end) for name in names if name.endswith(end) and disk.PART not in name]
    if after is None:
        return ids
    return [ident for ident in ids if (ident > after if rising else ident < after)]


def _page(found: Iterator[T], limit: int) -> tuple[list[T], bool]:
    page: list[T] = []
    for one in found:
        if len(page) == limit:
            return page, True
        page.append(one)
    return page, False
