"""What is old, or too much, goes; what is being written, or is nobody's business, stays."""

import fcntl
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from llmctl.telemetry.retention import LOCK, Forgotten, prune
from llmctl.telemetry.segments import SegmentWriter
from llmctl.testing.clock import ManualClock

DAY = 86400.0
NOW = datetime(2026, 1, 31, 12, tzinfo=UTC).timestamp()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for day in ("2025-12-30", "2026-01-01", "2026-01-30", "2026-01-31"):
        for name in ("000000-1-000001-ab.parquet", "000000-1-000001.jsonl", "120000-1-000002.jsonl"):
            put(tmp_path / day / name, 100)
    put(tmp_path / "2025-12-30" / "notes.txt", 5)
    put(tmp_path / "archive" / "000000-1-000001.jsonl", 100)
    return tmp_path


def put(path: Path, size: int) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"x" * size)


def left(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.glob("20*/*"))


def run(folder: Path, **options: object) -> list[Forgotten]:
    return list(prune(folder, NOW, **options))  # type: ignore[arg-type]


def test_days_that_have_been_over_for_so_long(folder: Path) -> None:
    gone = run(folder, older_than=30 * DAY)
    assert {each.path.parent.name for each in gone} == {"2025-12-30"}  # 1 January was over 29.5 days ago
    assert [(each.size, each.why) for each in gone] == [(100, "age")] * 3
    assert left(folder)[0] == "2025-12-30/notes.txt"
    assert len(left(folder)) == 10
    assert len(run(folder, older_than=29.5 * DAY)) == 3
    assert not (folder / "2026-01-01").exists()
    assert (folder / "archive" / "000000-1-000001.jsonl").exists()


def test_the_oldest_until_the_rest_fits(folder: Path) -> None:
    gone = run(folder, max_bytes=750)
    assert [each.path.relative_to(folder).as_posix() for each in gone] == [
        "2025-12-30/000000-1-000001.jsonl",
        "2025-12-30/120000-1-000002.jsonl",
        "2025-12-30/000000-1-000001-ab.parquet",
        "2026-01-01/000000-1-000001.jsonl",
        "2026-01-01/120000-1-000002.jsonl",
    ]
    assert {each.why for each in gone} == {"space"}
    assert run(folder, max_bytes=700) == []


def test_age_comes_before_space(folder: Path) -> None:
    assert [each.why for each in run(folder, older_than=30 * DAY, max_bytes=800)] == ["age"] * 3 + ["space"]


def test_a_dry_run_says_the_same_and_deletes_nothing(folder: Path) -> None:
    before = left(folder)
    would = run(folder, older_than=30 * DAY, max_bytes=300, dry_run=True)
    assert left(folder) == before
    assert run(folder, older_than=30 * DAY, max_bytes=300) == would


def test_what_is_being_written_stays_whatever_its_age(tmp_path: Path) -> None:
    clock = ManualClock(wall=NOW - 60 * DAY)
    writer = SegmentWriter(tmp_path, clock, segment_bytes=10)
    for line in (b"one\n", b"a long two\n"):
        writer.room(len(line))
        writer.append(line)
    assert [each.size for each in run(tmp_path, older_than=DAY, max_bytes=0)] == [4]
    (segment,) = tmp_path.glob("*/*.jsonl")
    assert segment.read_bytes() == b"a long two\n"
    writer.close()
    assert [each.size for each in run(tmp_path, older_than=DAY)] == [11]
    assert not list(tmp_path.glob("20*"))


def test_todays_folder_stays_even_if_it_is_empty(folder: Path) -> None:
    run(folder, max_bytes=0)
    assert left(folder) == ["2025-12-30/notes.txt"]
    assert (folder / "2026-01-31").is_dir()
    assert not (folder / "2026-01-30").exists()


def test_one_at_a_time(folder: Path) -> None:
    fd = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT)
    fcntl.flock(fd, fcntl.LOCK_EX)
    with pytest.raises(BlockingIOError):
        run(folder, max_bytes=0)
    os.close(fd)
    assert len(left(folder)) == 13
    first = prune(folder, NOW, max_bytes=0)
    next(first)
    with pytest.raises(BlockingIOError):
        run(folder, max_bytes=0)
    first.close()  # type: ignore[attr-defined]
    assert len(run(folder, max_bytes=0)) == 11


def test_no_folder_is_nothing_to_do(tmp_path: Path) -> None:
    assert run(tmp_path / "none", max_bytes=0) == []
    assert not (tmp_path / "none").exists()
