"""The record store's writing side: encoded and redacted on the loop, written to disk by one thread.

Encoding in the thread would hold the interpreter's lock for whole batches and stall the loop; encoding one record
at a time costs it microseconds. The loop only appends to a list and adds to counters of its own: it takes no lock
and wakes nobody. The thread looks every `flush_interval`, and works on whole batches: each time it asks for the
interpreter's lock, every release of it on the loop (RE2 and uvloop do) wakes it in vain until its turn has come.
"""

import errno
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path

import msgspec

from llmctl.clock import Clock
from llmctl.config.schema import RecordsConfig
from llmctl.model.record import Record
from llmctl.telemetry.redact import Redactor
from llmctl.telemetry.retention import Forgotten, prune
from llmctl.telemetry.segments import SegmentWriter

WARN_EVERY = 60.0
CLOSE_WITHIN = 5.0
PRUNE_AT_ONCE = 16  # files between two batches of records
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


class RecordStore:
    """A Sink that keeps records as JSON lines; at most `flush_interval` of them are lost to SIGKILL.

    While the disk takes nothing, records wait up to `queue_bytes` and are dropped beyond it; writing is tried
    again at every interval. `warn` is called from the writer's thread, at most once a minute. With every new segment
    the writer forgets what `retention` and `max_bytes` say, a few files between two batches; of several workers on one
    folder the first one to come does it.
    """

    def __init__(
        self,
        config: RecordsConfig,
        redactor: Redactor,
        clock: Clock,
        warn: Callable[[str], None],
        *,
        segments: SegmentWriter | None = None,
    ) -> None:
        self._dir = config.dir
        self._segments = segments or SegmentWriter(
            Path(config.dir), clock, segment_bytes=config.segment_bytes, fsync=config.fsync
        )
        self._encode = msgspec.json.Encoder().encode
        self._redact = redactor.redact
        self._bare = config.content == "none"
        self._clock = clock
        self._warn = warn
        self._interval = config.flush_interval
        self._limit = config.queue_bytes
        self._retention = config.retention
        self._max_bytes = config.max_bytes
        self._pruning: Iterator[Forgotten] | None = None
        self._pruned_at = 0  # the segment's number
        self._queue: list[bytes] = []
        # Each of these is written by one thread only, so none needs a lock: the loop's, then the writer's.
        self._taken_bytes = 0
        self._dropped = {"queue_full": 0, "disk_full": 0, "io_error": 0, "encode": 0, "shutdown": 0}
        self._done_bytes = 0
        self._written = 0
        self._held = b""  # taken from the queue and not yet on disk: whole lines
        self._trouble = ""
        self._drained_at = clock.monotonic()
        self._warned_at = -WARN_EVERY
        self._started = self._closed = False
        self._stop = threading.Event()
        # Started by the first record: a store that is built only to be checked, or before a fork, has no thread.
        self._thread = threading.Thread(target=self._run, name="llmctl-records", daemon=True)

    def write(self, record: Record) -> None:
        """Queue `record`. Never raises and never blocks; drops are counted in `dropped` by reason."""
        try:
            if self._bare and (record.request is not None or record.response is not None):
                record = msgspec.structs.replace(record, request=None, response=None)
            line = self._encode(record)
            if b"\n" in line:  # from a msgspec.Raw: in JSON only whitespace can be a bare newline
                line = msgspec.json.format(line, indent=-1)
            line = self._redact(line)
        except Exception:  # a record nobody can encode must not fail the request it is about
            self._dropped["encode"] += 1
            return
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
        """Records on disk."""
        return self._written

    @property
    def dropped(self) -> dict[str, int]:
        """Records dropped, by reason: queue_full, disk_full, io_error, encode, shutdown."""
        return dict(self._dropped)

    @property
    def queued_bytes(self) -> int:
        """Bytes that wait for the disk."""
        return self._taken_bytes - self._done_bytes

    @property
    def lag_seconds(self) -> float:
        """An upper bound on the age of the oldest record that waits; 0 if none does."""
        return self._clock.monotonic() - self._drained_at if self.queued_bytes else 0.0

    def _run(self) -> None:
        while not self._stop.wait(self._interval):
            if self._drain():
                self._prune()
        self._pruning = None
        deadline = self._clock.monotonic() + CLOSE_WITHIN
        while (self._queue or self._held) and self._clock.monotonic() < deadline:
            if not self._drain():
                break
        self._segments.close()

    def _drain(self) -> bool:
        """Write everything queued by now; false if the disk would not take it."""
        now = self._clock.monotonic()
        try:
            self._write(self._held + self._taken())
        except OSError as error:
            self._trouble = "disk_full" if error.errno in _FULL else "io_error"
            if error.errno not in _FULL:
                self._segments.close()  # what ails this file may not ail the next
            self._complain(now, f"records: cannot write to {self._dir}: {error.strerror or error}")
            return False
        except Exception as error:  # a bug here must not end the thread, or records would stop for good
            self._trouble = "io_error"
            self._complain(now, f"records: cannot write to {self._dir}: {error!r}")
            return False
        if self._trouble:
            self._trouble = ""
            self._tell(f"records: writing to {self._dir} again; dropped since start: {sum(self._dropped.values())}")
        self._drained_at = now
        return True

    def _taken(self) -> bytes:
        """The queue's lines. Only its front is touched, so that the loop can append meanwhile."""
        count = len(self._queue)
        lines = self._queue[:count]
        del self._queue[:count]
        return b"\n".join([*lines, b""])

    def _write(self, data: bytes) -> None:
        """Write whole lines, segment by segment; what remains on an error is held for the next time."""
        self._held = data
        while self._held:
            first = self._held.index(b"\n") + 1
            room = self._segments.room(first)
            end = len(self._held) if len(self._held) <= room else max(first, self._held.rfind(b"\n", 0, room) + 1)
            done = self._segments.append(self._held[:end])
            self._done_bytes += done
            self._written += self._held.count(b"\n", 0, done)
            self._held = self._held[done:]

    def _prune(self) -> None:
        """Go on forgetting, or begin to where a segment was opened since the last time."""
        if self._pruning is None:
            if self._segments.opened == self._pruned_at or (self._retention is None and self._max_bytes is None):
                return
            self._pruned_at = self._segments.opened
            self._pruning = prune(
                Path(self._dir), self._clock.wall(), older_than=self._retention, max_bytes=self._max_bytes
            )
        try:
            if len(list(islice(self._pruning, PRUNE_AT_ONCE))) == PRUNE_AT_ONCE:
                return
        except BlockingIOError:
            pass  # another worker is at it, or compaction is
        except Exception as error:  # what cannot be deleted must not stop what is to be written
            self._complain(self._clock.monotonic(), f"records: cannot prune {self._dir}: {_reason(error)}")
        self._pruning = None

    def _complain(self, now: float, what: str) -> None:
        if now - self._warned_at >= WARN_EVERY:
            self._warned_at = now
            self._tell(f"{what}; {self.queued_bytes} bytes wait, dropped since start: {sum(self._dropped.values())}")

    def _tell(self, message: str) -> None:
        with suppress(Exception):  # a log that is broken too must not end the thread
            self._warn(message)


def _reason(error: Exception) -> str:
    return f"{error.filename}: {error.strerror}" if isinstance(error, OSError) and error.filename else repr(error)
