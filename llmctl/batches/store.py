"""Where files and batches are kept: a folder that all workers share. Everything here blocks.

    <dir>/lane.lock                         held by the one worker that runs batches
    <dir>/queue/<batch id>                  a batch that has not ended; holds its tenant's folder
    <dir>/tenants/<hash of the tenant>/files/<file id>.json, <file id>.data
    <dir>/tenants/<hash of the tenant>/batches/<batch id>/batch.json, cancel, output.jsonl, errors.jsonl

No two write the same file: API handlers make new ones and leave `cancel`; `batch.json` is the lane's once it exists.
"""

import fcntl
import hashlib
import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from llmctl.batches import disk
from llmctl.batches.objects import WINDOW
from llmctl.batches.shelf import Shelf
from llmctl.clock import Clock

_TENANT = re.compile(r"[0-9a-f]{32}")
ABANDONED = 86400.0  # seconds after which a file that was never completed is nobody's


class Store:
    """Gives each tenant its shelf, and the lane its queue. `keep` is seconds that things stay after their end."""

    def __init__(
        self, folder: Path, keep: float, clock: Clock, token: Callable[[int], str] = secrets.token_hex
    ) -> None:
        """`token` gives unguessable hex of so many bytes."""
        self._folder = folder
        self._keep = int(keep)
        self._clock = clock
        self._token = token
        self._lock: int | None = None

    def open(self) -> None:
        """Make the folders. Raises OSError."""
        disk.make_folder(self._folder / "queue")
        disk.make_folder(self._folder / "tenants")

    def shelf(self, tenant: str) -> Shelf:
        """What one tenant has: nobody else's can be reached from it."""
        return self._shelf(hashlib.sha256(tenant.encode()).hexdigest()[:32])

    def _shelf(self, name: str) -> Shelf:
        return Shelf(self._folder / "tenants" / name, self._folder / "queue", self._keep, self._clock, self._token)

    def take_lane(self) -> bool:
        """Whether the lane is this process's. It stays so until `release_lane`, or the process's end."""
        if self._lock is None:
            descriptor = os.open(self._folder / "lane.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(descriptor)
                return False
            self._lock = descriptor
        return True

    def release_lane(self) -> None:
        """Let another worker run it."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def queue(self) -> list[tuple[str, Shelf]]:
        """Batches that have not ended, oldest first, with the shelf each is on."""
        found = []
        names = (name for name in os.listdir(self._folder / "queue") if disk.PART not in name)
        for name in sorted(names):
            try:
                tenant = (self._folder / "queue" / name).read_text("ascii")
            except (OSError, UnicodeDecodeError):
                continue
            if _TENANT.fullmatch(tenant):
                found.append((name, self._shelf(tenant)))
        return found

    def sweep(self) -> None:
        """Remove what has been kept for long enough, and what was begun and never completed."""
        now = self._clock.wall()
        for folder in (self._folder / "tenants").iterdir():
            shelf = self._shelf(folder.name)
            needed = set()
            for batch in shelf.all_batches():
                gone = batch.end is not None and batch.end + self._keep <= now
                if gone or batch.created_at + WINDOW + self._keep + ABANDONED <= now:
                    shelf.drop_batch(batch.id)
                elif not batch.ended:
                    needed.add(batch.input_file_id)
            for file in shelf.all_files():
                if file.expires_at <= now and file.id not in needed:
                    shelf.drop_file(file.id)
            for path in _begun(folder):
                if path.stat().st_mtime + ABANDONED <= now:
                    shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def _begun(folder: Path) -> Iterator[Path]:
    """Files that are not complete, and data that no description was written for."""
    yield from folder.glob(f"*/*{disk.PART}")
    yield from (path for path in folder.glob("files/*.data") if not path.with_suffix(".json").exists())
    yield from (path for path in folder.glob("batches/*") if not (path / "batch.json").exists())
