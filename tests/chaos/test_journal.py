"""The Chaos Toolkit's journal."""

import json

import pytest

from llmctl.chaos.journal import journal
from llmctl.chaos.method import Done
from tests.chaos.outcomes import START, made

KEYS = {
    "chaoslib-version", "platform", "node", "experiment", "start", "status", "deviated", "steady_states", "run",
    "rollbacks", "end", "duration",
}  # fmt: skip


def test_its_keys() -> None:
    found = json.loads(json.dumps(journal(made())))
    assert set(found) == KEYS
    assert set(found["steady_states"]) == {"before", "after", "during"}
    assert (found["status"], found["deviated"], found["duration"]) == ("completed", False, 10)
    assert found["start"] == "2026-01-01T00:00:00"
    run = found["run"][0]
    assert set(run) == {"activity", "output", "start", "status", "end", "duration"}
    assert (run["activity"]["type"], run["activity"]["name"], run["status"]) == ("action", "refuse a", "succeeded")
    before = found["steady_states"]["before"]
    assert before["steady_state_met"] is True
    assert before["probes"][0]["tolerance_met"] is True
    assert set(found["experiment"]) >= {"title", "description", "method", "rollbacks", "steady-state-hypothesis"}


@pytest.mark.parametrize(
    ("status", "theirs", "deviated"),
    [
        ("passed", "completed", False),
        ("failed", "failed", True),
        ("not_run", "failed", False),
        ("interrupted", "interrupted", False),
        ("aborted", "aborted", False),
    ],
)
def test_its_status(status: str, theirs: str, deviated: bool) -> None:
    found = journal(made(status=status))
    assert (found["status"], found["deviated"]) == (theirs, deviated)


def test_that_a_step_which_failed_says_why() -> None:
    found = journal(made(run=[Done("kill", "", START, START, error="no process")], before=[]))
    assert (found["run"][0]["status"], found["run"][0]["exception"]) == ("failed", ["no process"])
    assert found["steady_states"]["before"] is None
