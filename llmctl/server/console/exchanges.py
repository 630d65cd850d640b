"""Exchanges for the console, read from the record store on disk, so that those of every worker are seen.

Reading is bounded: the newest `MOST_BYTES` of segments, `MOST_RECORDS` of them and `PATIENCE` seconds at most, and it
pauses so that the thread it runs in leaves the event loop its turn. Only an id is looked for in all of these bytes,
which takes less than half a second. Records that were compacted to Parquet are left to `llmctl traces`.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from heapq import nlargest
from itertools import islice
from pathlib import Path
from typing import Any, get_args

from msgspec import Struct

from llmctl.clock import Clock
from llmctl.errors import UsageError
from llmctl.model.record import GuardResult, Record, State
from llmctl.telemetry.reader import EVERYTHING, Filter, RecordReader

MOST_BYTES = 256 * 1024**2
MOST_RECORDS = 20_000
MOST_ROWS = 200
PATIENCE = 1.0
_TURN = 50  # records between two pauses
_PAUSE = 0.001
_LONGEST_MESSAGE = 300
_LONGEST_NAME = 300  # of a model, which clients choose: a list must not grow with it
_STATES = get_args(State)

Condition = Callable[[Record], bool]


@dataclass(frozen=True, slots=True)
class Question:
    """Which exchanges: a `where` condition, words that id, names, failure or content have, states; newest first.

    `slowest` orders those that were looked at by duration.
    """

    where: Condition | None = None
    text: str = ""
    states: frozenset[str] = frozenset()
    slowest: bool = False
    limit: int = 50


class Row(Struct, frozen=True):
    """An exchange in a list. Durations in milliseconds, `started` epoch seconds; `blocked_by` is a guard's name."""

    id: str
    started: float
    duration_ms: float
    state: str
    http_status: int
    requested_model: str
    model: str
    provider: str
    tenant: str
    stream: bool
    attempts: int
    cache: str
    degraded: str
    ttft_ms: float | None
    overhead_ms: float
    input_tokens: int
    output_tokens: int
    usd: float | None
    failure: str
    message: str
    blocked_by: str


class Found(Struct, frozen=True):
    """Rows, and how far was looked: `searched` records back to `oldest`; `complete` if there were no more."""

    exchanges: list[Row]
    searched: int = 0
    oldest: float | None = None
    complete: bool = True
    enabled: bool = True


class One(Struct, frozen=True):
    """A whole record, its content as the store keeps it, and what every guard judged."""

    record: Record
    verdicts: list[GuardResult]


class _Recent(RecordReader):
    """Reads no more than the newest `MOST_BYTES` of segments."""

    def segments(self, wanted: Filter = EVERYTHING) -> list[Path]:
        found, left = [], MOST_BYTES
        for changed, size, path in sorted(map(_stat, super().segments(wanted)), reverse=True):
            if left <= 0:
                break
            left -= size
            found.append((changed, path))
        return [path for _, path in reversed(found)]


class Exchanges:
    """Answers questions about the records under `folder`; None: no records are kept. Blocking: use it in a thread."""

    def __init__(
        self, folder: Path | None, clock: Clock, sleep: Callable[[float], None] = time.sleep, most: int = MOST_RECORDS
    ) -> None:
        self._folder = folder
        self._clock = clock
        self._sleep = sleep
        self._most = most

    def list(self, question: Question) -> Found:
        """What meets the question. Raises OSError."""
        if self._folder is None:
            return Found([], enabled=False)
        scan = _Scan(self._clock, self._sleep, self._most)
        # Rows, not records: of those 200 may be hundreds of megabytes.
        wanted = map(row, filter(_meets(question), scan.over(_Recent(self._folder).newest())))
        chosen = (
            nlargest(question.limit, wanted, key=lambda row: row.duration_ms)
            if question.slowest
            else list(islice(wanted, question.limit))
        )
        return Found(chosen, scan.count, scan.oldest, scan.complete)

    def one(self, record_id: str, started: float | None = None) -> One | None:
        """The record with this id; of several the one that began at `started`, else the newest. Raises OSError."""
        if self._folder is None:
            return None
        reader, record = _Recent(self._folder), None
        if started is not None:  # a client may use an id twice
            scan = _Scan(self._clock, self._sleep, self._most)
            same = (one for one in scan.over(reader.newest()) if one.id == record_id and one.started == started)
            record = next(same, None)
        record = record or reader.find(record_id)
        return None if record is None else One(record, record.verdicts())


def question(given: dict[str, str], conditions: Callable[[str], Condition] | None) -> Question:
    """The question of a query string. Raises UsageError; `conditions` reads `where`."""
    states = frozenset(filter(None, given.get("state", "").split(",")))
    if unknown := sorted(states.difference(_STATES)):
        raise UsageError(f"state: there is no {unknown[0]!r}; there are {', '.join(_STATES)}")
    try:
        limit = int(given.get("limit", "50"))
    except ValueError:
        limit = 0
    if not 1 <= limit <= MOST_ROWS:
        raise UsageError(f"limit: give a whole number from 1 to {MOST_ROWS}")
    where = given.get("where", "").strip()
    if where and conditions is None:
        raise UsageError("where: this server reads no conditions; use text= and state=, or `llmctl traces ls`")
    condition = conditions(where) if where and conditions is not None else None
    slowest = given.get("slowest", "") in ("1", "true")
    return Question(condition, given.get("text", "").strip()[:1000], states, slowest, limit)


def row(record: Record) -> Row:
    """The record in short."""
    failure, cache = record.failure, record.cache
    blocked = next((result.guard for result in record.guards if result.action == "block"), "")
    return Row(
        record.id,
        record.started,
        record.duration_us / 1000,
        record.state,
        failure.status if failure is not None else record.http_status,
        record.requested_model[:_LONGEST_NAME],
        record.model,
        record.provider,
        record.tenant,
        record.stream,
        len(record.attempts),
        cache.kind if cache is not None else "",
        record.degraded or "",
        None if record.ttft_us is None else record.ttft_us / 1000,
        record.overhead_us / 1000,
        record.usage.prompt,
        record.usage.completion,
        record.cost.usd,
        failure.code if failure is not None else "",
        failure.message[:_LONGEST_MESSAGE] if failure is not None else "",
        blocked,
    )


class _Scan:
    """Hands records on until it has had enough, and knows how far it came."""

    def __init__(self, clock: Clock, sleep: Callable[[float], None], most: int) -> None:
        self._clock = clock
        self._sleep = sleep
        self._most = most
        self.count = 0
        self.oldest: float | None = None
        self.complete = False

    def over(self, records: Iterator[Record]) -> Iterator[Record]:
        give_up = self._clock.monotonic() + PATIENCE
        for record in records:
            if self.count >= self._most or self._clock.monotonic() > give_up:
                return
            self.count += 1
            if self.count % _TURN == 0:
                self._sleep(_PAUSE)
            self.oldest = record.started if self.oldest is None else min(self.oldest, record.started)
            yield record
        self.complete = True


def _meets(question: Question) -> Condition:
    words = question.text.casefold().split()

    def test(record: Record) -> bool:
        if question.states and record.state not in question.states:
            return False
        if question.where is not None and not question.where(record):
            return False
        if not words:
            return True
        said = "\n".join(_strings(record)).casefold()
        return all(word in said for word in words)

    return test


def _strings(record: Record) -> Iterator[str]:
    """Every text that a search goes through."""
    yield from (record.id, record.trace_id, record.tenant, record.key, record.provider)
    yield from (record.requested_model, record.model, record.served_model)
    if record.failure is not None:
        yield record.failure.code
        yield record.failure.message
    waiting: list[Any] = [record.request, record.response]
    while waiting:
        each = waiting.pop()
        if isinstance(each, str):
            yield each
        elif isinstance(each, dict):
            waiting += each.values()
        elif isinstance(each, list):
            waiting += each


def _stat(path: Path) -> tuple[float, int, Path]:
    try:
        stat = path.stat()
    except OSError:  # pruned meanwhile
        return 0.0, 0, path
    return stat.st_mtime, stat.st_size, path
