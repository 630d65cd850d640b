"""Reading is tolerant, in order, and no more than is asked for."""

import itertools
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llmctl.model.record import Record
from llmctl.telemetry import reader as reader_module
from llmctl.telemetry.reader import Filter, RecordReader, parse_when
from llmctl.telemetry.segments import SegmentWriter
from llmctl.testing.clock import ManualClock

MakeRecord = Callable[..., Record]


def segment(folder: Path, name: str, records: list[Record], tail: bytes = b"") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(msgspec.json.encode(r) + b"\n" for r in records) + tail)
    if records:
        end = records[-1].started + records[-1].duration_us / 1e6
        os.utime(path, (end, end))
    return path


def numbers(records: object) -> list[int]:
    assert hasattr(records, "__iter__")
    return [int(r.id[4:]) for r in records]


def test_reads_days_and_segments_in_order(tmp_path: Path, record: MakeRecord) -> None:
    segment(tmp_path, "2025-11-25/000000-1-000003.jsonl", [record(4)])
    segment(tmp_path, "2025-11-24/120000-1-000002.jsonl", [record(2), record(3)])
    segment(tmp_path, "2025-11-24/110000-1-000001.jsonl", [record(0), record(1)])
    segment(tmp_path, "notes/110000-1-000001.jsonl", [record(9)])
    segment(tmp_path, "2025-11-24/readme.txt", [record(9)])
    assert numbers(RecordReader(tmp_path).read()) == [0, 1, 2, 3, 4]
    assert numbers(RecordReader(tmp_path).newest()) == [4, 3, 2, 1, 0]


def test_a_missing_folder_is_an_empty_store(tmp_path: Path) -> None:
    reader = RecordReader(tmp_path / "no")
    assert list(reader.read()) == list(reader.newest()) == []
    assert reader.find("x") is None


def test_newest_merges_segments_written_at_the_same_time(tmp_path: Path, record: MakeRecord) -> None:
    for worker in range(3):
        segment(tmp_path, f"2025-11-24/110000-{worker}-000001.jsonl", [record(i) for i in range(worker, 60, 3)])
        segment(tmp_path, f"2025-11-24/110100-{worker}-000002.jsonl", [record(i) for i in range(60 + worker, 90, 3)])
    assert numbers(RecordReader(tmp_path).newest()) == list(reversed(range(90)))


def test_newest_opens_only_what_it_needs(tmp_path: Path, record: MakeRecord, monkeypatch: pytest.MonkeyPatch) -> None:
    for i in range(20):
        segment(tmp_path, f"2025-11-24/11{i:02d}00-1-{i:06d}.jsonl", [record(100 * i + j) for j in range(100)])
    opened: list[Path] = []
    real = reader_module._lines_backwards
    monkeypatch.setattr(reader_module, "_lines_backwards", lambda p: opened.append(p) or real(p))  # type: ignore[func-returns-value]
    assert numbers(itertools.islice(RecordReader(tmp_path).newest(), 5)) == [1999, 1998, 1997, 1996, 1995]
    assert len(opened) == 1


@pytest.mark.parametrize("block", [1, 7, 100, 10**6])
def test_backwards_is_forwards_reversed_whatever_the_block(
    tmp_path: Path, record: MakeRecord, monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    monkeypatch.setattr(reader_module, "_BLOCK", block)
    segment(tmp_path, "2025-11-24/110000-1-000001.jsonl", [record(i) for i in range(4)], b"\n\n{torn")
    notes: list[str] = []
    reader = RecordReader(tmp_path, notes.append)
    assert numbers(reader.newest()) == [3, 2, 1, 0]
    assert not notes


@given(data=st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
def test_a_torn_tail_costs_the_last_record_only(tmp_path: Path, record: MakeRecord, data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 5))
    path = segment(tmp_path, "2025-11-24/110000-1-000001.jsonl", [record(i, response="é😀\n") for i in range(count)])
    whole = path.read_bytes()
    cut = data.draw(st.integers(0, len(whole)))
    garbage = data.draw(st.sampled_from([b"", b"\0" * 50]))
    path.write_bytes(whole[:cut] + garbage)
    reader = RecordReader(tmp_path)
    complete = whole[:cut].count(b"\n")
    read = numbers(reader.read())
    assert read[:complete] == list(range(complete))
    assert len(read) <= complete + 1  # the next may lack nothing but its newline
    assert numbers(reader.newest()) == read[::-1]
    assert reader.corrupt == 0


@given(st.lists(st.binary(max_size=40), max_size=6))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_content_raises(tmp_path: Path, lines: list[bytes]) -> None:
    path = segment(tmp_path, "2025-11-24/110000-1-000001.jsonl", [], b"\n".join(lines))
    reader = RecordReader(tmp_path)
    forward = list(reader.read())
    once = reader.corrupt
    assert list(reader.newest()) == forward[::-1]
    assert reader.corrupt == 2 * once
    assert once == sum(bool(line.strip()) for line in path.read_bytes().split(b"\n")[:-1])


def test_corrupt_lines_are_named_forwards_and_backwards(tmp_path: Path, record: MakeRecord) -> None:
    path = segment(tmp_path, "2025-11-24/110000-1-000001.jsonl", [record(0)], b"{oops\n")
    path.write_bytes(path.read_bytes() + msgspec.json.encode(record(1)) + b"\n")
    for read in (RecordReader.read, RecordReader.newest):
        notes: list[str] = []
        reader = RecordReader(tmp_path, notes.append)
        assert sorted(numbers(read(reader))) == [0, 1]
        assert reader.corrupt == 1
        assert notes[0].startswith(f"{path}:2: ")


def test_fields_from_newer_versions_are_passed_over(tmp_path: Path, record: MakeRecord) -> None:
    newer = msgspec.to_builtins(record(1)) | {"v": 2, "colour": {"r": 1}}
    segment(tmp_path, "2025-11-24/110000-1-000001.jsonl", [], msgspec.json.encode(newer) + b"\n")
    assert numbers(RecordReader(tmp_path).read()) == [1]


def test_finds_by_id(tmp_path: Path, record: MakeRecord) -> None:
    mention = record(7, request={"see": record(3).id})
    segment(tmp_path, "2025-11-24/110000-1-000001.jsonl", [record(i) for i in range(5)])
    segment(tmp_path, "2025-11-24/120000-1-000002.jsonl", [mention])
    assert RecordReader(tmp_path).find(record(3).id) == record(3)
    assert RecordReader(tmp_path).find("req_none") is None


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (Filter(), [0, 1, 2, 3]),
        (Filter(since=1_764_000_001.0), [1, 2, 3]),
        (Filter(until=1_764_000_002.0), [0, 1]),
        (Filter(tenant="other"), [1]),
        (Filter(model="fast"), [0, 1, 3]),
        (Filter(model="small-2026-01"), [0, 1, 2, 3]),
        (Filter(state="failed"), [2]),
        (Filter(key="k2"), [3]),
        (Filter(key="k2", state="failed"), []),
        (Filter(since=1_964_000_000.0), []),
    ],
)
def test_filters(tmp_path: Path, record: MakeRecord, wanted: Filter, expected: list[int]) -> None:
    records = [
        record(0),
        record(1, tenant="other"),
        record(2, state="failed", requested_model="slow"),
        record(3, key="k2"),
    ]
    segment(tmp_path, "2025-11-24/160000-1-000001.jsonl", records)
    assert numbers(RecordReader(tmp_path).read(wanted)) == expected
    assert numbers(RecordReader(tmp_path).newest(wanted)) == expected[::-1]


def test_time_filters_leave_whole_days_unopened(tmp_path: Path, record: MakeRecord) -> None:
    for day in (20, 22, 24, 26, 28):
        segment(tmp_path, f"2025-11-{day}/160000-1-000001.jsonl", [record(0)])
    noon = datetime(2025, 11, 24, 12, tzinfo=UTC).timestamp()
    paths = RecordReader(tmp_path).segments(Filter(since=noon - 43_200, until=noon + 3600))
    assert [p.parent.name for p in paths] == ["2025-11-24"]


def test_reads_what_the_writer_writes_while_it_writes(tmp_path: Path, record: MakeRecord) -> None:
    writer = SegmentWriter(tmp_path, ManualClock(), segment_bytes=10**6)
    writer.room(1)
    line = msgspec.json.encode(record(1)) + b"\n"
    assert writer.append(line) == len(line)
    assert numbers(RecordReader(tmp_path).read()) == [1]
    writer.close()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90s", 1_764_000_000.0 - 90),
        ("1h", 1_764_000_000.0 - 3600),
        ("7d", 1_764_000_000.0 - 7 * 86400),
        ("2025-11-24T16:00:00Z", 1_764_000_000.0),
        ("2025-11-24T17:00:00+01:00", 1_764_000_000.0),
        ("2025-11-24 16:00", 1_764_000_000.0),
        ("2025-11-24", 1_764_000_000.0 - 16 * 3600),
    ],
)
def test_times_as_people_write_them(text: str, expected: float) -> None:
    assert parse_when(text, 1_764_000_000.0) == expected


def test_what_is_no_time_says_what_is() -> None:
    with pytest.raises(ValueError, match="1h"):
        parse_when("yesterday", 0.0)
