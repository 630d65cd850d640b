import numpy as np
import pytest

from llmctl.evals.gate import gate, gates
from llmctl.evals.suite import GateConfig
from tests.evals.made import answers


def scores(right: int, wrong: int, missing: int = 0) -> list[float | None]:
    return [1.0] * right + [0.0] * wrong + [None] * missing


@pytest.mark.parametrize(
    ("right", "wrong", "missing", "verdict"),
    [
        (95, 5, 0, "pass"),
        (85, 15, 0, "inconclusive"),
        (60, 40, 0, "fail"),
        (95, 5, 20, "inconclusive"),  # were they all wrong it would not pass
        (60, 40, 60, "inconclusive"),  # were they all right it would not fail
        (950, 50, 5, "pass"),
        (300, 400, 20, "fail"),
        (0, 0, 10, "inconclusive"),
    ],
)
def test_the_interval_decides_and_what_is_missing_does_not_help(
    right: int, wrong: int, missing: int, verdict: str
) -> None:
    assert gate("a", answers(scores(right, wrong, missing)), GateConfig(metric="passed", least=0.8)).verdict == verdict


def test_the_words_say_the_interval_and_what_is_asked() -> None:
    found = gate("a", answers(scores(95, 5, 20)), GateConfig(metric="passed", least=0.8))
    assert found.words == (
        "a: inconclusive: passed 0.95 (0.95 interval 0.8882 to 0.9785, n = 100, Wilson), at least 0.8 is asked; 20 "
        "items have no value, and what they might have been decides"
    )


def test_scores_are_gated_over_clusters() -> None:
    values = np.random.default_rng(1).normal(0.8, 0.05, 120).tolist()
    found = gate("a", answers(values, cluster=[f"c{at // 4}" for at in range(120)]), GateConfig(least=0.75))
    assert found.interval is not None
    assert (found.verdict, found.interval.method, found.interval.n) == ("pass", "t over clusters", 30)


def test_the_variant_is_the_one_that_is_named() -> None:
    both = {"old": answers(scores(60, 40)), "new": answers(scores(95, 5), "new")}
    assert [one.verdict for one in gates(both, GateConfig(least=0.8))] == ["fail", "pass"]
    assert [one.variant for one in gates(both, GateConfig(least=0.8, variant="new"))] == ["new"]
    with pytest.raises(ValueError, match="there is no variant 'x'; there are old, new"):
        gates(both, GateConfig(least=0.8, variant="x"))


def test_only_a_pass_holds_unless_inconclusive_is_allowed() -> None:
    passed, unsure, failed = (
        gate("a", answers(scores(*counts)), GateConfig(least=0.8)) for counts in ((95, 5), (85, 15), (60, 40))
    )
    assert [one.holds() for one in (passed, unsure, failed)] == [True, False, False]
    assert [one.holds(allow_inconclusive=True) for one in (passed, unsure, failed)] == [True, True, False]
