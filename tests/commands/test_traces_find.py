"""`llmctl traces ls --where` and `--text` over JSON lines and Parquet alike."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from llmctl.commands.traces import app
from llmctl.errors import UsageError
from llmctl.model.record import GuardResult
from llmctl.reports.compact import compact, remove_compacted
from llmctl.reports.duck import database
from tests.reports.keeping import LATER, record, write

ASKED = {"messages": [{"role": "user", "content": "Why is the Sky blue?"}]}
ANSWERED = {
    "choices": [{"message": {"role": "assistant", "content": [{"type": "text", "text": "Rayleigh, they say"}]}}]
}


def invoke(*args: str | Path) -> Any:
    return CliRunner().invoke(app, [str(arg) for arg in args], catch_exceptions=False, standalone_mode=False)


def found(folder: Path, *args: str) -> list[dict[str, Any]]:
    result = invoke("ls", "--traces", folder, "--json", *args)
    assert result.exit_code == 0
    listed: list[dict[str, Any]] = json.loads(result.stdout)
    return listed


def ids(folder: Path, *args: str) -> list[str]:
    return [each["id"] for each in found(folder, *args)]


def pack(folder: Path, *, remove: bool) -> None:
    with database(memory_mb=300, threads=1) as db:
        list(compact(folder, db, now=LATER))
        if remove:
            remove_compacted(folder, db)


@pytest.fixture(params=["lines", "kept", "removed"])
def store(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """Two days, the first one compacted, with or without its segments; the second one is JSON lines."""
    write(tmp_path, [record(n, state="failed" if n % 3 == 0 else "ok") for n in range(10)])
    if request.param != "lines":
        pack(tmp_path, remove=request.param == "removed")
    guards = [GuardResult("pii", "input", "redact", "redact")]
    write(tmp_path, [record(n, request=ASKED, response=ANSWERED, guards=guards) for n in range(100, 103)])
    return tmp_path


def test_a_condition_over_both_each_record_once(store: Path) -> None:
    assert ids(store, "--where", "state=failed") == ["req_0009", "req_0006", "req_0003", "req_0000"]
    assert ids(store, "--where", "model=small", "-n", "5") == [
        "req_0102",
        "req_0101",
        "req_0100",
        "req_0009",
        "req_0008",
    ]
    assert ids(store, "--where", "guard=pii or status=failed", "-n", "4") == [
        "req_0102",
        "req_0101",
        "req_0100",
        "req_0009",
    ]
    assert len(ids(store, "--where", "not (tenant!=search)")) == 13


def test_without_a_condition_too(store: Path) -> None:
    assert ids(store)[2:5] == ["req_0100", "req_0009", "req_0008"]
    assert len(ids(store)) == 13


def test_options_and_condition_must_both_hold(store: Path) -> None:
    both = ids(store, "--where", "status=failed", "--until", "2026-01-05T00:05Z", "--model", "small")
    assert both == ["req_0003", "req_0000"]
    assert ids(store, "--state", "failed", "--tenant", "search", "-n", "1") == ["req_0009"]
    assert ids(store, "--tenant", "it's \\ another") == []
    assert ids(store, "--key", "key1", "--since", "2026-01-06") == ["req_0102", "req_0101", "req_0100"]


def test_what_compaction_left_of_a_record_says_so(tmp_path: Path) -> None:
    write(tmp_path, [record(1)])
    (whole,) = found(tmp_path, "--where", "state=ok")
    pack(tmp_path, remove=True)
    (left,) = found(tmp_path, "--where", "state=ok")
    assert "compacted" not in whole
    assert left["compacted"] is True
    assert {name: left[name] for name in ("id", "started", "cost", "usage")} == {
        name: whole[name] for name in ("id", "started", "cost", "usage")
    }


def test_segments_that_were_kept_are_listed_whole_where_nothing_is_asked_of_them(tmp_path: Path) -> None:
    write(tmp_path, [record(1)])
    pack(tmp_path, remove=False)
    (whole,) = found(tmp_path)
    assert "compacted" not in whole
    assert whole["attempts"]


@pytest.mark.parametrize(
    ("words", "count"),
    [
        ("sky", 3),
        ("RAYLEIGH blue", 3),
        ('"the sky"', 3),
        ('"sky the"', 0),
        ('"they say" why', 3),
        ("sky green", 0),
    ],
)
def test_text_is_looked_for_in_requests_and_answers(store: Path, words: str, count: int) -> None:
    assert len(ids(store, "--text", words)) == count


def test_text_and_condition_together(store: Path) -> None:
    assert ids(store, "--text", "sky", "--where", "id~101") == ["req_0101"]


def test_what_text_cannot_search_is_told(tmp_path: Path) -> None:
    write(tmp_path, [record(1)])
    pack(tmp_path, remove=True)
    result = invoke("ls", "--traces", tmp_path, "--text", "x")
    assert "1 Parquet file holds no content: --text searches JSON lines only" in result.stderr
    assert "no records" in result.stderr


def test_a_mistake_in_the_condition_is_told_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--where: at character 1: no field is called 'modle'; did you mean model"):
        invoke("ls", "--traces", tmp_path / "none", "--where", "modle=x")


def test_export_takes_a_condition(tmp_path: Path) -> None:
    write(tmp_path, [record(n, tenant=f"t{n}") for n in range(3)])
    lines = invoke("export", "--traces", tmp_path, "--where", "tenant!=t1").stdout.splitlines()
    assert [json.loads(line)["tenant"] for line in lines] == ["t0", "t2"]


def test_a_table_has_compacted_records_in_it(tmp_path: Path) -> None:
    write(tmp_path, [record(1, model="gpt")])
    pack(tmp_path, remove=True)
    assert "fast > gpt" in invoke("ls", "--traces", tmp_path).stdout
