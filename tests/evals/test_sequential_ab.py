from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmctl.evals.compare import compare
from llmctl.evals.sequential_ab import Planned, Sequential, Stop, shuffled
from llmctl.evals.suite import DecisionConfig
from tests.evals.made import answers


def planned(count: int, per_cluster: int = 1) -> list[Planned]:
    return [Planned(f"i{at}", f"c{at // per_cluster}" if per_cluster > 1 else "") for at in range(count)]


def fed(sequence: Sequential, pairs: list[tuple[float | None, float | None]]) -> Stop | None:
    for at, (a, b) in enumerate(pairs):
        if stop := sequence.on_pair(f"i{at}", a, b):
            return stop
    return None


def test_a_clear_win_stops_early_and_says_what_was_not_asked() -> None:
    stop = fed(Sequential(DecisionConfig(), planned(1000)), [(1.0, float(at % 3 == 0)) for at in range(1000)])
    assert stop is not None
    assert (stop.why, stop.verdict.kind) == ("win", "A")
    assert 50 <= stop.observed < 150
    assert stop.left == 1000 - stop.observed
    assert "may be looked at at any time" in stop.words


def test_nothing_is_said_before_fifty() -> None:
    stop = fed(Sequential(DecisionConfig(), planned(49)), [(1.0, 0.0)] * 49)
    assert stop is not None
    assert (stop.why, stop.verdict.kind, stop.observed, stop.left) == ("spent", "inconclusive", 49, 0)


def test_equivalence_stops_where_a_margin_says_what_matters() -> None:
    rng = Random(1)
    pairs = [(one := float(rng.random() < 0.8), one) for _ in range(2000)]
    stop = fed(Sequential(DecisionConfig(margin=0.1), planned(2000)), list(pairs))
    assert stop is not None
    assert (stop.why, stop.verdict.kind) == ("equivalent", "equivalent")
    assert stop.observed < 400


def test_non_inferiority_stops_before_equivalence_would() -> None:
    pairs = [(float(at % 10 < 5), float(at % 10 in (0, 1, 2, 3, 4, 5))) for at in range(2000)]
    one_sided = fed(Sequential(DecisionConfig(kind="non_inferiority", margin=0.1), planned(2000)), list(pairs))
    assert one_sided is not None
    assert one_sided.why in ("non-inferior", "win")
    assert one_sided.verdict.kind in ("non-inferior", "B")


def test_a_small_win_is_no_answer_to_a_question_of_equivalence() -> None:
    pairs: list[tuple[float | None, float | None]] = [(0.55 + 0.01 * (at % 2), 0.5) for at in range(400)]
    win = fed(Sequential(DecisionConfig(), planned(400)), pairs)
    same = fed(Sequential(DecisionConfig(kind="equivalence", margin=0.2), planned(400)), pairs)
    assert win is not None
    assert same is not None
    assert (win.why, same.why) == ("win", "equivalent")


def test_one_observation_per_cluster_when_all_of_it_is_there() -> None:
    sequence = Sequential(DecisionConfig(), planned(400, per_cluster=4))
    for at in range(4):
        assert sequence.interval() is None
        sequence.add(f"i{at}", 1.0, 0.25 * at)
    found = sequence.interval()
    assert found is not None
    assert (found.n, found.estimate) == (1, 0.625)


@settings(max_examples=20, deadline=None)
@given(st.randoms(use_true_random=False), st.integers(0, 5))
def test_the_order_of_completion_changes_nothing(random: Random, lag: int) -> None:
    rng = np.random.default_rng(3)
    values = [[None if rng.random() < 0.1 else float(one) for one in pair] for pair in rng.random((300, 2))]
    order = sorted(range(300), key=lambda at: at + random.randint(0, 10 * lag))
    one, other = Sequential(DecisionConfig(), planned(300, 2)), Sequential(DecisionConfig(), planned(300, 2))
    for at in range(300):
        one.add(f"i{at}", *values[at])
    for at in order:
        other.add(f"i{at}", *values[at])
    assert one.look() == other.look()
    assert one.look() is not None


def test_a_cluster_is_waited_for_even_where_later_ones_are_there() -> None:
    sequence = Sequential(DecisionConfig(), planned(200))
    for at in range(1, 200):
        sequence.add(f"i{at}", 1.0, 0.0)
    assert sequence.look() is None
    assert sequence.interval() is None
    assert (stop := sequence.on_pair("i0", 1.0, 0.0)) is not None
    assert stop.observed == 50


def test_a_reason_to_stop_stays() -> None:
    sequence = Sequential(DecisionConfig(), planned(200))
    stop = fed(sequence, [(1.0, 0.0)] * 200)
    assert stop is not None
    sequence.add("i150", 0.0, 1.0)
    assert sequence.look() is stop


def test_a_run_that_is_cut_short_says_what_may_be_said() -> None:
    sequence = Sequential(DecisionConfig(), planned(200))
    assert sequence.finish() is None
    for at in range(70):
        assert sequence.on_pair(f"i{at}", float(at % 2), 0.5) is None
    stop = sequence.finish()
    assert stop is not None
    assert (stop.why, stop.observed, stop.left) == ("spent", 70, 130)
    assert sequence.look() is stop is sequence.finish()


def test_what_is_missing_on_one_side_stops_a_win_from_stopping() -> None:
    pairs: list[tuple[float | None, float | None]] = [(1.0, None) if at % 2 else (1.0, 0.0) for at in range(300)]
    sequence = Sequential(DecisionConfig(), planned(300))
    stop = fed(sequence, pairs)
    assert stop is not None
    assert (stop.why, sequence.lacking) == ("spent", [0, 150])


def test_a_cluster_without_any_pair_is_passed_over() -> None:
    sequence = Sequential(DecisionConfig(), planned(60))
    for at in range(60):
        sequence.add(f"i{at}", None if at < 5 else 1.0, 0.0)
    found = sequence.interval()
    assert found is not None
    assert found.n == 50
    assert sequence.look() is not None


def test_it_agrees_with_the_comparison_of_the_same_pairs() -> None:
    values = np.random.default_rng(4).random((300, 2))
    config = DecisionConfig(also=["passed"])
    sequence = Sequential(config, planned(300))
    for at, (a, b) in enumerate(values.tolist()):
        sequence.add(f"i{at}", a, b)
    sides = answers(values[:, 0].tolist()), answers(values[:, 1].tolist(), "b")
    found = compare(*sides, config, horizon=sequence.horizon).primary[0].difference
    mine = sequence.interval()
    assert found is not None
    assert mine is not None
    assert (found.estimate, found.low, found.high) == pytest.approx((mine.estimate, mine.low, mine.high))
    assert (found.confidence, mine.confidence) == pytest.approx((0.975, 0.975))


def test_false_alarms_with_a_look_at_every_item_are_rarer_than_alpha() -> None:
    random, wins, runs = np.random.default_rng(1), 0, 200
    for _ in range(runs):
        uniform = random.random(400)
        pairs: list[tuple[float | None, float | None]] = [(float(one < 0.1), float(one > 0.9)) for one in uniform]
        stop = fed(Sequential(DecisionConfig(), planned(400)), pairs)
        assert stop is not None
        wins += stop.why == "win"
    assert wins / runs <= 0.05


def test_items_that_were_not_planned_or_come_twice_are_refused() -> None:
    sequence = Sequential(DecisionConfig(), planned(60))
    sequence.add("i0", 1.0, 1.0)
    with pytest.raises(ValueError, match="'i0' comes twice"):
        sequence.add("i0", 1.0, 1.0)
    with pytest.raises(ValueError, match="'other' was not planned"):
        sequence.add("other", 1.0, 1.0)
    with pytest.raises(ValueError, match="'i1' is planned twice"):
        Sequential(DecisionConfig(), [Planned("i1"), Planned("i1")])
    with pytest.raises(ValueError, match="nothing is planned"):
        Sequential(DecisionConfig(), [])
    with pytest.raises(ValueError, match=r"decide\.margin"):
        Sequential(DecisionConfig(kind="equivalence"), planned(60))


def test_the_order_to_ask_in_is_by_seed_with_clusters_together() -> None:
    items = [Planned(f"i{at}", f"c{at % 10}" if at < 30 else "") for at in range(50)]
    order = shuffled(items, 1)
    assert sorted(order) == sorted(items)
    assert order == shuffled(items, 1) != shuffled(items, 2)
    places = {cluster: [at for at, one in enumerate(order) if one.cluster == cluster] for cluster in ("c0", "c7")}
    assert all(there[-1] - there[0] == len(there) - 1 for there in places.values())
