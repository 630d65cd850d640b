"""What Parquet has kept of records comes back, newest first, or is refused where it was not kept."""

from pathlib import Path

import pytest

from llmctl.errors import UsageError
from llmctl.model.record import CacheOutcome, Decision, Failure, Record
from llmctl.model.usage import Cost, Usage
from llmctl.reports.compact import compact, remove_compacted
from llmctl.reports.duck import database
from llmctl.reports.where import EVERYTHING, parse
from llmctl.reports.where_rows import rows, split
from llmctl.telemetry.reader import EVERYTHING as ALWAYS
from llmctl.telemetry.reader import Filter
from tests.reports.keeping import LATER, MONDAY, record, write


def compacted(folder: Path, *, remove: bool = True) -> None:
    with database(memory_mb=300, threads=1) as db:
        list(compact(folder, db, now=LATER))
        if remove:
            remove_compacted(folder, db)


def asked(folder: Path, text: str = "", wanted: Filter = ALWAYS, limit: int = 100) -> list[Record]:
    where = parse(text) if text else EVERYTHING
    with database(memory_mb=300, threads=1) as db:
        return rows(db, split(folder, db, wanted, where.columns), where, wanted, limit)


def without(folder: Path, column: str) -> Path:
    """The folder's only Parquet file, as one of before this column was kept."""
    (path,) = folder.glob("*/*.parquet")
    new = path.with_name("old.parquet")
    with database(memory_mb=300, threads=1) as db:
        ((manifest,),) = db.rows("SELECT decode(value) FROM parquet_kv_metadata($1)", [[str(path)]], doing="x")
        db.rows(
            f"COPY (SELECT * EXCLUDE {column} FROM read_parquet('{path}')) TO '{new}' "
            f"(FORMAT parquet, KV_METADATA {{llmctl_manifest: '{manifest}'}})",
            doing="x",
        )
    new.replace(path)
    return path


def test_newest_first_and_no_more_than_asked_for(tmp_path: Path) -> None:
    write(tmp_path, [record(n, state="failed" if n % 2 else "ok") for n in range(10)])
    write(tmp_path, [record(n) for n in range(100, 103)])
    compacted(tmp_path)
    assert not list(tmp_path.glob("*/*.jsonl"))
    assert [r.id for r in asked(tmp_path, "state=failed", limit=3)] == ["req_0009", "req_0007", "req_0005"]
    assert [r.id for r in asked(tmp_path, limit=4)] == ["req_0102", "req_0101", "req_0100", "req_0009"]
    since = Filter(since=MONDAY + 300, until=MONDAY + 400)
    assert [r.id for r in asked(tmp_path, "tenant=search", since)] == ["req_0006", "req_0005"]


def test_what_is_kept_of_a_record_comes_back(tmp_path: Path) -> None:
    rich = record(
        1,
        stream=True,
        batch="batch_1",
        tags={"team": "a"},
        decision=Decision("small", "weighted", "", experiment="e", arm="b"),
        cache=CacheOutcome("stale"),
        degraded="stale",
        served_model="small-2026",
        attempts=[],
        usage=Usage(1, 2, 3, 4, 5, "provider"),
        cost=Cost(0.25, "partial", "v2"),
        ttft_us=7,
        failure=Failure("upstream_timeout", "", 200),
    )
    bare = Record("bare", MONDAY, 1, "aborted", 499)
    write(tmp_path, [bare, rich])
    compacted(tmp_path)
    assert asked(tmp_path) == [rich, bare]


def test_a_record_that_two_files_hold_comes_once(tmp_path: Path) -> None:
    write(tmp_path, [record(1), record(2)])
    compacted(tmp_path)
    (path,) = tmp_path.glob("*/*.parquet")
    path.with_name("copy.parquet").write_bytes(path.read_bytes())
    assert [r.id for r in asked(tmp_path)] == ["req_0002", "req_0001"]


def test_a_file_without_the_column_is_refused_or_its_segments_are_read(tmp_path: Path) -> None:
    segment = write(tmp_path, [record(1), record(2)])
    compacted(tmp_path, remove=False)
    path = without(tmp_path, "guards")
    where = parse("guard=pii")
    with database(memory_mb=300, threads=1) as db:
        found = split(tmp_path, db, ALWAYS, where.columns)
        assert (found.segments, found.parquet) == ((segment,), ())
        assert rows(db, found, where, ALWAYS, 9) == []
        assert split(tmp_path, db, ALWAYS, parse("state=ok").columns).parquet == (path,)
    segment.unlink()
    assert len(asked(tmp_path, "state=ok")) == 2
    with pytest.raises(UsageError, match=r"compacted before guards of a record was kept.*--since"):
        asked(tmp_path, "guard=pii")
