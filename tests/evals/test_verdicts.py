from typing import Any

import pytest

from llmctl.evals.suite import DecisionConfig
from llmctl.evals.verdicts import checked, judge
from llmctl.statistics.interval import Interval


def interval(low: float, high: float, n: int = 400) -> Interval:
    return Interval((low + high) / 2, low, high, 0.95, n, "made")


@pytest.mark.parametrize(
    ("kind", "margin", "low", "high", "verdict"),
    [
        ("superiority", None, 0.01, 0.05, "A"),
        ("superiority", None, -0.05, -0.01, "B"),
        ("superiority", None, -0.02, 0.01, "inconclusive"),
        ("superiority", 0.03, -0.02, 0.01, "equivalent"),
        ("superiority", 0.03, -0.05, 0.01, "inconclusive"),  # non-inferior, which was not asked
        ("superiority", 0.03, 0.01, 0.02, "A"),
        ("equivalence", 0.03, 0.01, 0.02, "equivalent"),
        ("equivalence", 0.03, 0.01, 0.05, "A"),
        ("equivalence", 0.03, -0.05, 0.02, "inconclusive"),
        ("non_inferiority", 0.03, -0.05, 0.02, "non-inferior"),
        ("non_inferiority", 0.03, 0.01, 0.02, "non-inferior"),  # A is better, by less than matters
        ("non_inferiority", 0.03, 0.01, 0.05, "A"),
        ("non_inferiority", 0.03, -0.01, 0.05, "inconclusive"),
        ("non_inferiority", 0.03, -0.05, -0.01, "B"),
    ],
)
def test_the_question_decides_what_an_interval_answers(
    kind: Any, margin: float | None, low: float, high: float, verdict: str
) -> None:
    assert judge(interval(low, high), DecisionConfig(kind=kind, margin=margin)).kind == verdict


def test_non_inferiority_looks_at_one_limit() -> None:
    config = DecisionConfig(kind="non_inferiority", margin=0.03)
    assert judge(interval(-0.01, 0.035), config).kind == "inconclusive"
    assert judge(interval(-0.01, 0.035), config, one_sided=interval(-0.005, 0.028)).kind == "non-inferior"


def test_a_corrected_p_takes_a_win_away() -> None:
    assert judge(interval(0.01, 0.05), DecisionConfig(), p=0.04).kind == "A"
    taken = judge(interval(0.01, 0.05), DecisionConfig(), p=0.06)
    assert taken.kind == "inconclusive"
    assert taken.words.startswith("inconclusive after correction for several comparisons (p = 0.06): ")


def test_what_is_still_needed_is_told_in_items_and_by_the_power_asked_for() -> None:
    clusters = judge(interval(-0.01, 0.05, n=50), DecisionConfig())
    items = judge(interval(-0.01, 0.05, n=50), DecisionConfig(), items=200)
    sure = judge(interval(-0.01, 0.05, n=50), DecisionConfig(power=0.95), items=200)
    assert clusters.more is not None
    assert items.more == 4 * clusters.more
    assert items.words.startswith(f"inconclusive: {items.more} more items (")
    assert sure.more is not None
    assert sure.more > items.more


def test_nothing_would_tell_a_difference_of_nothing() -> None:
    assert "more items than can be told" in judge(interval(-0.02, 0.02), DecisionConfig()).words


@pytest.mark.parametrize("kind", ["equivalence", "non_inferiority"])
def test_a_question_without_its_margin_is_refused(kind: Any) -> None:
    with pytest.raises(ValueError, match=r"decide.margin: .* needs"):
        judge(interval(0, 1), DecisionConfig(kind=kind))


def test_a_coin_is_no_confidence() -> None:
    with pytest.raises(ValueError, match=r"decide.confidence: needs more than 0\.5"):
        checked(DecisionConfig(confidence=0.5))
