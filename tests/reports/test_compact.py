"""Compaction loses nothing and doubles nothing, whenever it is killed."""

import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from llmctl.errors import StoreError
from llmctl.reports.compact import LocalDisk, closed, compact, remove_compacted
from llmctl.reports.cost import Costs
from llmctl.reports.duck import Database, Row, database
from llmctl.reports.sources import parquet_files
from tests.reports.keeping import DAY, LATER, MONDAY, asked, fixed, record, write

# Before and after each of: two files' write, settle, rename, settle; then settling both again, and two removals.
STEPS = 2 * (2 * 4 + 2 * 2 + 2)


def _half(path: Path) -> None:
    path.write_bytes(b"PAR1half")


class Killed(BaseException):
    """As SIGKILL would: nothing catches it."""


@dataclass
class Dying(LocalDisk):
    """Dies before or after its n-th step; a write that dies half way leaves half a file."""

    steps: int
    done: int = 0

    def _step(self, act: Callable[[], None], half: Callable[[], None] = lambda: None) -> None:
        if self.done == self.steps:
            half()
            raise Killed
        act()
        self.done += 1
        if self.done == self.steps:
            raise Killed
        self.done += 1

    def write(self, database: Database, sql: str, path: Path) -> None:
        self._step(lambda: LocalDisk.write(self, database, sql, path), lambda: _half(path))

    def settle(self, path: Path) -> None:
        self._step(lambda: LocalDisk.settle(self, path))

    def rename(self, part: Path, path: Path) -> None:
        self._step(lambda: LocalDisk.rename(self, part, path))

    def remove(self, path: Path) -> None:
        self._step(lambda: LocalDisk.remove(self, path))


def store(folder: Path) -> Costs:
    """Three segments of two days, one of them with a damaged line; returns what they cost."""
    write(folder, [record(n) for n in range(10)])
    write(folder, [record(n) for n in range(10, 20)], "000001-7-000002", tail=b"damaged\n")
    write(folder, [record(n) for n in range(100, 110)])
    return asked(folder, "model")


def run(folder: Path, disk: LocalDisk | None = None, *, remove: bool = False, batch_bytes: int = 2**28) -> None:
    with database(memory_mb=300, threads=1) as db:
        list(compact(folder, db, now=LATER, disk=disk, batch_bytes=batch_bytes))
        if remove:
            remove_compacted(folder, db, disk=disk)


@pytest.mark.parametrize("steps", range(STEPS))
def test_killed_at_any_step_it_loses_and_doubles_nothing(tmp_path: Path, steps: int) -> None:
    before = store(tmp_path)
    try:
        run(tmp_path, Dying(steps), remove=True)
        pytest.fail("it was not killed")
    except Killed:
        pass
    assert asked(tmp_path, "model") == before
    run(tmp_path, remove=True)
    assert asked(tmp_path, "model") == before
    assert not list(tmp_path.glob("*/.*.part"))
    assert len(parquet_files(tmp_path)) == 2


def test_the_steps_above_reach_the_end(tmp_path: Path) -> None:
    store(tmp_path)
    disk = Dying(10**6)
    run(tmp_path, disk, remove=True)
    assert disk.done == STEPS
    assert [path.name for path in tmp_path.glob("*/*.jsonl")] == ["000001-7-000002.jsonl"], "the damaged one stays"


def test_it_is_idempotent(tmp_path: Path) -> None:
    store(tmp_path)
    run(tmp_path)
    made = [(path, path.stat().st_mtime_ns) for path in parquet_files(tmp_path)]
    run(tmp_path)
    assert [(path, path.stat().st_mtime_ns) for path in parquet_files(tmp_path)] == made


def test_batches_are_bounded(tmp_path: Path) -> None:
    before = store(tmp_path)
    run(tmp_path, batch_bytes=1)
    assert len(parquet_files(tmp_path)) == 3
    assert asked(tmp_path, "model") == before


def test_everything_survives_that_reports_need(tmp_path: Path) -> None:
    write(tmp_path, fixed())
    dims = ("model", "tenant", "key", "route", "cache", "day", "provider", "degraded", "state", "tag")
    before = asked(tmp_path, *dims)
    run(tmp_path, remove=True)
    assert not list(tmp_path.glob("*/*.jsonl"))
    assert asked(tmp_path, *dims) == before


def test_only_the_owner_may_read_it(tmp_path: Path) -> None:
    store(tmp_path)
    run(tmp_path)
    assert {stat.S_IMODE(path.stat().st_mode) for path in parquet_files(tmp_path)} == {0o600}


def test_damage_is_told(tmp_path: Path) -> None:
    store(tmp_path)
    with database(memory_mb=300, threads=1) as db:
        made = list(compact(tmp_path, db, now=LATER))
    assert [(m.segments, m.records, list(m.damaged.values())) for m in made] == [(2, 20, [1]), (1, 10, [])]


def test_open_segments_are_left(tmp_path: Path) -> None:
    first = write(tmp_path, [record(0)], "000000-7-000001")
    last = write(tmp_path, [record(1)], "000001-7-000002")
    other = write(tmp_path, [record(2)], "000000-8-000001")
    within = MONDAY + DAY / 2
    for path in (first, last, other):
        os.utime(path, (within - 3600,) * 2)
    assert closed(tmp_path, within) == {"2026-01-05": [first]}
    assert closed(tmp_path, MONDAY + DAY) == {"2026-01-05": [first, other, last]}
    os.utime(other, (MONDAY + DAY - 1,) * 2)
    assert closed(tmp_path, MONDAY + DAY) == {"2026-01-05": [first, last]}


def test_a_segment_that_grows_meanwhile_is_left_to_the_next_run(tmp_path: Path) -> None:
    before = store(tmp_path)

    class Growing(LocalDisk):
        def write(self, database: Database, sql: str, path: Path) -> None:
            super().write(database, sql, path)
            with (tmp_path / "2026-01-05" / "000000-7-000001.jsonl").open("ab") as file:
                file.write(b'{"id":"req_9","started":1767571200,"duration_us":1,"state":"ok","http_status":200}\n')

    run(tmp_path, Growing(), batch_bytes=1)
    # It had been read when it grew: what it holds more is found by comparing sizes.
    assert asked(tmp_path, "model").total.all.requests == before.total.all.requests + 1


def test_a_segment_that_grows_while_it_is_read_is_left_to_the_next_run(tmp_path: Path) -> None:
    path = write(tmp_path, [record(0)])
    with database(memory_mb=300, threads=1) as db:
        rows = db.rows

        def growing(sql: str, parameters: Any = (), *, doing: str) -> list[Row]:
            found = rows(sql, parameters, doing=doing)
            if doing == "counting":
                write(tmp_path, [record(0), record(1)])
            return found

        db.rows = growing  # type: ignore[method-assign]
        assert list(compact(tmp_path, db, now=LATER)) == []
    assert path.exists()
    assert asked(tmp_path).total.all.requests == 2
    run(tmp_path, remove=True)
    assert asked(tmp_path).total.all.requests == 2


def test_a_file_that_reads_back_otherwise_never_appears(tmp_path: Path) -> None:
    before = store(tmp_path)

    class Lying(LocalDisk):
        def write(self, database: Database, sql: str, path: Path) -> None:
            super().write(database, sql.replace('"id"', 'upper("id") AS "id"', 1), path)

    with pytest.raises(StoreError, match="reads back other sums"):
        run(tmp_path, Lying())
    assert parquet_files(tmp_path) == []
    assert asked(tmp_path, "model") == before


def test_a_changed_segment_is_not_removed(tmp_path: Path) -> None:
    write(tmp_path, [record(0)])
    run(tmp_path)
    path = write(tmp_path, [record(1)])
    with database(memory_mb=300, threads=1) as db:
        assert remove_compacted(tmp_path, db) == []
    assert path.exists()


def test_nothing_is_removed_for_a_file_that_cannot_be_read_back(tmp_path: Path) -> None:
    path = write(tmp_path, [record(n) for n in range(300)])
    run(tmp_path)
    (made,) = parquet_files(tmp_path)
    data = bytearray(made.read_bytes())
    data[4:400] = b"\0" * 396
    made.write_bytes(data)
    with database(memory_mb=300, threads=1) as db, pytest.raises(StoreError, match="verifying"):
        remove_compacted(tmp_path, db)
    assert path.exists()


def test_one_at_a_time(tmp_path: Path) -> None:
    store(tmp_path)
    with database(memory_mb=300, threads=1) as db:
        at_work = compact(tmp_path, db, now=LATER)
        next(at_work)
        with pytest.raises(StoreError, match="another `traces compact`"):
            run(tmp_path)
        assert len(list(at_work)) == 1
    run(tmp_path)


def test_a_full_disk_is_told_and_costs_nothing(tmp_path: Path) -> None:
    before = store(tmp_path)

    class Full(LocalDisk):
        def settle(self, path: Path) -> None:
            raise OSError(28, "No space left on device", str(path))

    with pytest.raises(StoreError, match="No space left on device; the segments are kept"):
        run(tmp_path, Full())
    assert asked(tmp_path, "model") == before
