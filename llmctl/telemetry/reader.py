"""The record store's reading side: tolerant of torn ends, corrupt lines, and fields from newer versions."""

import heapq
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from llmctl.config.units import parse_seconds
from llmctl.model.record import Record, State, decoder
from llmctl.telemetry.segments import SUFFIX

_BLOCK = 256 * 1024
_DAY = 86400.0
_SLACK = 1.0  # file times are coarser than the clock, and another host's may differ


@dataclass(frozen=True, slots=True)
class Filter:
    """Which records are wanted: `since` <= started < `until` in epoch seconds, and each name where it is given.

    `model` is the one asked for, the one chosen, or the one that served.
    """

    since: float | None = None
    until: float | None = None
    tenant: str | None = None
    model: str | None = None
    state: State | None = None
    key: str | None = None

    def __call__(self, record: Record) -> bool:
        """Whether `record` is wanted."""
        return (
            (self.since is None or record.started >= self.since)
            and (self.until is None or record.started < self.until)
            and (self.tenant is None or record.tenant == self.tenant)
            and (self.model is None or self.model in (record.requested_model, record.model, record.served_model))
            and (self.state is None or record.state == self.state)
            and (self.key is None or record.key == self.key)
        )

    def day(self, name: str) -> bool:
        """Whether the folder `name`, a day of writing, may hold wanted records; a record is written when it ends."""
        start = datetime.fromisoformat(name).replace(tzinfo=UTC).timestamp()
        return (self.since is None or start + _DAY > self.since) and (self.until is None or start < self.until + _DAY)


EVERYTHING = Filter()


def parse_when(text: str, now: float) -> float:
    """Epoch seconds of an RFC 3339 time (UTC where it names no zone), or of a duration before `now` such as `1h`.

    Raises ValueError.
    """
    try:
        return now - float(parse_seconds(text))
    except ValueError:
        pass
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r} is no time: write a duration such as 90s, 1h or 7d, or 2026-01-31T12:00Z") from None
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()


class RecordReader:
    """The records under `folder`, a record store's. Reading never raises for what a file holds.

    `corrupt` counts lines that are no records; each is also told to `report` as `file:line: what is wrong`. A torn
    last line, which a crash or a writer at work leaves, is passed over in silence.
    """

    def __init__(self, folder: Path, report: Callable[[str], None] = lambda _: None) -> None:
        self._folder = folder
        self._report = report
        self.corrupt = 0

    def segments(self, wanted: Filter = EVERYTHING) -> list[Path]:
        """Segments that may hold wanted records, by name, which is by the time of their opening. Raises OSError."""
        found: list[Path] = []
        for day in sorted(self._folder.iterdir()) if self._folder.is_dir() else ():
            if not _is_day(day.name) or not wanted.day(day.name) or not day.is_dir():
                continue
            # A segment's last write is no earlier than the start of any record in it.
            found += [
                path
                for path in sorted(day.iterdir())
                if path.suffix == SUFFIX and (wanted.since is None or _modified(path) >= wanted.since)
            ]
        return found

    def read(self, wanted: Filter = EVERYTHING) -> Iterator[Record]:
        """Wanted records, segment by segment; within one in the order in which exchanges ended."""
        for path in self.segments(wanted):
            yield from filter(wanted, self.read_segment(path))

    def read_segment(self, path: Path) -> Iterator[Record]:
        """Every record of one segment."""
        try:
            with path.open("rb") as file:
                for number, line in enumerate(file, 1):
                    if record := self._decode(line, path, number):
                        yield record
        except FileNotFoundError:  # pruned meanwhile
            return
        except OSError as error:
            self._note(f"{path}: {error.strerror or error}")

    def newest(self, wanted: Filter = EVERYTHING, segments: Iterable[Path] | None = None) -> Iterator[Record]:
        """Wanted records, those that ended last first; reads no more of the files than is asked for.

        Of these `segments`, or of all. Those that were written at the same time are merged.
        """
        found = self.segments(wanted) if segments is None else segments
        waiting = sorted((_modified(path), path) for path in found)
        heads: list[tuple[float, int, Record, Iterator[Record]]] = []
        while waiting or heads:
            while waiting and (not heads or waiting[-1][0] >= -heads[0][0]):
                self._push(heads, self._read_backwards(waiting.pop()[1]), len(waiting))
            if heads:
                _, order, record, rest = heapq.heappop(heads)
                self._push(heads, rest, order)
                if wanted(record):
                    yield record

    def find(self, record_id: str) -> Record | None:
        """The newest record with this id, or None."""
        needle = msgspec.json.encode(record_id)
        for path in reversed(self.segments()):
            for record in self._read_backwards(path, needle):
                if record.id == record_id:
                    return record
        return None

    def _push(
        self, heads: list[tuple[float, int, Record, Iterator[Record]]], rest: Iterator[Record], order: int
    ) -> None:
        if (record := next(rest, None)) is not None:
            heapq.heappush(heads, (-(record.started + record.duration_us / 1e6), order, record, rest))

    def _read_backwards(self, path: Path, needle: bytes = b"") -> Iterator[Record]:
        try:
            for number, line in _lines_backwards(path):
                if needle in line and (record := self._decode(line, path, number)):
                    yield record
        except FileNotFoundError:  # pruned meanwhile
            return
        except OSError as error:
            self._note(f"{path}: {error.strerror or error}")

    def _decode(self, line: bytes, path: Path, number: int | Callable[[], int]) -> Record | None:
        if not line.strip():
            return None
        try:
            return decoder.decode(line)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            if line.endswith(b"\n"):
                self._note(f"{path}:{number if isinstance(number, int) else number()}: {error}")
            return None

    def _note(self, what: str) -> None:
        self.corrupt += 1
        self._report(what)


def _lines_backwards(path: Path) -> Iterator[tuple[Callable[[], int], bytes]]:
    """(its number, when asked for; line with its newline) from the last line to the first. Raises OSError."""
    with path.open("rb") as file:
        at = file.seek(0, 2)
        pieces: list[bytes] = []  # of the line whose beginning is not read yet, last piece first
        while at > 0:
            size = min(_BLOCK, at)
            at -= size
            file.seek(at)
            block = file.read(size)
            end = len(block)
            while (cut := block.rfind(b"\n", 0, end)) >= 0:
                line = b"".join([block[cut + 1 : end], *reversed(pieces)])
                if line:
                    yield _line_number(path, at + cut + 1), line
                pieces, end = [b"\n"], cut
            pieces.append(block[:end])
        if pieces:
            yield _line_number(path, 0), b"".join(reversed(pieces))


def _line_number(path: Path, offset: int) -> Callable[[], int]:
    def count() -> int:
        with path.open("rb") as file:
            return 1 + sum(file.read(min(_BLOCK, offset - at)).count(b"\n") for at in range(0, offset, _BLOCK))

    return count


def _is_day(name: str) -> bool:
    try:
        return datetime.fromisoformat(name).strftime("%Y-%m-%d") == name
    except ValueError:
        return False


def _modified(path: Path) -> float:
    try:
        return path.stat().st_mtime + _SLACK
    except OSError:  # pruned meanwhile
        return 0.0
