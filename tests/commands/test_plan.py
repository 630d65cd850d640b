"""`llmctl plan` at the command line: reports, exit codes, prices before anything is asked."""

import json
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from llmctl.commands.main import main
from tests.plan.recorded import TWO, asked, chats, configured, kept

HALF = "routes: {auto: {kind: weighted, weights: {small: 1, large: 1}}}\n"
MORE = HALF.replace("large: 1", "large: 3")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """OLD and NEW, and 60 records of OLD."""
    one = configured(tmp_path, "old", TWO + HALF)
    configured(tmp_path, "new", TWO + MORE)
    kept(tmp_path, asked(one, chats(60)))
    return tmp_path


def run(place: Path, *args: str, old: str = "old", new: str = "new") -> int:
    files = [str(place / side / "gateway.yaml") for side in (old, new)]
    with pytest.raises(SystemExit) as ended:
        main(["plan", *files, "--traces", str(place / "records"), *args])
    return int(ended.value.code or 0)


def told(place: Path, capsys: pytest.CaptureFixture[str], *args: str) -> dict[str, Any]:
    assert run(place, "--json", *args) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_as_text_markdown_and_json(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(place) == 0
    assert "model changes" in capsys.readouterr().out
    assert run(place, "--format", "markdown") == 0
    assert capsys.readouterr().out.startswith("## llmctl plan")
    plan = told(place, capsys)
    assert plan["traffic"]["requests"] == 60
    figures = {one["name"]: one for stage in plan["stages"] for one in stage.get("figures", ())}
    assert figures["cost"]["low"] < figures["cost"]["estimate"] < figures["cost"]["high"]


def test_conditions_decide_the_exit_code(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(place, "--fail-on", "cost>+500%", "--fail-on", "blocked>1%,no_support") == 0
    assert run(place, "--fail-on", "cost>+1%") == 3
    said = capsys.readouterr()
    assert "FAILED  cost>+1%" in said.out
    assert "--fail-on: cost>+1%" in said.err
    assert run(place, "--fail-on", "costs>1%") == 2
    assert "is no condition" in capsys.readouterr().err


def test_no_support_can_fail_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one = configured(tmp_path, "old", TWO + "routes: {auto: {kind: fixed, model: small}}\n")
    configured(tmp_path, "new", TWO + HALF)
    kept(tmp_path, asked(one, chats(20)))
    assert run(tmp_path, "--fail-on", "no_support") == 3
    assert "no support: 50.0%" in capsys.readouterr().out


def test_records_of_another_configuration(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(place, old="new", new="old") == 2
    assert "60 recorded under another configuration than OLD. With --any-policy" in capsys.readouterr().err
    assert run(place, "--any-policy", old="new", new="old") == 0


def test_what_is_wrong_is_said(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(place / "nowhere") == 1
    assert run(place, "--since", "yesterday") == 2
    assert "--since" in capsys.readouterr().err
    assert run(place, "--scores", str(place / "none.jsonl")) == 2
    (place / "odd.jsonl").write_text('{"id": "x", "score": 1}\n{"id": "y"}\n')
    assert run(place, "--scores", str(place / "odd.jsonl")) == 2
    assert "odd.jsonl:2: write" in capsys.readouterr().err
    with pytest.raises(SystemExit) as ended:
        main(["plan", *[str(place / "old" / "gateway.yaml")] * 2, "--traces", str(place / "no")])
    assert ended.value.code == 2
    assert "is no folder" in capsys.readouterr().err
    (place / "empty").mkdir()
    with pytest.raises(SystemExit):
        main(["plan", *[str(place / "old" / "gateway.yaml")] * 2, "--traces", str(place / "empty")])
    assert "has no records" in capsys.readouterr().err


def test_how_many_and_since_when(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert told(place, capsys, "--limit", "10")["traffic"]["requests"] == 10
    assert told(place, capsys, "--since", "1h")["traffic"]["requests"] == 60


def test_scores(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from llmctl.telemetry.reader import RecordReader

    rows = [{"id": one.id, "score": float(one.model == "large")} for one in RecordReader(place / "records").read()]
    (place / "scores.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n")
    plan = told(place, capsys, "--scores", str(place / "scores.jsonl"))
    figures = {one["name"]: one for stage in plan["stages"] for one in stage.get("figures", ())}
    assert figures["score"]["estimate"] > 0.1


def test_a_replay_is_priced_first(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(place, "--replay", "10") == 2
    assert "10 requests would cost about $0.00" in capsys.readouterr().err
    assert run(place, "--replay", "10", "--max-cost", "0.0000001") == 2
    assert "over --max-cost" in capsys.readouterr().err
    plan = told(place, capsys, "--replay", "10", "--max-cost", "1")
    (stage,) = (one for one in plan["stages"] if one["name"] == "replay")
    assert stage["requests"] == 10
    assert {one["name"] for one in stage["figures"]} == {"cost, measured", "latency, measured", "answered, measured"}


def test_a_replay_needs_content(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one = configured(tmp_path, "old", TWO + HALF)
    configured(tmp_path, "new", TWO + MORE)
    kept(tmp_path, [structs.replace(record, request=None) for record in asked(one, chats(5))])
    assert run(tmp_path, "--replay", "5", "--max-cost", "1") == 2
    assert "no record can be asked again" in capsys.readouterr().err
