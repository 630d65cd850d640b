import pytest

from llmctl.evals.measured import measure
from llmctl.evals.missing import Missing, missing
from tests.evals.made import answers


def lost(only_a: int, only_b: int, kind: str = "A", filled: str = "A") -> Missing:
    a = [None] * only_a + [1.0] * 60
    b = [0.0] * only_a + [None] * only_b + [0.0] * (60 - only_b)
    return missing(measure(answers(a), "score"), measure(answers(b, "b"), "score"), kind, lambda one, two: filled)


def test_what_is_missing_is_counted_by_side() -> None:
    found = lost(3, 2)
    assert (found.only_a, len(found.only_b), found.both) == (("i0", "i1", "i2"), 2, 0)
    assert found.p == pytest.approx(1.0)
    assert not found.blocked
    assert found.caution == "3 items of A, 2 of B have no value on one side and are left out of the difference"


def test_more_on_one_side_than_chance_explains_blocks_a_verdict_that_may_turn() -> None:
    assert "p = 0.00098" in lost(11, 0, filled="inconclusive").blocked
    assert not lost(11, 0).blocked
    assert "holds whatever they were" in lost(11, 0).caution
    assert not lost(10, 0, filled="B").blocked
    assert "perhaps not by chance (p = 0.002)" in lost(10, 0, filled="B").caution


def test_no_verdict_needs_no_block() -> None:
    assert not lost(30, 0, kind="inconclusive", filled="A").blocked


def test_both_extremes_are_tried() -> None:
    asked: list[tuple[float, float]] = []

    def filled(one: float, two: float) -> str:
        asked.append((one, two))
        return "A"

    a, b = measure(answers([None] * 30), "score"), measure(answers([1.0] * 30, "b"), "score")
    assert missing(a, b, "A", filled).survives
    assert asked == [(0.0, 1.0), (1.0, 0.0)]


def test_what_neither_has_is_no_difference() -> None:
    none = measure(answers([None, None, 1.0]), "score")
    found = missing(none, none, "A", lambda one, two: "B")
    assert (found.both, found.p, found.caution) == (2, 1.0, "")
