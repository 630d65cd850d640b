"""Lines reach their output whole and in order, or are counted; the record store's tests drive the same with a disk."""

import errno
import os
import threading
import time
from collections.abc import Callable

import pytest

from llmctl.clock import SystemClock
from llmctl.telemetry import batched
from llmctl.telemetry.batched import Batched


def until(condition: Callable[[], bool], seconds: float = 5.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.002)


class Tape:
    """An output that takes `most` bytes at a time, or fails as it is told; `gate` can hold it up."""

    def __init__(self, most: int = 10**9) -> None:
        self.most = most
        self.data = b""
        self.fails: Exception | None = None
        self.abandoned = self.closed = 0
        self.gate = threading.Event()
        self.gate.set()

    def append(self, data: bytes) -> int:
        self.gate.wait()
        if self.fails is not None:
            raise self.fails
        self.data += data[: self.most]
        return min(len(data), self.most)

    def abandon(self) -> None:
        self.abandoned += 1

    def close(self) -> None:
        self.closed += 1


def make(tape: Tape, told: list[str], limit: int = 10_000) -> Batched:
    return Batched(tape, SystemClock(), told.append, name="tape", place="there", interval=0.005, limit=limit)


def test_lines_arrive_in_order_however_little_is_taken_at_a_time() -> None:
    tape, told = Tape(most=3), list[str]()
    lines = make(tape, told)
    for i in range(100):
        lines.put(b"%d" % i)
    lines.close()
    assert tape.data == b"".join(b"%d\n" % i for i in range(100))
    assert (lines.written, lines.queued_bytes, lines.lag_seconds, tape.closed) == (100, 0, 0.0, 1)
    assert not any(lines.dropped.values())
    assert not told


def test_an_output_that_hangs_costs_lines_and_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batched, "CLOSE_WITHIN", 0.1)
    tape, told = Tape(), list[str]()
    lines = make(tape, told, limit=100)
    tape.gate.clear()
    for _ in range(50):
        lines.put(b"123456789")
    assert lines.dropped["queue_full"] == 40
    assert lines.queued_bytes == 100
    started = time.monotonic()
    lines.close()
    assert time.monotonic() - started < 1.0
    assert lines.dropped["shutdown"] == 10
    lines.put(b"too late")
    assert lines.dropped["shutdown"] == 11
    tape.gate.set()


@pytest.mark.parametrize(
    ("error", "reason", "abandoned"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "disk_full", False),
        (OSError(errno.EIO, "Input/output error"), "io_error", True),
        (BrokenPipeError(errno.EPIPE, "Broken pipe"), "io_error", True),
        (ZeroDivisionError("a bug"), "io_error", False),
    ],
)
def test_trouble_is_told_once_counted_and_over_when_it_is_over(error: Exception, reason: str, abandoned: bool) -> None:
    tape, told = Tape(), list[str]()
    lines = make(tape, told, limit=50)
    tape.fails = error
    lines.put(b"123456789")
    until(lambda: bool(told))
    for _ in range(10):
        lines.put(b"123456789")
    time.sleep(0.03)
    assert len(told) == 1
    assert told[0].startswith("tape: cannot write to there: ")
    assert lines.dropped[reason] == 6
    assert bool(tape.abandoned) == abandoned
    tape.fails = None
    until(lambda: lines.written == 5)
    assert told[1] == "tape: writing to there again; dropped since start: 6"
    lines.close()


def test_a_log_that_is_broken_too_does_not_end_the_thread() -> None:
    def broken(message: str) -> None:
        raise OSError(message)

    tape = Tape()
    lines = Batched(tape, SystemClock(), broken, name="tape", place="there", interval=0.005, limit=1000)
    tape.fails = OSError(errno.EIO, os.strerror(errno.EIO))
    lines.put(b"x")
    until(lambda: tape.abandoned > 1)
    tape.fails = None
    until(lambda: lines.written == 1)
    lines.close()


def test_what_is_built_and_not_used_has_no_thread() -> None:
    before = threading.active_count()
    lines = make(Tape(), [])
    lines.drop("encode")
    lines.close()
    assert threading.active_count() == before
    assert lines.dropped["encode"] == 1
