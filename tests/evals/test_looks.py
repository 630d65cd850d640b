from llmctl.evals.looks import Looks, in_random_order
from llmctl.evals.slots import Posed
from llmctl.evals.suite import DecisionConfig
from llmctl.scoring.base import Sample
from llmctl.scoring.result import Result
from tests.evals.scripted import posed


def result(item: Posed, variant: str, score: float, repeat: int = 0) -> Result:
    return Result(item.sample.id, item.number, repeat, variant, score, score > 0.5)


def test_a_difference_that_is_plain_stops_the_run() -> None:
    items = in_random_order(posed(400), 1)
    looks = Looks(DecisionConfig(), items, ("a", "b"), 1)
    stopped = next(
        at for at, item in enumerate(items) if (looks(result(item, "b", 1.0)), looks(result(item, "a", 0.0)))[1]
    )
    assert stopped < 200
    assert looks.stop is not None
    assert looks.stop.verdict.kind == "B"


def test_an_item_counts_when_all_repeats_of_both_are_there() -> None:
    items = posed(3)
    looks = Looks(DecisionConfig(), items, ("a", "b"), 2)
    for variant, repeat in (("a", 0), ("b", 0), ("b", 1)):
        looks(result(items[0], variant, 1.0, repeat))
    assert looks.sequential.interval() is None
    looks(result(items[0], "a", 0.0, 1))
    interval = looks.sequential.interval()
    assert interval is not None
    assert interval.estimate == -0.5


def test_the_order_is_the_seeds_and_keeps_clusters_together() -> None:
    items = [Posed(at, Sample(f"i{at}", {}, cluster=f"c{at // 2}")) for at in range(20)]
    order = in_random_order(items, 3)
    assert order == in_random_order(items, 3) != in_random_order(items, 4)
    clusters = [item.sample.cluster for item in order]
    assert clusters[::2] == clusters[1::2]
