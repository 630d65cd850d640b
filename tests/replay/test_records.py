"""Records, as the store keeps them and as they are exported."""

from pathlib import Path

import pytest

from llmctl.errors import UsageError
from llmctl.model.json import encode
from llmctl.model.record import Record
from llmctl.replay.records import read
from llmctl.telemetry.reader import RecordReader
from tests.replay.conftest import COUNT


async def test_what_was_asked_and_answered(records: Path) -> None:
    entries = list(read(records, None))
    assert len(entries) == COUNT + 1
    first = entries[0]
    assert first.at == 0
    assert [one.at for one in entries] == sorted(one.at for one in entries)
    assert first.call is not None
    assert (first.call.payload["model"], first.call.tenant) == ("m", "acme")
    assert first.before.text
    assert first.before.cost.usd is not None
    assert first.before.ttft is not None
    assert [one.before.error for one in entries if one.before.error] == ["guardrail_blocked"]


async def test_an_export_reads_as_the_folder_does(records: Path, tmp_path: Path) -> None:
    exported = tmp_path / "all.jsonl"
    exported.write_bytes(b"".join(encode(record) + b"\n" for record in RecordReader(records).read()))
    assert {one.id for one in read(exported, None)} == {one.id for one in read(records, None)}


async def test_some_of_them(records: Path) -> None:
    assert len(list(read(records, None, holds=lambda record: record.stream))) == COUNT // 3


async def test_what_was_not_kept_is_said(records: Path, tmp_path: Path) -> None:
    bare = tmp_path / "bare.jsonl"
    line = next(iter(RecordReader(records).read()))
    bare.write_bytes(encode({"id": line.id, "started": 1.0, "duration_us": 5, "state": "ok", "http_status": 200,
                             "operation": "chat"}) + b"\n")  # fmt: skip
    (entry,) = read(bare, None)
    assert entry.call is None
    assert "records.content" in entry.why_not


def test_nothing_there_and_nonsense(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file or folder"):
        list(read(tmp_path / "none", None))
    (tmp_path / "bad.jsonl").write_text("{}\n")
    with pytest.raises(UsageError, match=r"bad\.jsonl:1: is no record"):
        list(read(tmp_path / "bad.jsonl", None))


def kept(folder: Path, *records: tuple[str, float, float, object]) -> Path:
    path = folder / "kept.jsonl"
    path.write_bytes(
        b"\n".join(
            encode(Record(ident, started, int(seconds * 1e6), "ok", 200, operation="chat", request=request))
            for ident, started, seconds, request in records
        )
        + b"\n\n"
    )
    return path


def test_they_come_in_the_order_of_their_starts_though_kept_in_that_of_their_ends(tmp_path: Path) -> None:
    asked = {"model": "m", "messages": [{"role": "user", "content": "x"}]}
    path = kept(tmp_path, ("quick", 101.0, 0.1, asked), ("last", 106.0, 0.1, asked), ("slow", 100.0, 9.0, asked))
    assert [(one.id, one.at) for one in read(path, None)] == [("slow", 0.0), ("quick", 1.0), ("last", 6.0)]


def test_a_request_too_long_to_be_kept_is_not_asked(tmp_path: Path) -> None:
    (entry,) = read(kept(tmp_path, ("long", 1.0, 1.0, {"omitted_bytes": 999_999})), None)
    assert entry.call is None
    assert "records.max_content" in entry.why_not
