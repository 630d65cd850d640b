"""Every record once, from segments and Parquet files together."""

from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llmctl.errors import StoreError
from llmctl.model.record import Record
from llmctl.model.usage import UNPRICED, Cost, Usage
from llmctl.reports.columns import BUCKETS
from llmctl.reports.compact import compact
from llmctl.reports.duck import database
from llmctl.reports.ledger import Ledger, open_ledger
from llmctl.reports.sources import parquet_files
from llmctl.telemetry.reader import EVERYTHING, Filter
from tests.reports.keeping import DAY, LATER, MONDAY, asked, record, write

COLUMNS = ("id", "cost_usd")


def read(folder: Path, wanted: Filter = EVERYTHING) -> tuple[Ledger, list[str]]:
    with database(memory_mb=500, threads=1) as db:
        ledger = open_ledger(folder, db, COLUMNS, wanted)
        return ledger, [row[0] for row in db.rows("SELECT id FROM ledger ORDER BY id", doing="testing")]


def compacted(folder: Path) -> None:
    with database(memory_mb=500, threads=1) as db:
        list(compact(folder, db, now=LATER))


def test_damaged_lines_are_counted_by_file_and_a_torn_end_is_not(tmp_path: Path) -> None:
    path = write(tmp_path, [record(0)], tail=b'{"id": "half"}\nnonsense\n\n{"id":"torn')
    ledger, ids = read(tmp_path)
    assert ledger.damaged == {path: 2}
    assert ids == ["req_0000"]


def test_a_last_line_that_only_lacks_its_newline_counts(tmp_path: Path) -> None:
    path = write(tmp_path, [record(0), record(1)])
    path.write_bytes(path.read_bytes().removesuffix(b"\n"))
    ledger, ids = read(tmp_path)
    assert (ledger.damaged, len(ids)) == ({}, 2)


def test_a_record_in_a_segment_and_in_parquet_counts_once(tmp_path: Path) -> None:
    write(tmp_path, [record(0), record(1)])
    compacted(tmp_path)
    write(tmp_path, [record(1), record(2)], "000001-7-000002")
    ledger, ids = read(tmp_path)
    assert ids == ["req_0000", "req_0001", "req_0002"]
    assert ledger.duplicates == 1


def test_a_record_that_was_written_twice_counts_once(tmp_path: Path) -> None:
    write(tmp_path, [record(0), record(0)])
    write(tmp_path, [record(0)], "000001-7-000002")
    ledger, ids = read(tmp_path)
    assert (ids, ledger.duplicates) == (["req_0000"], 2)


def test_two_exchanges_under_one_id_of_a_client_are_two(tmp_path: Path) -> None:
    write(tmp_path, [record(0, id="mine"), record(1, id="mine")])
    compacted(tmp_path)
    write(tmp_path, [record(2, id="mine")], "000001-7-000002")
    assert read(tmp_path)[1] == ["mine"] * 3


def test_a_segment_that_grew_after_it_was_compacted_loses_and_doubles_nothing(tmp_path: Path) -> None:
    write(tmp_path, [record(0)])
    compacted(tmp_path)
    write(tmp_path, [record(0), record(1)])
    assert read(tmp_path)[1] == ["req_0000", "req_0001"]
    compacted(tmp_path)
    assert len(parquet_files(tmp_path)) == 2
    assert read(tmp_path)[1] == ["req_0000", "req_0001"]


def test_a_copied_parquet_file_does_not_double(tmp_path: Path) -> None:
    write(tmp_path, [record(0), record(1)])
    compacted(tmp_path)
    (made,) = parquet_files(tmp_path)
    made.with_name("copy.parquet").write_bytes(made.read_bytes())
    assert read(tmp_path)[1] == ["req_0000", "req_0001"]


@pytest.mark.parametrize("compact_first", [False, True])
def test_the_period_is_half_open(tmp_path: Path, compact_first: bool) -> None:
    records = [record(n, started=MONDAY + n) for n in range(5)]
    write(tmp_path, records)
    if compact_first:
        compacted(tmp_path)
    assert read(tmp_path, Filter(since=MONDAY + 1, until=MONDAY + 3))[1] == ["req_0001", "req_0002"]


def test_folders_with_any_name(tmp_path: Path) -> None:
    folder = tmp_path / "it's [1] *"
    write(folder, [record(0)])
    assert read(folder)[1] == ["req_0000"]
    compacted(folder)
    assert read(folder)[1] == ["req_0000"]


def test_a_column_that_older_files_lack_is_empty(tmp_path: Path) -> None:
    write(tmp_path, [record(0)])
    compacted(tmp_path)
    (made,) = parquet_files(tmp_path)
    with database(memory_mb=300, threads=1) as db:
        (text,) = db.one(f"SELECT decode(value) FROM parquet_kv_metadata('{made}')", doing="testing")
        rows = f"SELECT * EXCLUDE (degraded) FROM read_parquet('{made}')"
        db.rows(f"CREATE TABLE old AS {rows}", doing="testing")
        db.rows(f"COPY old TO '{made}' (FORMAT parquet, KV_METADATA {{llmctl_manifest: '{text}'}})", doing="testing")
    found = asked(tmp_path, "degraded")
    assert [line.names for line in found.lines] == [("",)]


def test_a_folder_that_may_not_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("")
    write(tmp_path, [record(0)])
    (tmp_path / "2026-01-05" / "000000-7-000001.jsonl").unlink()
    (tmp_path / "2026-01-05" / "000000-7-000001.jsonl").symlink_to(tmp_path / "gone")
    with pytest.raises(StoreError, match="000000-7-000001"):
        read(tmp_path)


records = st.lists(
    st.builds(
        lambda number, nano, priced, tenant, tokens: record(
            number,
            tenant=tenant,
            cost=Cost(nano / 1e9, "exact", "p") if priced else UNPRICED,
            usage=Usage(**dict(zip(BUCKETS, tokens, strict=True)), source="provider"),
        ),
        st.integers(0, 399),
        st.integers(0, 10**12),
        st.booleans(),
        st.sampled_from(["a", "b", "ü\u202e", "'\"", ""]),
        st.tuples(*[st.integers(0, 10**6)] * 5),
    ),
    min_size=1,
    max_size=40,
    unique_by=lambda each: each.id,
)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(records, st.integers(1, 7), st.data())
def test_lines_parquet_and_both_mixed_add_up_to_the_same(
    tmp_path_factory: pytest.TempPathFactory, kept: list[Record], size: int, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("records")
    kept.sort(key=lambda each: each.started)
    segments = [kept[at : at + size] for at in range(0, len(kept), size)]
    late = data.draw(st.sets(st.integers(0, len(segments) - 1)))
    for number, some in enumerate(segments):
        if number not in late:
            write(folder, some, f"{number:06d}-7-000001")
    compacted(folder) if len(late) < len(segments) else folder.mkdir(exist_ok=True)
    for number in late:
        write(folder, segments[number], f"{number:06d}-7-000001")
    mixed = asked(folder, "tenant")
    compacted(folder)
    assert asked(folder, "tenant") == mixed
    for path in parquet_files(folder):
        path.unlink()
    assert asked(folder, "tenant") == mixed
    priced = [each for each in kept if each.cost.usd is not None]
    assert mixed.total.all.requests == len(kept)
    assert mixed.total.all.usd == sum((round(Decimal(str(e.cost.usd)), 9) for e in priced), Decimal(0))
    assert mixed.total.count("unpriced") == len(kept) - len(priced)
    assert sum(mixed.total.all.tokens) == sum(each.usage.prompt + each.usage.completion for each in kept)
    for part in (mixed.lines, mixed.days.values()):
        assert sum((line.all.usd for line in part), Decimal(0)) == mixed.total.all.usd
        assert sum(line.all.requests for line in part) == len(kept)


def test_a_day_is_of_the_start_in_utc(tmp_path: Path) -> None:
    write(tmp_path, [record(0, started=MONDAY + DAY - 1e-6), record(1, started=MONDAY + DAY)])
    assert [str(day) for day in sorted(asked(tmp_path).days)] == ["2026-01-05", "2026-01-06"]
