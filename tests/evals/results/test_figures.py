import pytest

from llmctl.evals.results.figures import figures
from llmctl.model.usage import Cost
from tests.evals.made import answers, run_of
from tests.evals.results.hostile import hostile


def test_counts_money_and_times_are_of_each_variant() -> None:
    first, second = figures(hostile())
    assert (first.items, first.answers, first.passed, first.failed) == (4, 4, 2, 0)
    assert (first.unscored, first.errors, second.failed) == (1, 1, 1)
    assert first.cost.usd == pytest.approx(0.102)
    assert first.cost.unpriced == 2
    assert [metric.name for metric in first.metrics] == ["score", "passed", "tone"]
    assert [metric.unscored for metric in first.metrics] == [2, 2, 2]
    assert (first.prompt_tokens, first.completion_tokens) == (48, 24)
    assert first.p50 is not None
    assert first.p50.estimate == 1.5


def test_what_was_cached_is_not_paid_again_and_tells_no_time() -> None:
    cached = answers(
        [1.0, 1.0], cost=Cost(0.5, "exact"), judging=Cost(0.25, "exact"), cached=[True, False], seconds=[9.0, 1.0]
    )
    (found,) = figures(run_of(cached))
    assert (found.cost.usd, found.judging.usd, found.paid.usd, found.cached) == (1.0, 0.5, 1.0, 1)
    assert found.p95 is not None
    assert found.p95.estimate == 1.0


def test_a_run_of_errors_has_no_intervals() -> None:
    (found,) = figures(run_of(answers([None, None])))
    assert [metric.interval for metric in found.metrics] == [None, None]
    assert (found.errors, found.p50, found.judging.usd) == (2, None, 0)
