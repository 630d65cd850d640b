"""Files that survive a crash: written whole or not at all, appended to with an fsync, for nobody else to read."""

import asyncio
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

PART = ".part"
"""The end of the name of a file that is not complete yet."""


def make_folder(path: Path) -> None:
    """The folder and those above it that are missing, each for its owner alone."""
    missing = [each for each in (path, *path.parents) if not each.exists()]
    for each in reversed(missing):
        with suppress(FileExistsError):  # another worker was faster
            each.mkdir(0o700)


def create(path: Path) -> int:
    """A descriptor of a new, empty file that only its owner may read. Raises FileExistsError."""
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)


def write_all(descriptor: int, data: bytes) -> None:
    """All of `data`: a plain write may take only a part."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def replace(path: Path, data: bytes, token: Callable[[int], str]) -> None:
    """Put `data` at `path` in one step; whoever reads sees the old or the new. `token` gives names, by length."""
    part = path.with_name(f"{path.name}.{token(8)}{PART}")
    descriptor = create(part)
    try:
        write_all(descriptor, data)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    part.replace(path)
    sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    """Make the names in a folder as durable as what they name."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class Journal:
    """Appends lines. `append` returns once they are on the disk; lines that come together share one fsync."""

    def __init__(self, path: Path) -> None:
        """What a crash left of a last line is cut off. Blocks."""
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._size = _whole_lines(self._descriptor)
        os.ftruncate(self._descriptor, self._size)
        self._waiting: list[bytes] = []
        self._lock = asyncio.Lock()
        self._writing = threading.Lock()
        self._failure: OSError | None = None

    async def append(self, line: bytes) -> None:
        """`line` ends with a newline. Raises OSError, and then nothing of it is kept, nor of any line after."""
        self._waiting.append(line)
        async with self._lock:
            if self._waiting and self._failure is None:  # else who had the lock before took it along
                data, self._waiting = b"".join(self._waiting), []
                try:
                    await asyncio.to_thread(self._write, data)
                except OSError as error:
                    self._failure = error
        if self._failure is not None:
            raise self._failure

    def _write(self, data: bytes) -> None:
        with self._writing:
            try:
                os.lseek(self._descriptor, self._size, os.SEEK_SET)
                write_all(self._descriptor, data)
                os.fsync(self._descriptor)
            except OSError:
                with suppress(OSError):
                    os.ftruncate(self._descriptor, self._size)
                raise
            self._size += len(data)

    def close(self) -> None:
        """Waits for a thread that still writes: its task may have been cancelled."""
        with self._writing:
            os.close(self._descriptor)
            self._descriptor = -1  # the number may soon be another file's


def _whole_lines(descriptor: int, block: int = 65536) -> int:
    """Bytes up to and with the last newline."""
    end = os.fstat(descriptor).st_size
    while end > 0:
        start = max(0, end - block)
        found = os.pread(descriptor, end - start, start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end = start
    return 0
