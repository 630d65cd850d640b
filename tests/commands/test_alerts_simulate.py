"""`llmctl alerts simulate`: records, as a store leaves them, through the promises."""

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from llmctl.alerts.slo import load
from llmctl.commands.alerts import app
from llmctl.commands.alerts_simulate import in_order, replayed
from llmctl.config.secrets import Environment
from llmctl.errors import ConfigError, UsageError
from llmctl.gateway.promises import served_histograms
from llmctl.model.record import GuardResult, Record, passed
from llmctl.reports.compact import compact, remove_compacted
from llmctl.reports.duck import database
from llmctl.telemetry.reader import EVERYTHING, RecordReader
from tests.reports.keeping import LATER, MONDAY, record, write

SLOS = """
slos:
  up: {kind: availability, objective: 0.999, severity: page, runbook: runbooks/availability.md}
  guards: {kind: guard_failures, objective: 0.999, severity: page, runbook: runbooks/guards.md}
  cost: {kind: cost_per_day, objective: 100, runbook: runbooks/cost.md}
notify: {page: {slack: {api_url_file: /s, channel: '#o'}}, ticket: {slack: {api_url_file: /s, channel: '#o'}}}
"""


def at(minute: float, number: int, **changes: Any) -> Record:
    return record(0, id=f"req_{minute:g}_{number}", started=MONDAY + 60 * minute, **changes)


def morning() -> Iterator[Record]:
    """Four hours at 20 requests a minute; in the second one, 12 minutes in which half of them fail."""
    for minute in range(240):
        for number in range(20):
            failed = 60 <= minute < 72 and number % 2
            broken = 60 <= minute < 72 and number % 4 == 0
            guards = [GuardResult("pii", "input", "error", "allow")] if broken else []
            quiet = [] if broken else [passed("pii", "input", "pii")]
            yield at(
                minute + number / 40,
                number,
                state="failed" if failed else "ok",
                http_status=502 if failed else 200,
                guards=guards,
                passed=[*quiet, passed("topic", "input", "topic")],
            )


@pytest.fixture
def slos(tmp_path: Path) -> Path:
    path = tmp_path / "slo.yaml"
    path.write_text(SLOS)
    return path


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Of two workers, whose segments overlap."""
    records = list(morning())
    write(tmp_path / "records", records[::2], "000000-7-000001")
    write(tmp_path / "records", records[1::2], "000000-8-000001")
    return tmp_path / "records"


def invoke(*args: str | Path) -> str:
    arguments = ["simulate", *map(str, args)]
    result = CliRunner().invoke(app, arguments, catch_exceptions=False, standalone_mode=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_what_would_have_been_told(store: Path, slos: Path) -> None:
    found = json.loads(invoke("--traces", store, "-c", slos, "--json"))
    assert found["records"] == 4800
    assert (found["since"], found["until"]) == ("2026-01-05T00:00:00Z", "2026-01-05T04:00:00Z")
    told = [(each["name"], each["labels"], each["severity"]) for each in found["incidents"]]
    assert told[:2] == [("LlmctlUpBurn1h", {}, "page"), ("LlmctlGuardsBurn1h", {"guard": "pii"}, "page")]
    first = found["incidents"][0]
    begin = datetime.fromisoformat(first["begin"]).timestamp() - MONDAY
    assert 61 * 60 <= begin <= 66 * 60
    assert first["runbook"] == "runbooks/availability.md"
    # The page of an hour's failures, and that of six hours', which outlasts it.
    assert 30 * 60 < first["seconds"] < 45 * 60
    promises = {(each["slo"], *each["labels"].values()): each for each in found["promises"]}
    up = promises["up",]
    assert (up["events"], up["bad"], up["used"]) == (4800, 120, pytest.approx(25))
    assert promises["guards", "pii"]["bad"] == 60
    assert promises["guards", "topic"]["bad"] == 0
    assert promises["cost",]["incidents"] == 0


def test_it_is_a_timeline_for_people(store: Path, slos: Path) -> None:
    lines = invoke("--traces", store, "-c", slos).splitlines()
    assert lines[0] == "4800 records from 2026-01-05T00:00:00Z to 2026-01-05T04:00:00Z"
    (page,) = [line for line in lines if "LlmctlUpBurn1h" in line]
    assert page.startswith("2026-01-05T01:0")
    assert "  page    LlmctlUpBurn1h  for " in page
    until = invoke("--traces", store, "-c", slos, "--until", "2026-01-05T01:10Z")
    assert "  page    LlmctlUpBurn1h  still firing at the end" in until
    assert any(line.split() == ["guards", "topic", "4800", "0", "0.0%", "0"] for line in lines)


def test_part_of_it_and_none_of_it(store: Path, slos: Path) -> None:
    text = invoke("--traces", store, "-c", slos, "--since", "2026-01-05T02:00Z", "--until", "2026-01-05T03:00Z")
    assert text.startswith("1200 records")
    assert "nothing would have been told" in text
    with pytest.raises(UsageError, match="holds no records of this time"):
        invoke("--traces", store, "-c", slos, "--since", "2026-02-01")


def test_compacted_records_are_replayed_too(store: Path, slos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = json.loads(invoke("--traces", store, "-c", slos, "--json"))
    with database(memory_mb=300, threads=1) as db:
        list(compact(store, db, now=LATER))
        remove_compacted(store, db)
    write(store, [at(1445, 0)], "000000-9-000001")
    after = json.loads(invoke("--traces", store, "-c", slos, "--until", "2026-01-05T04:00Z", "--json"))
    names = [each["name"] for each in before["incidents"] if not each["labels"]]
    assert [each["name"] for each in after["incidents"]] == names
    # Guards' verdicts are not in Parquet.
    assert [each["slo"] for each in after["promises"]] == ["up", "cost"]
    assert after["records"] == 4800


def test_records_come_by_the_time_of_their_end(store: Path) -> None:
    ends = [each.started for each in in_order(RecordReader(store), store, EVERYTHING)]
    assert ends == sorted(ends)
    assert len(ends) == 4800


def test_years_of_nothing_take_no_time(slos: Path) -> None:
    """A record of 1970, as a broken clock leaves it."""
    promised = load(slos, Environment({}), served_histograms())
    found = replayed([record(0, started=5.0), *morning()], promised, served_histograms())
    assert found is not None
    assert (found.since, found.records) == (0.0, 4801)
    assert found.incidents


def test_damaged_lines_and_names_that_are_no_text_are_told_plainly(slos: Path, tmp_path: Path) -> None:
    evil = [GuardResult("\x1b[31mpii", "input", "allow", "allow")]
    write(tmp_path / "records", [at(1, 0, guards=evil)], tail=b'{"id": \n')
    arguments = ["simulate", "--traces", str(tmp_path / "records"), "-c", str(slos)]
    result = CliRunner().invoke(app, arguments, catch_exceptions=False, standalone_mode=False)
    assert "000000-7-000001.jsonl:2: " in result.stderr
    assert result.stdout.startswith("1 records")
    assert "guards \\x1b[31mpii" in result.stdout
    assert "\x1b" not in result.stdout


def test_mistakes_teach(store: Path, slos: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such folder; name the record store's"):
        invoke("--traces", tmp_path / "none", "-c", slos)
    with pytest.raises(UsageError, match="'yesterday' is no time"):
        invoke("--traces", store, "-c", slos, "--since", "yesterday")
    slos.write_text("slos: {}")
    with pytest.raises(ConfigError):
        invoke("--traces", store, "-c", slos)
