"""The record store's files: `<folder>/<YYYY-MM-DD>/<HHMMSS>-<pid>-<seq>.jsonl`, in UTC, one writer each."""

import fcntl
import os
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from llmctl.clock import Clock

SUFFIX = ".jsonl"


class SegmentWriter:
    """Appends whole lines to the current segment; not thread-safe.

    A segment is left behind when the UTC day changes, when it is full, and when somebody deleted it. As long as it is
    written to, a lock (flock, shared) on it says so to whoever prunes.
    """

    def __init__(
        self,
        folder: Path,
        clock: Clock,
        *,
        segment_bytes: int,
        fsync: bool = False,
        write: Callable[[int, bytes], int] = os.write,
    ) -> None:
        self._folder = folder
        self._clock = clock
        self._limit = segment_bytes
        self._fsync = fsync
        self._os_write = write
        self._fd = -1
        self._path = folder
        self._day = ""
        self._size = 0
        self._seq = 0
        self.opened = 0  # segments so far

    def room(self, needed: int) -> int:
        """Bytes that the next `append` may bring, or fewer than `needed` where even an empty segment holds no more.

        Raises OSError where no segment can be opened.
        """
        now = datetime.fromtimestamp(self._clock.wall(), UTC)
        day = f"{now:%Y-%m-%d}"
        full = self._size > 0 and self._size + needed > self._limit
        if self._fd >= 0 and (full or day != self._day or os.fstat(self._fd).st_nlink == 0):
            self.close()
        if self._fd < 0:
            self._open(day, f"{now:%H%M%S}")
        return self._limit - self._size

    def append(self, data: bytes) -> int:
        """Write `data`, whole lines, to the segment that `room` opened; returns the bytes that are safe in it.

        That is fewer than all when the disk takes no more: what was written of the line in the middle is cut
        off again, and the next call raises. Raises OSError when nothing could be written.
        """
        done = 0
        try:
            while done < len(data):
                done += self._os_write(self._fd, data[done:] if done else data)
            if self._fsync:
                os.fsync(self._fd)
        except OSError:
            # All written means that fsync failed: nobody knows what is safe, so it is all to be written again.
            kept = 0 if done == len(data) else data.rfind(b"\n", 0, done) + 1
            self._cut_back(self._size + kept, torn=done > kept)
            if kept == 0:
                raise
            return kept
        self._size += done
        return done

    def close(self) -> None:
        """Leave the current segment, or remove it if it is empty; the next `room` opens another."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            with suppress(OSError):
                os.close(fd)
                if self._size == 0:
                    self._path.unlink()

    def _cut_back(self, size: int, *, torn: bool) -> None:
        self._size = size
        try:
            if torn:
                os.ftruncate(self._fd, size)
        except OSError:
            self.close()  # its torn last line is one that readers pass over

    def _open(self, day: str, time: str) -> None:
        folder = self._folder / day
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
        while True:
            self._seq += 1
            path = folder / f"{time}-{os.getpid()}-{self._seq:06d}{SUFFIX}"
            try:
                self._fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            except FileExistsError:  # another host, or another container with the same process id, shares the folder
                continue
            self._path, self._day, self._size = path, day, 0
            self.opened += 1
            with suppress(OSError):  # a file system without locks
                fcntl.flock(self._fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return
