"""Records, as the store keeps them and as they are exported."""

from pathlib import Path

import pytest

from llmctl.errors import UsageError
from llmctl.model.json import encode
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
