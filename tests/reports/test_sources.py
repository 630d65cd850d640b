"""Which files are read: a segment that a Parquet file holds as it is now is not read again."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from llmctl.errors import StoreError
from llmctl.reports.compact import compact
from llmctl.reports.duck import Database, database
from llmctl.reports.sources import find, manifests, parquet_files
from llmctl.telemetry.reader import Filter
from tests.reports.keeping import DAY, LATER, MONDAY, record, write


@pytest.fixture
def db() -> Iterator[Database]:
    with database(memory_mb=300, threads=1) as made:
        yield made


def test_only_what_no_file_holds_is_left(tmp_path: Path, db: Database) -> None:
    write(tmp_path, [record(0), record(1)])
    list(compact(tmp_path, db, now=LATER))
    later = write(tmp_path, [record(2)], "000001-7-000002")
    found = find(tmp_path, db)
    assert found.segments == (later,)
    assert (len(found.parquet), found.covered, found.overlapping) == (1, 1, False)


def test_a_segment_that_has_grown_is_read_again(tmp_path: Path, db: Database) -> None:
    path = write(tmp_path, [record(0)])
    list(compact(tmp_path, db, now=LATER))
    write(tmp_path, [record(0), record(1)])
    assert find(tmp_path, db).segments == (path,)


def test_days_that_are_not_wanted_are_not_read(tmp_path: Path, db: Database) -> None:
    write(tmp_path, [record(0)])
    write(tmp_path, [record(500)])
    list(compact(tmp_path, db, now=LATER))
    assert len(find(tmp_path, db).parquet) == 2
    assert len(find(tmp_path, db, Filter(since=MONDAY + 4 * DAY)).parquet) == 1


def test_two_files_that_hold_one_segment_are_noticed(tmp_path: Path, db: Database) -> None:
    write(tmp_path, [record(0)])
    list(compact(tmp_path, db, now=LATER))
    (made,) = parquet_files(tmp_path)
    made.with_name("copy.parquet").write_bytes(made.read_bytes())
    assert find(tmp_path, db).overlapping


def test_a_file_of_somebody_else_is_an_error_that_names_it(tmp_path: Path, db: Database) -> None:
    write(tmp_path, [record(0)])
    day = next(tmp_path.iterdir())
    (day / "x.parquet").write_bytes(b"not")
    with pytest.raises(StoreError, match=r"x\.parquet: is no Parquet file"):
        find(tmp_path, db)
    db.rows(f"COPY (SELECT 1 AS a) TO '{day / 'x.parquet'}'", doing="testing")
    with pytest.raises(StoreError, match="was not made by"):
        manifests(parquet_files(tmp_path), db)


def test_a_damaged_manifest_is_told(tmp_path: Path, db: Database) -> None:
    (tmp_path / "2026-01-05").mkdir()
    path = tmp_path / "2026-01-05" / "x.parquet"
    db.rows(f"COPY (SELECT 1 AS a) TO '{path}' (KV_METADATA {{llmctl_manifest: '{{'}})", doing="testing")
    with pytest.raises(StoreError, match="manifest is damaged"):
        manifests([path], db)


def test_hidden_parts_and_folders_that_are_no_days_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "2026-01-05").mkdir()
    (tmp_path / "2026-13-05").mkdir()
    (tmp_path / "2026-13-05" / "x.parquet").write_bytes(b"")
    (tmp_path / "2026-01-05" / ".x.parquet").write_bytes(b"")
    (tmp_path / "2026-01-05" / ".x.parquet.part").write_bytes(b"")
    assert parquet_files(tmp_path) == []
