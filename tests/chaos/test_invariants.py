"""Each invariant, on books that keep it and on books that break it."""

from dataclasses import replace
from typing import Any

import pytest

from llmctl.chaos.books import Books, Charged
from llmctl.chaos.experiment import EVERY, ExpectConfig, InvariantKind
from llmctl.chaos.invariants import INVARIANTS
from llmctl.chaos.provider import Call
from llmctl.chaos.questions import Answered, Question
from llmctl.model.record import Attempt, Record
from llmctl.model.usage import Cost
from llmctl.testing.scripted_connection import Received

EXPECT = ExpectConfig()
NUMBERS = range(3)
DONE = ("done",)


def question(number: int) -> Question:
    return Question(f"tenant{number % 2}-method-{number}", f"tenant{number % 2}", f"q{number}", "m", stream=True)


def answer(number: int, **changes: Any) -> Answered:
    asked = question(number)
    fields = {"status": 200, "text": f"{asked.text} [{asked.id}]", "finish": ("stop",), "terminals": DONE}
    return Answered(asked, 1.0 + number, 1.5 + number, **{**fields, **changes})


def record(number: int, **changes: Any) -> Record:
    asked = question(number)
    first = Attempt("p", "m", 0)
    fields = {"tenant": asked.tenant, "cost": Cost(0.25, "exact"), "attempts": [first], "requested_model": "m"}
    return Record(
        asked.id, **{"started": 0.0, "duration_us": 1000, "state": "ok", "http_status": 200, **fields, **changes}
    )


def call(number: int) -> Call:
    return Call("p", question(number).id, Received(b"POST", b"/", outcome="answered"), refused=False)


def charged(tenant: str, spent: float, **changes: Any) -> Charged:
    return replace(Charged("each", ("tenant",), (tenant,), spent, 1.0), **changes)


def books(**changes: Any) -> Books:
    """Three exchanges of two tenants, all as it should be but for the changes."""
    fields = {
        "answers": [answer(n) for n in NUMBERS],
        "records": [record(n) for n in NUMBERS],
        "calls": [call(n) for n in NUMBERS],
        "charged": [charged("tenant0", 0.5), charged("tenant1", 0.25)],
        "counted": 3.0,
    }
    return Books(**{**fields, **changes})


def broken(found: Books, expect: ExpectConfig = EXPECT) -> set[InvariantKind]:
    return {name for name in EVERY if INVARIANTS[name](found, expect)}


def test_that_sound_books_break_none() -> None:
    assert broken(books()) == set()


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({"charged": [charged("tenant0", 0.75)]}, {"charged_once"}),
        ({"charged": [charged("tenant0", 0.25)]}, {"charged_once"}),
        ({"charged": [charged("tenant0", 0.5, reserved=0.1)]}, {"charged_once"}),
        ({"calls": [call(0), call(0), call(1), call(2)]}, {"charged_once"}),
        ({"charged": [charged("tenant0", 0.5, limit=0.4)]}, {"within_budget"}),
        ({"records": [record(0), record(0), record(1), record(2)], "charged": (), "counted": 4.0}, {"one_record"}),
        ({"records": [record(0, state="failed"), record(1), record(2)]}, {"one_record"}),
        ({"answers": [answer(0, finish=()), answer(1), answer(2)]}, {"one_record"}),
        ({"records": [record(0), record(1)], "charged": (), "counted": 2.0}, {"nothing_lost"}),
        ({"answers": [answer(0, text="q0 [tenant1-method-9]"), answer(1), answer(2)]}, {"own_answers"}),
        ({"answers": [answer(0, text="q7 [tenant0-method-0]"), answer(1), answer(2)]}, {"own_answers"}),
        ({"answers": [answer(0, text="q0"), answer(1), answer(2)]}, {"own_answers"}),
        ({"records": [record(0, tenant="tenant1"), record(1), record(2)], "charged": ()}, {"own_answers"}),
        ({"answers": [answer(0, trouble="no end", terminals=()), answer(1), answer(2)]}, {"one_record", "ended_once"}),
        ({"counted": 2.0}, {"metrics_agree"}),
    ],
)
def test_what_breaks_which(changes: dict[str, Any], names: set[str]) -> None:
    assert broken(books(**changes)) == names


def test_what_is_excused() -> None:
    hedged = record(0, attempts=[Attempt("p", "m", 0), Attempt("p", "m", 1, why="hedge")])
    assert broken(books(calls=[call(0), call(0), call(1), call(2)], records=[hedged, record(1), record(2)])) == set()
    assert broken(books(charged=[charged("tenant0", 0.5, limit=0.4, hard=False)])) == set()
    assert broken(books(charged=[charged("tenant0", 0.5, limit=0.4)]), ExpectConfig(overrun_usd=0.1)) == set()
    assert broken(books(counted=None)) == set()
    assert broken(books(charged=[charged("tenant0", 0.1, whole=False)])) == set()


def test_that_a_crash_excuses_its_last_moment_only() -> None:
    lost = {"records": [record(0), record(1)], "charged": [charged("tenant0", 0.25)], "counted": None}
    assert broken(books(**lost, crashes=[(3.55, 3.6)])) == set()
    assert broken(books(**lost, crashes=[(3.65, 3.7)])) == {"nothing_lost"}
    cut = [answer(0), answer(1), answer(2, status=0, trouble="closed")]
    assert broken(books(**{**lost, "answers": cut}, crashes=[(3.5, 3.6)])) == set()
    assert broken(books(**{**lost, "answers": cut}, crashes=[(1.0, 1.1)])) == {"ended_once"}


def test_that_what_a_crash_may_have_lost_is_all_that_a_budget_may_have_too_much() -> None:
    lost = {"records": [record(0), record(1)], "counted": None, "crashes": [(3.55, 3.6)]}
    assert broken(books(**lost, charged=[charged("tenant0", 0.5)])) == set()
    assert broken(books(**lost, charged=[charged("tenant0", 0.75)])) == {"charged_once"}
