"""Metrics of several worker processes that share a port: a scrape reaches one of them and shows the sum of all.

Each worker owns a slot, a file in a folder that the supervisor made for its own lifetime. The slot's lock is the
kernel's, so it is free again however the worker ends; the next worker takes the slot over and counts on from what
was published there. Counters therefore never go back, and there are never more files than there were workers at once.
"""

import fcntl
import itertools
import os
import threading
from contextlib import suppress
from pathlib import Path

import msgspec

from llmctl.clock import Clock
from llmctl.telemetry.series import Families, lasting, merged

STALE = 5.0
"""Seconds after which a slot's gauges no longer count: its worker is gone or hangs. Publish every second."""


class _Slot(msgspec.Struct):
    """`base` is what earlier owners counted, `live` what the present one does; `at` is epoch seconds."""

    at: float
    base: Families
    live: Families


class SharedMetrics:
    """This worker's slot in `folder`. Raises OSError if it cannot be made; later trouble with it is passed over."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._folder = folder
        self._clock = clock
        self._decoder = msgspec.msgpack.Decoder(_Slot)
        self._encoder = msgspec.msgpack.Encoder()
        self._writing = threading.Lock()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._path, self._lock = self._claim()
        before = self._read(self._path)
        self._base = lasting(merged([before.base, before.live])) if before else {}

    @property
    def began(self) -> float:
        """When the first worker began to count, epoch seconds: slots' locks are made once and never written to."""
        return min(path.stat().st_mtime for path in self._folder.glob("[0-9]*.lock"))

    def publish(self, families: Families) -> None:
        """Let the other workers know what this one counts; about 0.1 ms. Does not wait for a scrape that does so."""
        if self._writing.acquire(blocking=False):
            try:
                self._write(families)
            finally:
                self._writing.release()

    def total(self, families: Families) -> Families:
        """The sum over all workers, living and dead. What of `families`, this one's, it shows has been published.

        So no later sum is lower, also where this worker is killed the moment after.
        """
        with self._writing:
            shown = self._decoder.decode(self._write(families))
        parts = [shown.base, shown.live]
        now = self._clock.wall()
        for path in self._folder.glob("*.slot"):
            if path != self._path and (slot := self._read(path)):
                parts += [slot.base, slot.live if now - slot.at < STALE else lasting(slot.live)]
        return merged(parts)

    def close(self, families: Families) -> None:
        """Publish for the last time, without gauges, and leave the slot to the next worker."""
        with self._writing:
            self._write(lasting(families))
            fd, self._lock = self._lock, -1
        if fd >= 0:
            os.close(fd)

    def _write(self, families: Families) -> bytes:
        data = self._encoder.encode(_Slot(self._clock.wall(), self._base, families))
        if self._lock >= 0:  # else the slot may be another's by now
            part = self._path.with_suffix(".part")
            with suppress(OSError):
                part.write_bytes(data)
                part.replace(self._path)
        return data

    def _claim(self) -> tuple[Path, int]:
        for number in itertools.count():
            fd = os.open(self._folder / f"{number}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(fd)
                continue
            return self._folder / f"{number}.slot", fd
        raise AssertionError  # count() does not end

    def _read(self, path: Path) -> _Slot | None:
        try:
            return self._decoder.decode(path.read_bytes())
        except (OSError, msgspec.MsgspecError):
            return None
