"""What belongs together in the books."""

from llmctl.chaos.books import Books
from tests.chaos.test_invariants import answer, call, record


def test_that_an_answer_has_its_record_and_its_calls() -> None:
    books = Books([answer(0), answer(1)], [record(0), record(1), record(1)], [call(0), call(0)])
    found = books.record(answer(0))
    assert found is not None
    assert found.id == "tenant0-method-0"
    assert books.record(answer(1)) is None
    assert {id_: len(calls) for id_, calls in books.asked.items()} == {"tenant0-method-0": 2}


def test_what_is_near_a_crash() -> None:
    books = Books([], [], [], crashes=[(1.55, 1.7)], forgiven_s=0.1)
    assert books.near_crash(answer(0))  # due at 1.0, ended at 1.5
    assert not Books([], [], [], crashes=[(1.65, 1.7)], forgiven_s=0.1).near_crash(answer(0))
    assert not Books([], [], [], crashes=[(0.8, 0.9)], forgiven_s=0.1).near_crash(answer(0))
