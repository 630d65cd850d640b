"""The uptime, and the table."""

import json

import pytest

from llmctl.chaos.report import document, held, lines, uptime
from tests.chaos.outcomes import made


def test_that_uptime_is_of_drills_in_which_somebody_could_answer() -> None:
    found = uptime(
        [made(answered=998), made(), made(bar=0.6, answered=700), made(requests=0, answered=0), made(counts=False)]
    )
    assert (found["requests"], found["answered"], found["experiments"]) == (2000, 1998, 2)
    assert found["share"] == 0.999
    assert found["low"] == pytest.approx(0.99636, abs=1e-5)


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [
        ([], False),
        ([made()], True),
        ([made(), made(status="failed")], False),
        ([made(), made(status="not_run")], False),
        ([made(answered=990)], False),
        ([made(answered=700, bar=0.6)], True),
    ],
)
def test_what_holds(outcomes: list[object], expected: bool) -> None:
    assert held(outcomes) is expected  # type: ignore[arg-type]


def test_that_everything_is_in_the_document() -> None:
    broken = made("two", status="failed", broken={"one_record": ["x: 2 records"]})
    found = json.loads(json.dumps(document([made(), broken])))
    assert found["passed"] is False
    assert found["seconds"] == 20
    first, second = found["experiments"]
    assert first["trouble"] == []
    assert set(first["invariants"].values() and first["invariants"]) == set(second["invariants"])
    assert second["invariants"]["one_record"] == ["x: 2 records"]
    assert first["run"][0]["undone"] is True


def test_the_table() -> None:
    said = lines([made(), made("none", status="not_run", requests=0, answered=0, reason="not run: because")])
    assert said[0].split() == ["experiment", "status", "answered", "at", "least", "p95", "calls", "time"]
    assert said[1].split() == ["one", "passed", "1000/1000", "99.617%", "12", "ms", "1.25", "10", "s"]
    assert said[2].split()[:2] == ["none", "not_run"]
    assert said[3] == "none: not run: because"
    assert said[4].startswith("uptime where one sound provider remained: 100.0000%, at least 99.6173%")
