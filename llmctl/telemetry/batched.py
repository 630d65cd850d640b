"""Lines on their way to a disk: taken on the loop, written in whole batches by one thread.

Encoding in the thread would hold the interpreter's lock for whole batches and stall the loop; encoding one line
at a time costs it microseconds. The loop only appends to a list and adds to counters of its own: it takes no lock
and wakes nobody. The thread looks every `interval`, and works on whole batches: each time it asks for the
interpreter's lock, every release of it on the loop (RE2 and uvloop do) wakes it in vain until its turn has come.
"""

import errno
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Literal, Protocol

from llmctl.clock import Clock

WARN_EVERY = 60.0
CLOSE_WITHIN = 5.0
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})

Reason = Literal["queue_full", "disk_full", "io_error", "encode", "shutdown"]


class Output(Protocol):
    """Where lines go. Called from the writer's thread alone."""

    def append(self, data: bytes) -> int:
        """Write from the front of `data`, which is whole lines; the bytes that need not be written again.

        Raises OSError where that would be none.
        """
        ...

    def abandon(self) -> None:
        """Leave the file, whose trouble is not that the disk is full: what ails it may not ail the next."""
        ...

    def close(self) -> None:
        """Nothing more comes."""
        ...


class Batched:
    """A bounded queue before an `Output`; at most `interval` seconds of lines are lost to SIGKILL.

    While the output takes nothing, lines wait up to `limit` bytes and are dropped beyond it; writing is tried again at
    every interval. `warn` is called from the writer's thread, at most once a minute.
    """

    def __init__(
        self,
        output: Output,
        clock: Clock,
        warn: Callable[[str], None],
        *,
        name: str,
        place: str,
        interval: float,
        limit: int,
        spare: Callable[[], None] = lambda: None,
    ) -> None:
        """`name` is who writes and `place` where to, for messages; `spare` is called between two batches."""
        self._output = output
        self._clock = clock
        self._warn = warn
        self._name, self._place = name, place
        self._interval = interval
        self._limit = limit
        self._spare = spare
        self._queue: list[bytes] = []
        # Each of these is written by one thread only, so none needs a lock: the loop's, then the writer's.
        self._taken_bytes = 0
        self._dropped: dict[str, int] = {"queue_full": 0, "disk_full": 0, "io_error": 0, "encode": 0, "shutdown": 0}
        self._done_bytes = 0
        self._written = 0
        self._held = b""  # taken from the queue and not yet on disk: whole lines
        self._trouble: Literal["", "disk_full", "io_error"] = ""
        self._drained_at = clock.monotonic()
        self._warned_at = -WARN_EVERY
        self._started = self._closed = False
        self._stop = threading.Event()
        # Started by the first line: what is built only to be checked, or before a fork, has no thread.
        self._thread = threading.Thread(target=self._run, name=f"llmctl-{name}", daemon=True)

    def put(self, line: bytes) -> None:
        """Queue a line, given without its end. Never raises and never blocks; drops are counted by reason."""
        size = len(line) + 1
        if self._closed or self._taken_bytes - self._done_bytes + size > self._limit:
            self._dropped["shutdown" if self._closed else self._trouble or "queue_full"] += 1
            return
        self._taken_bytes += size
        self._queue.append(line)
        if not self._started:
            self._started = True
            self._drained_at = self._clock.monotonic()
            self._thread.start()

    def drop(self, reason: Reason) -> None:
        """Count a line that cannot even be queued."""
        self._dropped[reason] += 1

    def close(self) -> None:
        """Write what is queued, for at most `CLOSE_WITHIN` seconds; blocks that long where the disk does not answer."""
        self._closed = True
        if not self._started or self._stop.is_set():
            return
        self._stop.set()
        self._thread.join(CLOSE_WITHIN)
        self._dropped["shutdown"] += len(self._queue) + self._held.count(b"\n")

    @property
    def written(self) -> int:
        """Lines on disk."""
        return self._written

    @property
    def dropped(self) -> dict[str, int]:
        """Lines dropped, by reason."""
        return dict(self._dropped)

    @property
    def queued_bytes(self) -> int:
        """Bytes that wait for the disk."""
        return self._taken_bytes - self._done_bytes

    @property
    def lag_seconds(self) -> float:
        """An upper bound on the age of the oldest line that waits; 0 if none does."""
        return self._clock.monotonic() - self._drained_at if self.queued_bytes else 0.0

    def complain(self, what: str) -> None:
        """Warn of trouble, unless there was a warning within the last minute. For the writer's thread."""
        now = self._clock.monotonic()
        if now - self._warned_at >= WARN_EVERY:
            self._warned_at = now
            self._tell(f"{what}; {self.queued_bytes} bytes wait, dropped since start: {sum(self._dropped.values())}")

    def _run(self) -> None:
        while not self._stop.wait(self._interval):
            if self._drain():
                self._spare()
        deadline = self._clock.monotonic() + CLOSE_WITHIN
        while (self._queue or self._held) and self._clock.monotonic() < deadline:
            if not self._drain():
                break
        self._output.close()

    def _drain(self) -> bool:
        """Write everything queued by now; false if the disk would not take it."""
        now = self._clock.monotonic()
        try:
            self._write(self._held + self._taken())
        except OSError as error:
            self._trouble = "disk_full" if error.errno in _FULL else "io_error"
            if error.errno not in _FULL:
                self._output.abandon()
            self.complain(f"{self._name}: cannot write to {self._place}: {error.strerror or error}")
            return False
        except Exception as error:  # a bug here must not end the thread, or nothing would be written for good
            self._trouble = "io_error"
            self.complain(f"{self._name}: cannot write to {self._place}: {error!r}")
            return False
        if self._trouble:
            self._trouble = ""
            dropped = sum(self._dropped.values())
            self._tell(f"{self._name}: writing to {self._place} again; dropped since start: {dropped}")
        self._drained_at = now
        return True

    def _taken(self) -> bytes:
        """The queue's lines. Only its front is touched, so that the loop can append meanwhile."""
        count = len(self._queue)
        lines = self._queue[:count]
        del self._queue[:count]
        return b"\n".join([*lines, b""])

    def _write(self, data: bytes) -> None:
        """Write whole lines; what remains on an error is held for the next time."""
        self._held = data
        while self._held:
            done = self._output.append(self._held)
            self._done_bytes += done
            self._written += self._held.count(b"\n", 0, done)
            self._held = self._held[done:]

    def _tell(self, message: str) -> None:
        with suppress(Exception):  # a log that is broken too must not end the thread
            self._warn(message)
