"""The figures of a drill."""

import pytest

from llmctl.chaos.books import Books
from llmctl.chaos.figures import figures, p95_ms, seen
from llmctl.chaos.provider import Call
from llmctl.model.record import Attempt, Transition
from llmctl.testing.scripted_connection import Received
from tests.chaos.test_invariants import answer, call, record


def test_what_they_are() -> None:
    refused = Call("p", "tenant0-method-0", Received(b"POST", b"/"), refused=True)
    tried = [Attempt("p", "m", 0, error="upstream_timeout"), Attempt("q", "m", 1, why="fallback")]
    first = record(0, attempts=tried, transitions=[Transition("m", "closed", "open", "error_rate")], started=100.0)
    answers = [answer(0), answer(1)]
    books = Books([*answers, answer(2)], [first, record(1, started=3701.0), record(2)], [refused, call(1), call(2)])
    found = figures(answers, books, {"breaker": 1})
    assert (found["p50_ms"], found["max_ms"], found["calls_per_request"]) == (500.0, 500.0, 1.0)
    assert (found["calls"], found["faulted"], found["opened"]) == ({"p": 2}, {"p": 1}, {"m": 1})
    assert (found["states"], found["failures"], found["unrecorded"]) == ({"ok": 2}, {"upstream_timeout": 1}, 0)
    assert found["why"] == {"first": 2, "fallback": 1}
    assert found["jumped_s"] == 3599.5
    assert found["warned"] == {"breaker": 1}


def test_that_one_is_found_by_its_dotted_name() -> None:
    assert [seen({"a": {"b": 2}, "c": 1.5}, name) for name in ("a.b", "c", "a", "a.x", "x.y")] == [2, 1.5, 0, 0, 0]


def test_that_nobody_waits_where_nobody_asks() -> None:
    assert p95_ms([]) == 0
    assert figures([], Books([], [], []), {})["calls_per_request"] == 0
    assert p95_ms([answer(0)]) == pytest.approx(500)
