from pathlib import Path
from typing import Any

import msgspec
import pytest

from llmctl.errors import ConfigError, UsageError
from llmctl.model.record import Record
from tests.evals.datasets.opened import ids, items


def record(ident: str, **fields: Any) -> Record:
    request = {"model": "m", "messages": [{"role": "user", "content": f"q{ident}"}], "tools": [{"type": "function"}]}
    answer = {"choices": [{"index": 0, "message": {"role": "assistant", "content": f"a{ident}"}}]}
    own = {"state": "ok", "model": "m", "request": request, "response": answer, "trace_id": "t1"}
    return Record(ident, 1_770_000_000.0, 1000, http_status=200, **{**own, **fields})


def kept(folder: Path, *records: Record) -> Path:
    day = folder / "traces" / "2026-02-02"
    day.mkdir(parents=True)
    (day / "120000-1.jsonl").write_bytes(b"".join(msgspec.json.encode(one) + b"\n" for one in records))
    return folder


def test_requests_and_what_was_answered(tmp_path: Path) -> None:
    folder = kept(tmp_path, record("1", tags={"session": "s", "team": "x"}), record("2"))
    one, two = items("records", folder, path="traces", answer="expected")
    assert one.messages == [{"role": "user", "content": "q1"}]
    assert one.tools == [{"type": "function"}]
    assert (one.sample.id, one.sample.expected, one.sample.columns["output"]) == ("1", "a1", "a1")
    assert (one.sample.cluster, two.sample.cluster) == ("s", "t1")
    assert one.sample.columns["team"] == "x"


def test_only_what_is_wanted(tmp_path: Path) -> None:
    folder = kept(
        tmp_path, record("1"), record("2", model="other"), record("3", state="failed"), record("4", shadow_of="1")
    )
    assert ids("records", folder, path="traces", model="m") == ["1"]
    assert ids("records", folder, path="traces", until="2020-01-01") == []


def test_without_content_there_is_nothing_to_ask(tmp_path: Path) -> None:
    folder = kept(tmp_path, record("1", request=None))
    with pytest.raises(UsageError, match=r"records\.content: redacted"):
        ids("records", folder, path="traces")
    with pytest.raises(UsageError, match="no such folder"):
        ids("records", folder, path="nowhere")


@pytest.mark.parametrize(("since", "said"), [("7d", "write a date"), ("soon", "is no time")])
def test_times_are_dates(tmp_path: Path, since: str, said: str) -> None:
    with pytest.raises(ConfigError, match=f"dataset.since: .*{said}"):
        ids("records", kept(tmp_path, record("1")), path="traces", since=since)
