import numpy as np
import pytest
from statsmodels.stats.proportion import proportion_confint

from llmctl.evals.measured import dollars, mean_interval, measure, metric_names, per_cluster, seconds, skewness, units
from llmctl.model.usage import Cost
from llmctl.scoring.result import Result, Scored
from tests.evals.made import answers


def test_repeats_are_averaged_and_what_has_no_value_is_counted() -> None:
    results = [*answers([1.0, 0.0, None, None]), *answers([0.0, None, 1.0, None], repeat=1)]
    found = measure(results, "score")
    assert found.values == {"i0": 0.5, "i1": 0.0, "i2": 1.0}
    assert found.unscored == ("i3",)
    assert (found.lacking, found.results) == (4, 8)


def test_a_repeat_that_is_there_twice_counts_as_it_is_there_last() -> None:
    assert measure([*answers([None]), *answers([1.0])], "score").values == {"i0": 1.0}


def test_a_metric_of_several_scorers_is_their_weighted_mean() -> None:
    scored = [
        Scored("tone", "regex", 1.0, True, 3),
        Scored("tone", "llm-rubric", 0.0, False),
        Scored("x", "x", 1, True),
    ]
    results = answers([0.5], scored=[scored])
    assert measure(results, "tone").values == {"i0": 0.75}
    assert metric_names(results) == ["score", "passed", "tone", "x"]
    weightless = [Scored("tone", "regex", 1.0, True, 0), Scored("tone", "rubric", 0.0, False, 0)]
    assert measure(answers([0.5], scored=[weightless]), "tone").values == {"i0": 0.5}
    unscored = answers([0.5], scored=[[Scored("tone", "regex", None, None)]])
    assert measure(unscored, "tone").unscored == ("i0",)


@pytest.mark.parametrize(
    ("cost", "usd"),
    [(Cost(0.5, "exact"), 0.5), (Cost(0.5, "estimated"), 0.5), (Cost(0.5, "partial"), None), (Cost(), None)],
)
def test_a_cost_that_is_not_whole_is_none(cost: Cost, usd: float | None) -> None:
    assert measure(answers([1.0], cost=cost), "cost", dollars).values.get("i0") == usd


def test_a_scorer_may_be_called_cost() -> None:
    results = answers([1.0], cost=Cost(0.5, "exact"), scored=[[Scored("cost", "cost", 0.9, True)]])
    assert measure(results, "cost").values == {"i0": 0.9}


def test_the_time_of_an_error_is_no_latency() -> None:
    assert measure(answers([1.0, None], seconds=2.0), "latency", seconds).values == {"i0": 2.0}


def test_right_or_wrong_is_wilson_and_clusters_are_t() -> None:
    values = np.array([1.0] * 30 + [0.0] * 10)
    alone = units([f"i{at}" for at in range(40)], {f"i{at}": "" for at in range(40)})
    found = mean_interval(values, alone, 0.95)
    assert found is not None
    assert (found.low, found.high) == pytest.approx(proportion_confint(30, 40, 0.05, "wilson"))
    clustered = mean_interval(values, [(True, str(at // 4)) for at in range(40)], 0.95)
    assert clustered is not None
    assert (clustered.method, clustered.n) == ("t over clusters", 10)


def test_clusters_that_all_say_the_same_still_have_a_width() -> None:
    found = mean_interval(np.ones(20), [(True, str(at // 2)) for at in range(20)], 0.95)
    assert found is not None
    assert (found.low, found.high) == pytest.approx(proportion_confint(10, 10, 0.05, "wilson"))


def test_one_cluster_and_nothing_have_no_limits() -> None:
    found = mean_interval(np.array([0.2, 0.4]), [(True, "c"), (True, "c")], 0.95)
    assert found is not None
    assert (found.low, found.high) == (-np.inf, np.inf)
    assert mean_interval(np.array([]), [], 0.95) is None


def test_an_item_without_a_cluster_is_not_in_the_cluster_of_its_name() -> None:
    assert units(["x", "y"], {"x": "", "y": "x"}) == [(False, "x"), (True, "x")]


def test_one_value_per_cluster_and_skewness() -> None:
    assert per_cluster(np.array([1.0, 0.0, 0.5]), [(True, "a"), (True, "a"), (False, "b")]).tolist() == [0.5, 0.5]
    assert skewness(np.array([0.0, 0.0, 0.0, 1.0])) == pytest.approx(1.1547, abs=1e-4)
    assert skewness(np.ones(3)) == 0.0


def test_an_empty_run_has_the_two_metrics_that_every_run_has() -> None:
    nothing: list[Result] = []
    assert metric_names(nothing) == ["score", "passed"]
