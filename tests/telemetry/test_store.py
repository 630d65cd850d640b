"""What is written can be read back, whatever happens to the process, the disk and the clock."""

import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from llmctl.clock import SystemClock
from llmctl.config.schema import RecordsConfig
from llmctl.model.record import Record
from llmctl.telemetry.batched import WARN_EVERY
from llmctl.telemetry.reader import RecordReader
from llmctl.telemetry.redact import Redactor
from llmctl.telemetry.segments import SegmentWriter
from llmctl.telemetry.store import RecordStore
from llmctl.testing.clock import ManualClock


def make(folder: Path, clock: Any = None, write: Callable[[int, bytes], int] = os.write, **options: Any) -> RecordStore:
    config = RecordsConfig(**({"dir": str(folder), "flush_interval": 0.01} | options))
    clock = clock or SystemClock()
    segments = SegmentWriter(folder, clock, segment_bytes=config.segment_bytes, fsync=config.fsync, write=write)
    return RecordStore(config, Redactor(["known-secret-1"]), clock, warnings.append, segments=segments)


MakeRecord = Callable[..., Record]
warnings: list[str] = []


@pytest.fixture(autouse=True)
def _no_warnings_yet() -> None:
    warnings.clear()


def ids(folder: Path) -> list[str]:
    return [r.id for r in RecordReader(folder).read()]


def until(condition: Callable[[], bool], seconds: float = 5.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_writes_and_reads_back(tmp_path: Path, record: MakeRecord) -> None:
    store = make(tmp_path / "r")
    expected = [record(i) for i in range(100)]
    for each in expected:
        store.write(each)
    store.close()
    assert list(RecordReader(tmp_path / "r").read()) == expected
    assert store.written == 100
    assert store.queued_bytes == 0
    assert not any(store.dropped.values())
    (segment,) = RecordReader(tmp_path / "r").segments()
    assert segment.stat().st_mode & 0o777 == 0o600
    assert segment.parent.stat().st_mode & 0o777 == 0o700
    assert segment.parent.parent.stat().st_mode & 0o777 == 0o700
    assert segment.name.split("-")[1] == str(os.getpid())


def test_an_unused_store_leaves_nothing(tmp_path: Path) -> None:
    make(tmp_path / "r").close()
    assert not (tmp_path / "r").exists()


def test_a_record_is_on_disk_within_the_interval_without_close(tmp_path: Path, record: MakeRecord) -> None:
    store = make(tmp_path)
    store.write(record(1))
    until(lambda: ids(tmp_path) == [record(1).id])
    until(lambda: store.lag_seconds == 0.0)
    store.close()


def test_secrets_and_newlines_are_gone(tmp_path: Path, record: MakeRecord) -> None:
    store = make(tmp_path)
    store.write(record(1, request=msgspec.Raw(b'{\n"a":\n"known-secret-1"}'), requested_model="sk-" + "a" * 40))
    store.close()
    (back,) = RecordReader(tmp_path).read()
    assert back.request == {"a": "[redacted]"}
    assert back.requested_model == "[redacted]"


def test_content_none_keeps_neither_request_nor_response(tmp_path: Path, record: MakeRecord) -> None:
    store = make(tmp_path, content="none")
    store.write(record(1))
    store.close()
    (back,) = RecordReader(tmp_path).read()
    assert (back.request, back.response) == (None, None)
    assert back == record(1, request=None, response=None)


def test_what_cannot_be_encoded_is_dropped_and_counted(tmp_path: Path, record: MakeRecord) -> None:
    store = make(tmp_path)
    store.write(record(1, request=object()))
    store.write(record(2))
    store.close()
    assert ids(tmp_path) == [record(2).id]
    assert store.dropped["encode"] == 1


def test_after_close_only_drops(tmp_path: Path, record: MakeRecord) -> None:
    store = make(tmp_path)
    store.write(record(1))
    store.close()
    store.write(record(2))
    store.close()
    assert ids(tmp_path) == [record(1).id]
    assert store.dropped["shutdown"] == 1


def test_rotates_by_size(tmp_path: Path, record: MakeRecord) -> None:
    store = make(tmp_path, segment_bytes=8192)
    for i in range(50):
        store.write(record(i))
    store.close()
    segments = RecordReader(tmp_path).segments()
    assert len(segments) > 5
    assert all(s.stat().st_size <= 8192 for s in segments)
    assert ids(tmp_path) == [record(i).id for i in range(50)]


def test_rotates_by_day_of_write(tmp_path: Path, record: MakeRecord) -> None:
    clock = ManualClock(wall=1_764_028_799.0)  # 2025-11-24T23:59:59Z
    store = make(tmp_path, clock)
    store.write(record(1))
    until(lambda: store.written == 1)
    clock.advance(1.5)
    store.write(record(2))
    until(lambda: store.written == 2)
    store.close()
    first, second = RecordReader(tmp_path).segments()
    assert (first.parent.name, second.parent.name) == ("2025-11-24", "2025-11-25")
    assert (first.name[:6], second.name[:6]) == ("235959", "000000")


def test_goes_on_in_a_new_segment_when_somebody_deletes_the_folder(tmp_path: Path, record: MakeRecord) -> None:
    store = make(tmp_path / "r")
    store.write(record(1))
    until(lambda: store.written == 1)
    for path in RecordReader(tmp_path / "r").segments():
        path.unlink()
        path.parent.rmdir()
    store.write(record(2))
    store.close()
    assert ids(tmp_path / "r") == [record(2).id]


def test_two_hosts_with_one_pid_never_share_a_segment(tmp_path: Path, record: MakeRecord) -> None:
    clock = ManualClock()
    stores = [make(tmp_path, clock), make(tmp_path, clock)]
    for i, store in enumerate(stores):
        store.write(record(i))
        until(lambda store=store: store.written == 1)  # type: ignore[misc]
    for store in stores:
        store.close()
    assert len(RecordReader(tmp_path).segments()) == 2


class Disk:
    """An os.write that takes `room` bytes, and then complains."""

    def __init__(self, room: int, error: int = errno.ENOSPC) -> None:
        self.room = room
        self.error = error

    def __call__(self, fd: int, data: bytes) -> int:
        if self.room <= 0:
            raise OSError(self.error, os.strerror(self.error))
        done = os.write(fd, data[: self.room])
        self.room -= done
        return done


def test_full_disk_cuts_back_keeps_waiting_and_recovers(tmp_path: Path, record: MakeRecord) -> None:
    disk = Disk(3_000)
    clock = ManualClock()
    store = make(tmp_path, clock, disk, queue_bytes=20_000)
    for i in range(40):
        store.write(record(i))
        time.sleep(0.001)
    until(lambda: len(warnings) == 1)
    for i in range(40, 60):
        store.write(record(i))
    assert store.dropped["disk_full"] >= 20
    assert store.queued_bytes <= 20_000
    (segment,) = RecordReader(tmp_path).segments()
    until(lambda: segment.read_bytes().endswith(b"}\n"))
    assert "No space left" in warnings[0]
    clock.advance(30.0)
    assert store.lag_seconds == 30.0
    time.sleep(0.05)
    assert len(warnings) == 1
    clock.advance(WARN_EVERY - 30.0)
    until(lambda: len(warnings) == 2)
    disk.room = 10**9
    until(lambda: store.queued_bytes == 0)
    store.write(record(1000))
    store.close()
    kept = ids(tmp_path)
    assert kept[-1] == record(1000).id
    assert len(kept) == len(set(kept)) == store.written == 61 - sum(store.dropped.values())
    assert "writing" in warnings[-1]
    assert "again" in warnings[-1]


def test_io_errors_move_on_to_another_file_and_leave_no_litter(tmp_path: Path, record: MakeRecord) -> None:
    disk = Disk(0, errno.EIO)
    store = make(tmp_path, None, disk)
    store.write(record(1))
    until(lambda: bool(warnings))
    time.sleep(0.1)
    disk.room = 10**9
    until(lambda: store.written == 1)
    store.close()
    assert len(RecordReader(tmp_path).segments()) == 1


def test_a_folder_that_cannot_be_is_no_outage(tmp_path: Path, record: MakeRecord) -> None:
    (tmp_path / "file").write_text("in the way")
    store = make(tmp_path / "file" / "records", queue_bytes=4096)
    for i in range(20):
        store.write(record(i))
    until(lambda: bool(warnings))
    store.write(record(21))
    store.write(record(22))
    assert store.dropped["io_error"] >= 1
    store.close()
    assert store.written == 0
    assert sum(store.dropped.values()) == 22


def test_fsync_that_fails_writes_again_but_not_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, record: MakeRecord
) -> None:
    failures = [OSError(errno.EIO, "I/O error")]

    def fsync(_: int) -> None:
        if failures:
            raise failures.pop()

    monkeypatch.setattr(os, "fsync", fsync)
    store = make(tmp_path, fsync=True)
    store.write(record(1))
    store.close()
    assert not failures
    until(lambda: store.written + sum(store.dropped.values()) == 1)
    assert len(ids(tmp_path)) == store.written


def test_a_bug_in_the_thread_is_told_and_survived(tmp_path: Path, record: MakeRecord) -> None:
    calls = 0

    def write(fd: int, data: bytes) -> int:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise ZeroDivisionError
        return os.write(fd, data)

    store = make(tmp_path, None, write)
    store.write(record(1))
    until(lambda: store.written == 1)
    store.close()
    assert "ZeroDivisionError" in warnings[0]


def _small_disk(folder: Path) -> bool:
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)]
    return os.geteuid() == 0 and subprocess.run(mount, capture_output=True).returncode == 0


def test_a_disk_that_is_really_full(tmp_path: Path, record: MakeRecord) -> None:
    if not _small_disk(folder := tmp_path / "disk"):
        pytest.skip("needs root, to mount a tmpfs")
    try:
        (folder / "ballast").write_bytes(bytes(100_000))
        store = make(folder / "r", queue_bytes=200_000)
        for i in range(1000):
            store.write(record(i))
            time.sleep(0.0002)
        assert store.dropped["disk_full"] > 0
        until(lambda: all(s.read_bytes().endswith(b"}\n") for s in RecordReader(folder / "r").segments()))
        (folder / "ballast").unlink()
        before = store.written
        until(lambda: store.written > before)
        store.close()
        reader = RecordReader(folder / "r")
        assert len(list(reader.read())) == store.written
        assert reader.corrupt == 0
        assert store.written + sum(store.dropped.values()) == 1000
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_sigkill_loses_nothing_older_than_a_quarter_second(tmp_path: Path, record: MakeRecord) -> None:
    script = Path(__file__).with_name("crash_writer.py")
    process = subprocess.Popen([sys.executable, str(script), str(tmp_path)], stdout=subprocess.PIPE)
    assert process.stdout
    lines = [process.stdout.readline() for _ in range(7500)]
    killed = time.monotonic()
    process.send_signal(signal.SIGKILL)
    lines += process.stdout.read().splitlines(keepends=True)
    process.wait()
    taken = [(int(n), float(at)) for n, at in (line.split() for line in lines if line.endswith(b"\n"))]
    reader = RecordReader(tmp_path)
    kept = set(ids(tmp_path))
    assert reader.corrupt == 0
    must = [n for n, at in taken if at <= killed - 0.25]
    assert len(must) > 5000
    assert not [n for n in must if record(n).id not in kept]
    store = make(tmp_path)
    store.write(record(10**6))
    store.close()
    assert ids(tmp_path)[-1] == record(10**6).id
    assert reader.find(record(0).id) is not None
    assert isinstance(reader.find(record(10**6).id), Record)
