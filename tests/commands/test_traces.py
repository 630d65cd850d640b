"""`llmctl traces` on real files."""

import csv
import io
import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner

from llmctl.clock import SystemClock
from llmctl.commands.traces import app
from llmctl.errors import StoreError, UsageError
from llmctl.model.record import Attempt, CacheOutcome, Decision, Failure, GuardResult, Record, StageTime
from llmctl.model.usage import Cost, Usage
from tests.commands.keeping import keep

# One origin for all, so that their order does not depend on when each was made.
BEGAN = SystemClock().wall() - 100


def record(number: int, **changes: Any) -> Record:
    fields: dict[str, Any] = {
        "id": f"req_{number:04d}",
        "started": BEGAN + number,
        "duration_us": 400_000,
        "state": "ok",
        "http_status": 200,
        "tenant": "search",
        "dialect": "openai",
        "operation": "chat",
        "requested_model": "fast",
        "model": "small",
        "request": {"model": "fast", "messages": [{"role": "user", "content": "Why is\nthe sky blue?"}]},
        "response": {"choices": [{"message": {"role": "assistant", "content": "Rayleigh."}}]},
    }
    return Record(**(fields | changes))


RICH = record(
    7,
    state="failed",
    http_status=504,
    stream=True,
    ttft_us=120_000,
    decision=Decision("small", "weighted", "weight 0.9", 0.9),
    stages=[StageTime("auth", 0, 80), StageTime("upstream", 90, 399_000)],
    attempts=[
        Attempt("up", "small", 100, 200_000, None, 503, "overloaded"),
        Attempt("up", "big", 200_200, 198_000, 250_000, 200),
    ],
    guards=[GuardResult("pii", "input", "redact", "redact", 0.93, "an e-mail address", "pii", 45)],
    cache=CacheOutcome("miss", 0.71),
    usage=Usage(100, 20, 0, 30, 5, "provider"),
    cost=Cost(0.00125, "exact", "2026-01"),
    failure=Failure("upstream_timeout", "no byte for 30 s", 504),
    finish_reason="stop",
)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return keep(tmp_path / "records", [record(i) for i in range(5)] + [RICH])


def run(*args: str | Path) -> str:
    result = CliRunner().invoke(app, [str(arg) for arg in args], catch_exceptions=False, standalone_mode=False)
    assert result.exit_code == 0
    return result.stdout


def test_ls_newest_first(store: Path) -> None:
    lines = run("ls", "--traces", store).splitlines()
    assert lines[0].split()[:3] == ["STARTED", "(UTC)", "ID"]
    assert [line.split()[2] for line in lines[1:]] == [
        "req_0007",
        "req_0004",
        "req_0003",
        "req_0002",
        "req_0001",
        "req_0000",
    ]
    assert "fast > small" in lines[1]
    assert "0.001250" in lines[1]


def test_ls_limit_and_filters_as_json(store: Path) -> None:
    found = json.loads(run("ls", "--traces", store, "--json", "-n", "2"))
    assert [r["id"] for r in found] == ["req_0007", "req_0004"]
    assert not {"request", "response"} & set(found[0])
    assert [r["id"] for r in json.loads(run("ls", "--traces", store, "--json", "--state", "failed"))] == ["req_0007"]
    assert json.loads(run("ls", "--traces", store, "--json", "--tenant", "x")) == []
    assert json.loads(run("ls", "--traces", store, "--json", "--since", "10s")) == []
    until = datetime.fromtimestamp(found[1]["started"] - 2.5, UTC).isoformat()
    assert len(json.loads(run("ls", "--traces", store, "--json", "--since", "1h", "--until", until))) == 2


def test_ls_on_an_empty_folder_says_so(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["ls", "--traces", str(tmp_path)])
    assert result.exit_code == 0
    assert result.stdout == ""
    assert "no records" in result.stderr
    assert json.loads(run("ls", "--traces", tmp_path, "--json")) == []


@pytest.mark.parametrize("verb", [["ls"], ["show", "x"], ["export"]])
def test_a_missing_folder_is_the_users_mistake(tmp_path: Path, verb: list[str]) -> None:
    with pytest.raises(UsageError, match=r"no such folder.*--traces"):
        run(*verb, "--traces", tmp_path / "no")


def test_a_time_that_is_none(store: Path) -> None:
    with pytest.raises(UsageError, match=r"--since: 'yesterday' is no time"):
        run("ls", "--traces", store, "--since", "yesterday")


def test_show_tells_the_whole_story(store: Path) -> None:
    out = run("show", "req_0007", "--traces", store)
    for expected in (
        "req_0007  failed  504",
        "of it ours",
        "fast > small",
        "by weighted: weight 0.9 (probability 0.9)",
        "miss, similarity 0.710",
        "120 in (20 read from cache, 0 written), 35 out (provider)",
        "$0.001250 (exact, prices 2026-01)",
        "504 upstream_timeout: no byte for 30 s",
        "try 1 up/small",
        "503 overloaded",
        "try 2 up/big",
        "first byte at 250.00 ms",
        "input pii: redact, redact score 0.930",
        "user: Why is\n  the sky blue?",
        "assistant: Rayleigh.",
    ):
        assert expected in out
    bars = [line.partition("│")[2] for line in out.splitlines() if " try " in line]
    assert len(bars) == 2
    assert bars[1].index("░") > bars[0].index("░")


def test_show_as_json_is_the_record(store: Path) -> None:
    assert msgspec.convert(json.loads(run("show", "req_0007", "--traces", store, "--json")), Record) == RICH


def test_show_takes_a_beginning_that_is_unique(store: Path) -> None:
    assert "req_0007" in run("show", "req_0007"[:8], "--traces", store)
    with pytest.raises(UsageError, match="6 exchanges begin with it"):
        run("show", "req_", "--traces", store)


def test_show_names_the_nearest(store: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no such exchange.*did you mean req_000"):
        run("show", "req_0009", "--traces", store)
    with pytest.raises(UsageError, match="`llmctl traces ls`"):
        run("show", "zzz", "--traces", store)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="no records yet"):
        run("show", "zzz", "--traces", tmp_path / "empty")


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        ({"system": "Be brief.", "messages": [{"role": "user", "content": [{"text": "Hi"}]}]}, "user: Hi"),
        ({"messages": [{"role": "user", "content": [{"type": "image", "source": 1}]}]}, '"image"'),
        ({"role": "assistant", "content": [{"type": "text", "text": "Hello"}]}, "assistant: Hello"),
        ({"choices": [{"text": "once upon"}]}, "once upon"),
        ({"messages": [{"tool_calls": [{"function": {"name": "f", "arguments": "{}"}}]}]}, "calls: f({})"),
        ({"input": "embed me"}, '"input": "embed me"'),
        ({"messages": 5, "choices": [None]}, '"messages": 5'),
        ("[redacted]", "[redacted]"),
    ],
)  # fmt: skip
def test_show_reads_every_kind_of_body(tmp_path: Path, request_: Any, expected: str) -> None:
    assert expected in run("show", "req_0001", "--traces", keep(tmp_path, [record(1, request=request_)]))


def test_terminals_obey_nobody_but_us(tmp_path: Path) -> None:
    hostile = "\x1b]0;owned\x07[bold]\u202e"
    keep(tmp_path, [record(1, requested_model=hostile, tenant=hostile, request={"a": hostile})])
    for out in (run("ls", "--traces", tmp_path), run("show", "req_0001", "--traces", tmp_path)):
        assert "\x1b" not in out
        assert "\x07" not in out
        assert "\u202e" not in out
        assert "[bold]" in out


def test_a_name_with_newlines_begins_no_row_of_its_own(tmp_path: Path) -> None:
    forged = "fast\n2026-01-01 00:00:00  req_forged  ok"
    keep(tmp_path, [record(1, requested_model=forged, tenant=forged, tags={"team": forged})])
    for out in (run("ls", "--traces", tmp_path), run("show", "req_0001", "--traces", tmp_path)):
        assert "\\n2026-01-01" in out
        assert not [line for line in out.splitlines() if line.lstrip().startswith("2026-01-01 00:00:00")]


def test_export_jsonl_is_what_was_recorded(store: Path, tmp_path: Path) -> None:
    lines = run("export", "--traces", store).splitlines()
    assert [msgspec.json.decode(line)["id"] for line in lines][-1] == "req_0007"
    assert msgspec.json.decode(lines[-1], type=Record) == RICH
    target = tmp_path / "out.jsonl"
    assert run("export", "--traces", store, "-o", target) == ""
    assert target.read_text().splitlines() == lines
    assert target.stat().st_mode & 0o777 == 0o600
    assert not list(tmp_path.glob(".*.part"))


def test_export_csv(store: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(run("export", "--traces", store, "--format", "csv", "--model", "small"))))
    assert len(rows) == 6
    assert (rows[-1]["id"], rows[-1]["cost_usd"], rows[-1]["failure"]) == ("req_0007", "0.00125", "upstream_timeout")
    assert rows[-1]["attempts"] == "2"
    assert "request" not in rows[-1]


def test_export_csv_runs_nothing_in_a_spreadsheet(tmp_path: Path) -> None:
    keep(tmp_path, [record(1, requested_model='=HYPERLINK("http://x","y")')])
    (row,) = csv.DictReader(io.StringIO(run("export", "--traces", tmp_path, "--format", "csv")))
    assert row["requested_model"].startswith("'=")


def test_export_to_nowhere(store: Path, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot write"):
        run("export", "--traces", store, "-o", tmp_path / "no" / "file")


def test_corrupt_lines_are_told_and_passed_over(store: Path) -> None:
    (segment,) = store.glob("*/*.jsonl")
    segment.write_bytes(b"{rubbish\n" * 7 + segment.read_bytes())
    result = CliRunner().invoke(app, ["export", "--traces", str(store)])
    assert result.exit_code == 0
    assert len(result.stdout.splitlines()) == 6
    assert f"{segment}:1: " in result.stderr
    assert "2 more corrupt lines" in result.stderr


def test_a_reader_that_leaves_early_is_no_error(tmp_path: Path) -> None:
    store = keep(tmp_path, [record(i) for i in range(500)])
    code = "from llmctl.commands.main import main; main()"
    program = [sys.executable, "-c", code, "traces", "export", "--traces", str(store)]
    process = subprocess.Popen(
        program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ | {"NO_COLOR": "1"}
    )
    assert process.stdout
    assert process.stderr
    assert process.stdout.readline()
    process.stdout.close()
    assert b"Traceback" not in process.stderr.read()
    process.stderr.close()
    process.wait()
