import json
from pathlib import Path

import pytest

from llmctl.commands.eval_experiment import compare_experiment
from llmctl.errors import CheckFailed, UsageError
from llmctl.evals.suite import DecisionConfig
from llmctl.model.record import Record
from tests.commands.keeping import keep
from tests.evals.test_experiment import cheap_new, requests, split

CONFIG = DecisionConfig(metric="cost")


def kept(folder: Path, records: list[Record]) -> Path:
    keep(folder, records)
    return folder


def test_records_of_a_folder_are_compared_and_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = kept(tmp_path, requests(split(), 200, cheap_new))
    found = compare_experiment("tone", folder, CONFIG, arms=("old", "new"))
    assert found.kind == "B"
    assert "verdict: B is better by" in capsys.readouterr().out
    compare_experiment("tone", folder, CONFIG, arms=("old", "new"), json=True)
    assert json.loads(capsys.readouterr().out)["kind"] == "B"


def test_a_broken_split_is_printed_and_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    records = [
        one
        for one in requests(split(), 300, cheap_new)
        if one.decision and (one.decision.arm == "old" or "1" in one.key)
    ]
    with pytest.raises(CheckFailed, match="no verdict: sample-ratio mismatch") as failed:
        compare_experiment("tone", kept(tmp_path, records), CONFIG)
    assert failed.value.exit_code == 3
    assert "cost" in capsys.readouterr().out


def test_mistakes_are_told(tmp_path: Path) -> None:
    folder = kept(tmp_path / "records", requests(split(), 20, cheap_new))
    with pytest.raises(UsageError, match="no request took part in experiment 'tune': there are tone"):
        compare_experiment("tune", folder, CONFIG)
    with pytest.raises(UsageError, match="no such folder"):
        compare_experiment("tone", tmp_path / "none", CONFIG)
    with pytest.raises(UsageError, match="no request took part in any"):
        compare_experiment("tone", folder, CONFIG, since="2027-01-01")
