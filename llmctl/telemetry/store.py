"""The record store's writing side: encoded and redacted on the loop, written to disk by one thread (see batched.py)."""

from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import msgspec

from llmctl.clock import Clock
from llmctl.config.schema import RecordsConfig
from llmctl.model.record import Record
from llmctl.telemetry.batched import Batched
from llmctl.telemetry.redact import Redactor
from llmctl.telemetry.retention import Forgotten, prune
from llmctl.telemetry.segments import SegmentWriter

PRUNE_AT_ONCE = 16  # files between two batches of records


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
        self._encode = msgspec.json.Encoder().encode
        self._redact = redactor.redact
        self._bare = config.content == "none"
        folder = Path(config.dir)
        segments = segments or SegmentWriter(folder, clock, segment_bytes=config.segment_bytes, fsync=config.fsync)
        forgetting = _Forgetting(config, segments, clock)
        self._lines = Batched(
            _Segmented(segments, forgetting),
            clock,
            warn,
            name="records",
            place=config.dir,
            interval=config.flush_interval,
            limit=config.queue_bytes,
            spare=self._forget,
        )
        self._forgetting = forgetting

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
            self._lines.drop("encode")
            return
        self._lines.put(line)

    def close(self) -> None:
        """Write what is queued, for at most 5 seconds; blocks that long where the disk does not answer."""
        self._lines.close()

    @property
    def written(self) -> int:
        """Records on disk."""
        return self._lines.written

    @property
    def dropped(self) -> dict[str, int]:
        """Records dropped, by reason: queue_full, disk_full, io_error, encode, shutdown."""
        return self._lines.dropped

    @property
    def queued_bytes(self) -> int:
        """Bytes that wait for the disk."""
        return self._lines.queued_bytes

    @property
    def lag_seconds(self) -> float:
        """An upper bound on the age of the oldest record that waits; 0 if none does."""
        return self._lines.lag_seconds

    def _forget(self) -> None:
        if (trouble := self._forgetting.go_on()) is not None:
            self._lines.complain(trouble)


class _Segmented:
    """The segments as an `Output`: each append goes into one of them."""

    def __init__(self, segments: SegmentWriter, forgetting: "_Forgetting") -> None:
        self._segments = segments
        self._forgetting = forgetting

    def append(self, data: bytes) -> int:
        first = data.index(b"\n") + 1
        room = self._segments.room(first)
        end = len(data) if len(data) <= room else max(first, data.rfind(b"\n", 0, room) + 1)
        return self._segments.append(data[:end])

    def abandon(self) -> None:
        self._segments.close()

    def close(self) -> None:
        self._forgetting.stop()
        self._segments.close()


class _Forgetting:
    """Prunes the folder whenever a segment was opened, bit by bit."""

    def __init__(self, config: RecordsConfig, segments: SegmentWriter, clock: Clock) -> None:
        self._dir = config.dir
        self._retention, self._max_bytes = config.retention, config.max_bytes
        self._segments = segments
        self._clock = clock
        self._pruning: Iterator[Forgotten] | None = None
        self._pruned_at = 0  # the segment's number

    def go_on(self) -> str | None:
        """Go on, or begin where a segment was opened since the last time; what went wrong, if anything."""
        trouble = None
        if self._pruning is None:
            if self._segments.opened == self._pruned_at or (self._retention is None and self._max_bytes is None):
                return None
            self._pruned_at = self._segments.opened
            self._pruning = prune(
                Path(self._dir), self._clock.wall(), older_than=self._retention, max_bytes=self._max_bytes
            )
        try:
            if len(list(islice(self._pruning, PRUNE_AT_ONCE))) == PRUNE_AT_ONCE:
                return None
        except BlockingIOError:
            pass  # another worker is at it, or compaction is
        except Exception as error:  # what cannot be deleted must not stop what is to be written
            trouble = f"records: cannot prune {self._dir}: {_reason(error)}"
        self._pruning = None
        return trouble

    def stop(self) -> None:
        """Let another worker go on with it."""
        self._pruning = None


def _reason(error: Exception) -> str:
    return f"{error.filename}: {error.strerror}" if isinstance(error, OSError) and error.filename else repr(error)
