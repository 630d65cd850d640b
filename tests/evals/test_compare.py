import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests

from llmctl.evals.compare import compare
from llmctl.evals.comparison import as_json
from llmctl.evals.suite import DecisionConfig
from llmctl.model.usage import Cost
from llmctl.scoring.result import Scored
from llmctl.statistics.decide import holm
from tests.evals.made import answers, priced

RANDOM = np.random.default_rng(11)
A = (RANDOM.random(300) < 0.8).astype(float).tolist()
B = (RANDOM.random(300) < 0.6).astype(float).tolist()


def test_a_win_names_its_side_its_interval_and_its_p() -> None:
    found = compare(answers(A, "old"), answers(B, "new"), DecisionConfig())
    first = found.primary[0]
    pairs = list(zip(A, B, strict=True))
    table = [[pairs.count((one, two)) for two in (1.0, 0.0)] for one in (1.0, 0.0)]
    assert found.kind == "A"
    assert first.p == pytest.approx(float(mcnemar(table, exact=True).pvalue), abs=1e-9)
    assert found.verdict.startswith("A is better by 0.")
    assert "[A is old, B is new]" in found.verdict
    assert first.a is not None
    assert first.a.method == "Wilson"


def test_pairs_are_made_by_item_whatever_the_order() -> None:
    scores = RANDOM.random(100)
    other = scores + 0.01 * RANDOM.random(100)
    straight = compare(answers(scores.tolist()), answers(other.tolist(), "b"), DecisionConfig())
    shuffled = answers(other.tolist(), "b")[::-1]
    assert compare(answers(scores.tolist()), shuffled, DecisionConfig()).primary == straight.primary
    assert straight.primary[0].p == pytest.approx(float(stats.ttest_rel(scores, other).pvalue), abs=1e-9)


def test_items_of_one_side_are_counted_and_named() -> None:
    found = compare(answers(A), answers(B[:-15], "b"), DecisionConfig())
    assert found.primary[0].items == 285
    assert found.a.only_here == tuple(f"i{at}" for at in range(285, 300))
    assert found.b.only_here == ()
    assert any(one.startswith("15 items are only in A and are left out: i285, i286") for one in found.cautions)
    assert not any("i295" in one for one in found.cautions)


def test_errors_are_told_and_no_score_of_nothing() -> None:
    found = compare(answers([*A[:-2], None, None]), answers(B, "b"), DecisionConfig())
    assert (found.a.errors, found.b.errors, found.primary[0].items) == (2, 0, 298)
    assert found.a.unscored == ("i298", "i299")
    assert "2 of 300 answers of A are errors" in found.cautions
    assert found.primary[0].unknown == (2, 0)
    assert found.kind == "A"


def test_answers_missing_on_one_side_block_a_verdict_that_they_could_turn() -> None:
    lost = [None if score == 0.0 and at % 2 else score for at, score in enumerate(B)]
    found = compare(answers(B), answers(lost, "b"), DecisionConfig())
    assert found.kind == "inconclusive"  # nothing is claimed, so nothing can be turned
    better = answers([1.0] * 240 + [None] * 60), answers([0.0] * 20 + [1.0] * 280, "b")
    blocked = compare(*better, DecisionConfig())
    assert blocked.kind == "blocked"
    assert blocked.verdict.startswith("no verdict: answers are missing on one side more than chance explains")
    assert blocked.more is None


def test_each_primary_metric_loses_its_own_verdict() -> None:
    def scored(values: list[float | None]) -> list[list[Scored]]:
        return [[Scored("tone", "rubric", value, None)] for value in values]

    one: list[float | None] = [*[1.0] * 240, *[None] * 60]
    other: list[float | None] = [*[0.0] * 20, *[1.0] * 280]
    found = compare(
        answers(A, scored=scored(one)), answers(B, "b", scored=scored(other)), DecisionConfig(also=["tone"])
    )
    tone = found.named("tone").verdict
    assert tone is not None
    assert found.kind == "A"
    assert (tone.kind, tone.words[:10]) == ("inconclusive", "no verdict")


def test_a_verdict_that_holds_whatever_was_missing_stands() -> None:
    found = compare(answers([1.0] * 280 + [None] * 20), answers([0.0] * 300, "b"), DecisionConfig())
    assert found.kind == "A"
    assert any("the verdict holds whatever they were" in one for one in found.cautions)


def test_primary_metrics_are_corrected_together() -> None:
    def scored(values: list[float]) -> list[list[Scored]]:
        return [[Scored("tone", "rubric", value, value > 0.5)] for value in values]

    rng = np.random.default_rng(1)
    tone, noise = rng.random(300), rng.normal(size=300)
    noise -= noise.mean()
    a = answers(A[:300], scored=scored(tone.tolist()))
    b = answers(A[:300], "b", scored=scored((tone - 0.0122 + 0.1 * noise).tolist()))
    alone = compare(a, b, DecisionConfig(metric="tone")).named("tone")
    family = compare(a, b, DecisionConfig(also=["tone", "passed"])).named("tone")
    assert alone.p == family.p
    assert alone.p is not None
    assert alone.verdict is not None
    assert family.verdict is not None
    assert family.verdict.p == pytest.approx(float(holm([1.0, alone.p, 1.0])[1]))
    assert alone.verdict.kind == "A"
    assert family.verdict.kind == "inconclusive"


def test_slices_are_corrected_by_benjamini_and_hochberg() -> None:
    kinds = [{"kind": "abcd"[at % 4]} for at in range(300)]
    found = compare(answers(A, columns=kinds), answers(B, "b", columns=kinds), DecisionConfig(slices=["kind"]))
    slices = [one for one in found.estimates if one.role == "slice"]
    assert [one.name for one in slices] == ["kind=a", "kind=b", "kind=c", "kind=d"]
    raw = [one.p for one in slices]
    adjusted = multipletests(raw, method="fdr_bh")[1]
    assert [one.verdict.p for one in slices if one.verdict] == pytest.approx(adjusted.tolist())


def test_cost_and_latency_stand_beside_and_are_in_the_words() -> None:
    usd = RANDOM.random(300) * 0.001
    a = answers(A, cost=priced(*usd), seconds=(RANDOM.random(300) + 1).tolist())
    b = answers(B, "b", cost=priced(*(usd / 2)), seconds=(RANDOM.random(300) + 1.5).tolist())
    found = compare(a, b, DecisionConfig())
    cost, latency = found.named("cost").difference, found.named("latency").difference
    assert cost is not None
    assert latency is not None
    assert cost.low < float(usd.mean()) / 2 < cost.high
    assert latency.low < -0.5 < latency.high
    assert "B costs $0.000" in found.verdict
    assert "A takes 0." in found.verdict


def test_what_has_no_price_is_counted_not_taken_for_free() -> None:
    cost = [Cost(0.001 * (1 + at % 3), "exact") if at % 5 else Cost() for at in range(300)]
    found = compare(answers(A, cost=cost), answers(B, "b", cost=Cost(0.001, "exact")), DecisionConfig())
    assert found.named("cost").items == 240
    assert found.named("cost").unknown == (60, 0)
    assert "cost: 60 answers of A and 0 of B have no price, or part of one" in found.cautions
    free = compare(answers(A), answers(B, "b"), DecisionConfig()).named("cost")
    assert (free.difference, free.note) == (None, "no item has a price on both sides")


def test_cached_answers_tell_no_latency() -> None:
    found = compare(answers(A, seconds=0.0, cached=True), answers(B, "b", seconds=2.0), DecisionConfig())
    assert found.named("latency").note == "no item was answered afresh and timed on both sides"


def test_what_was_looked_at_says_so_and_is_wider() -> None:
    once = compare(answers(A), answers(B, "b"), DecisionConfig()).primary[0].difference
    found = compare(answers(A), answers(B, "b"), DecisionConfig(also=["passed"]), horizon=200)
    looked = found.primary[0].difference
    assert once is not None
    assert looked is not None
    assert found.looked
    assert looked.confidence == pytest.approx(0.975)
    assert looked.low < once.low < once.high < looked.high
    assert any("their intervals are for one look" in one for one in found.cautions)


def test_equal_sides_are_equivalent_when_a_margin_says_what_matters() -> None:
    assert compare(answers(A), answers(A, "b"), DecisionConfig(margin=0.03)).kind == "equivalent"
    assert compare(answers(A), answers(A, "b"), DecisionConfig()).kind == "inconclusive"


def test_nothing_to_pair_is_refused() -> None:
    with pytest.raises(ValueError, match="no item has a value on both sides: A has 1 items with one, B has 0"):
        compare(answers([1.0]), answers([None], "b"), DecisionConfig())
    with pytest.raises(ValueError, match="style: no item has a value on both sides"):
        compare(answers(A), answers(B, "b"), DecisionConfig(metric="style"))


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.integers(0, 9)), min_size=20, max_size=120), st.booleans())
def test_taken_the_other_way_round_it_says_the_same(pairs: list[tuple[bool, bool, int]], clustered: bool) -> None:
    names = [f"c{cluster}" if clustered else "" for _, _, cluster in pairs]
    a = answers([float(one) for one, _, _ in pairs], cluster=names)
    b = answers([float(two) for _, two, _ in pairs], "b", cluster=names)
    config = DecisionConfig(margin=0.2)
    straight, turned = compare(a, b, config).primary[0], compare(b, a, config).primary[0]
    assert straight.difference is not None
    assert turned.difference is not None
    back = turned.difference.swapped()
    limits = (straight.difference.estimate, straight.difference.low, straight.difference.high)
    assert limits == pytest.approx((back.estimate, back.low, back.high), abs=0.02 if "BCa" in back.method else 1e-9)
    assert straight.p == pytest.approx(turned.p)


def test_json_has_no_infinities() -> None:
    found = compare(answers([0.2, 0.4]), answers([0.1, 0.3], "b"), DecisionConfig())
    told = json.loads(json.dumps(as_json(found), allow_nan=False))
    assert told["estimates"][0]["difference"]["low"] is None
    assert told["kind"] == "inconclusive"
