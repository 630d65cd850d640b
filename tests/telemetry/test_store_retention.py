"""A store forgets what its configuration says, in its own thread, and goes on writing whatever comes of it."""

import fcntl
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from llmctl.config.schema import RecordsConfig
from llmctl.model.record import Record
from llmctl.telemetry.reader import RecordReader
from llmctl.telemetry.redact import Redactor
from llmctl.telemetry.retention import LOCK
from llmctl.telemetry.store import PRUNE_AT_ONCE, RecordStore
from llmctl.testing.clock import ManualClock

MakeRecord = Callable[..., Record]
OLD = "2025-11-01"  # the clock stands at 2026-01-01


def make(folder: Path, warnings: list[str] | None = None, **options: Any) -> RecordStore:
    config = RecordsConfig(**({"dir": str(folder), "flush_interval": 0.005} | options))
    say = (warnings if warnings is not None else []).append
    return RecordStore(config, Redactor(), ManualClock(), say)


def old(folder: Path, count: int = 3) -> Path:
    day = folder / OLD
    day.mkdir(parents=True)
    for number in range(count):
        (day / f"000000-1-{number:06d}.jsonl").write_bytes(b"{}\n")
    return day


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def test_by_default_days_go_that_have_been_over_for_thirty(tmp_path: Path, record: MakeRecord) -> None:
    assert (RecordsConfig().retention, RecordsConfig().max_bytes) == (30 * 86400.0, None)
    assert RecordsConfig(retention="90d").retention == 90 * 86400.0
    day, kept = old(tmp_path, 2 * PRUNE_AT_ONCE + 1), tmp_path / "2025-12-20"
    kept.mkdir()
    (kept / "000000-1-000001.jsonl").write_bytes(b"{}\n")
    store = make(tmp_path)
    store.write(record(1))
    until(lambda: not day.exists())
    store.write(record(2))
    store.close()
    assert store.written == 2
    assert [r.id for r in RecordReader(tmp_path).read()] == [record(1).id, record(2).id]
    assert len(list(kept.iterdir())) == 1


def test_without_limits_nothing_goes(tmp_path: Path, record: MakeRecord) -> None:
    day = old(tmp_path)
    store = make(tmp_path, retention=None)
    for number in range(3):
        store.write(record(number))
        until(lambda number=number: store.written == number + 1)  # type: ignore[misc]
    store.close()
    assert len(list(day.iterdir())) == 3
    assert not (tmp_path / LOCK).exists()


def test_each_new_segment_makes_room_for_itself(tmp_path: Path, record: MakeRecord) -> None:
    store = make(tmp_path, max_bytes=10_000, segment_bytes=4096)
    for number in range(40):
        store.write(record(number))
        until(lambda number=number: store.written == number + 1)  # type: ignore[misc]
    until(lambda: sum(path.stat().st_size for path in tmp_path.glob("*/*.jsonl")) <= 10_000 + 4096)
    store.close()
    assert record(39).id in [r.id for r in RecordReader(tmp_path).read()]
    assert not any(store.dropped.values())


@pytest.mark.parametrize("trouble", ["another is at it", "no permission"])
def test_records_are_written_where_nothing_can_be_deleted(tmp_path: Path, record: MakeRecord, trouble: str) -> None:
    day, warnings = old(tmp_path), list[str]()
    fd = -1
    if trouble == "another is at it":
        fd = os.open(tmp_path / LOCK, os.O_RDWR | os.O_CREAT)
        fcntl.flock(fd, fcntl.LOCK_EX)
    else:
        (day / "a.jsonl").mkdir()  # nobody can delete it as a file, root neither
    store = make(tmp_path, warnings, segment_bytes=4096)
    for number in range(10):
        store.write(record(number))
        until(lambda number=number: store.written == number + 1)  # type: ignore[misc]
    store.close()
    assert day.exists()
    assert store.written == 10
    assert not any(store.dropped.values())
    if fd >= 0:
        os.close(fd)
        assert warnings == []
    else:
        assert [warning.startswith("records: cannot prune") for warning in warnings] == [True]


def test_workers_on_one_folder_do_not_fight(tmp_path: Path, record: MakeRecord) -> None:
    warnings: list[str] = []
    stores = [make(tmp_path, warnings, max_bytes=20_000, segment_bytes=4096) for _ in range(3)]
    for number in range(90):
        stores[number % 3].write(record(number))
        if number % 9 == 8:
            until(lambda number=number: sum(store.written for store in stores) == number + 1)  # type: ignore[misc]
    for store in stores:
        store.close()
    assert warnings == []
    assert sum(store.written for store in stores) == 90
    found = [r.id for r in RecordReader(tmp_path, warnings.append).read()]
    assert {record(n).id for n in (87, 88, 89)} <= set(found)
    assert warnings == []
