import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmctl.guards.measure import Binary, Rate, auc, binary, percentile, rate, spans


def rows(seed: int, n: int, levels: int) -> tuple[list[bool], list[float]]:
    rng = random.Random(seed)
    labels = [rng.random() < 0.3 for _ in range(n)]
    return labels, [rng.randrange(levels) / levels + 0.2 * label for label in labels]


def test_a_rate_has_wilsons_interval_or_nothing() -> None:
    value, low, high = rate(10, 10)
    assert (value, high) == (1.0, 1.0)
    assert low == pytest.approx(0.72246721)
    assert rate(0, 0) == Rate(None, None, None)


@pytest.mark.parametrize("levels", [1, 2, 5, 1_000_000])
@pytest.mark.parametrize("seed", range(5))
def test_auc_and_rates_agree_with_scikit_learn(seed: int, levels: int) -> None:
    metrics = pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed")
    labels, scores = rows(seed, 500, levels)
    assert auc(labels, scores) == pytest.approx(metrics.roc_auc_score(labels, scores), abs=1e-9)
    flagged = [score > 0.5 for score in scores]
    counts = binary(labels, flagged)
    zero = {"zero_division": 0}
    assert counts.precision.value or pytest.approx(metrics.precision_score(labels, flagged, **zero), abs=1e-9) == 0.0
    assert counts.recall.value == pytest.approx(metrics.recall_score(labels, flagged, **zero), abs=1e-9)
    assert counts.f1 == pytest.approx(metrics.f1_score(labels, flagged, **zero), abs=1e-9)
    assert sum(counts) == 500


@given(st.lists(st.tuples(st.booleans(), st.sampled_from([0.0, 0.25, 0.5, 1.0])), max_size=30))
def test_auc_is_the_share_of_pairs_in_order(pairs: list[tuple[bool, float]]) -> None:
    bad = [score for label, score in pairs if label]
    good = [score for label, score in pairs if not label]
    found = auc([label for label, _ in pairs], [score for _, score in pairs])
    if not bad or not good:
        assert found is None
        return
    wins = sum((b > g) + 0.5 * (b == g) for b in bad for g in good)
    assert found == pytest.approx(wins / (len(bad) * len(good)))


def test_nothing_to_divide_by() -> None:
    empty = Binary(0, 0, 0, 0)
    assert (empty.precision.value, empty.recall.value, empty.fpr.value, empty.f1) == (None, None, None, None)
    assert Binary(0, 0, 3, 5).f1 == 0.0
    assert Binary(0, 1, 0, 3).fpr.value == 0.25
    with pytest.raises(ValueError, match="zip"):
        binary([True], [])


def test_spans_count_once() -> None:
    gold = [[("email", 0, 5), ("phone", 9, 12)], [("email", 0, 5)], []]
    found = [[("email", 0, 5), ("email", 9, 12)], [("email", 1, 3), ("email", 3, 6)], []]
    score = spans(gold, found)
    assert (score.gold, score.found) == (3, 4)
    assert score.precision.value == 0.25
    assert score.recall.value == pytest.approx(1 / 3)
    assert score.f1 == pytest.approx(2 / 7)
    assert score.overlap_f1 == pytest.approx(4 / 7)
    assert spans([[]], [[]]).f1 is None
    with pytest.raises(ValueError, match="zip"):
        spans([[]], [])


PLACES = st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 6), st.integers(7, 12)), max_size=5)


@given(st.lists(st.tuples(PLACES, PLACES), max_size=5))
def test_spans_are_symmetric_and_perfect_with_themselves(pairs: list[tuple[list[tuple[str, int, int]], ...]]) -> None:
    gold, found = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    there, back = spans(gold, found), spans(found, gold)
    assert (there.f1, there.precision, there.recall) == (back.f1, back.recall, back.precision)
    assert there.f1 is None or there.overlap_f1 is None or there.f1 <= there.overlap_f1 <= 1
    if any(gold):
        assert spans(gold, gold).f1 == 1.0


def test_percentiles_are_values_that_occur() -> None:
    values = [float(value) for value in range(100, 0, -1)]
    assert (percentile(values, 0.5), percentile(values, 0.99), percentile(values, 1.0)) == (50.0, 99.0, 100.0)
    assert percentile([3.0], 0.01) == 3.0
    assert percentile([], 0.5) is None
