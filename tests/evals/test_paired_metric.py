import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar

from llmctl.evals.paired_metric import Method, paired, paired_means

RANDOM = np.random.default_rng(5)


def alone(count: int) -> list[tuple[bool, str]]:
    return [(False, str(at)) for at in range(count)]


def test_right_or_wrong_is_tango_with_the_p_of_an_exact_mcnemar() -> None:
    a, b = (RANDOM.random(200) < 0.8).astype(float), (RANDOM.random(200) < 0.6).astype(float)
    found = paired(a, b, alone(200), Method(0.95))
    table = [[int(((a == one) & (b == two)).sum()) for two in (1, 0)] for one in (1, 0)]
    assert found.p == pytest.approx(float(mcnemar(table, exact=True).pvalue), abs=1e-9)
    assert (found.difference.method, found.difference.n) == ("Tango", 200)
    assert found.one_sided is None


def test_scores_are_t_as_scipy_has_it() -> None:
    a, b = RANDOM.random(80), RANDOM.random(80)
    found = paired(a, b, alone(80), Method(0.9))
    theirs = stats.ttest_rel(a, b)
    assert found.p == pytest.approx(float(theirs.pvalue), abs=1e-9)
    limits = theirs.confidence_interval(0.9)
    assert (found.difference.low, found.difference.high) == pytest.approx((limits.low, limits.high))


def test_skewed_scores_are_resampled_and_the_seed_decides() -> None:
    a = np.where(RANDOM.random(300) < 0.1, RANDOM.random(300), 0.0)
    one, same, other = (paired(a, np.zeros(300), alone(300), Method(0.95, seed)).difference for seed in (1, 1, 2))
    assert "BCa" in one.method
    assert one == same != other


def test_right_or_wrong_in_clusters_is_not_tango() -> None:
    a, b = (RANDOM.random(120) < 0.8).astype(float), (RANDOM.random(120) < 0.6).astype(float)
    found = paired(a, b, [(True, str(at // 3)) for at in range(120)], Method(0.95)).difference
    assert (found.method, found.n) == ("paired t over clusters", 40)


def test_what_never_differs_still_has_a_width() -> None:
    scores = RANDOM.random(60)
    found = paired(scores, scores, [(True, str(at // 2)) for at in range(60)], Method(0.95))
    assert found.difference.method == "Tango over clusters"
    assert found.difference.high == pytest.approx(3.8415 / (30 + 3.8415), abs=1e-4)
    assert found.p == 1.0


def test_non_inferiority_gets_its_narrower_interval() -> None:
    a, b = RANDOM.random(80), RANDOM.random(80)
    found = paired(a, b, alone(80), Method(0.95, one_sided=True))
    assert found.one_sided is not None
    assert found.one_sided.confidence == pytest.approx(0.9)
    assert found.difference.low < found.one_sided.low


def test_what_was_looked_at_is_a_confidence_sequence_without_p() -> None:
    a, b = RANDOM.random(400), RANDOM.random(400)
    found = paired(a, b, [(True, str(at // 4)) for at in range(400)], Method(0.95, horizon=80))
    assert found.difference.method == "asymptotic confidence sequence"
    assert (found.difference.n, found.p) == (100, None)
    assert found.difference.low < paired(a, b, alone(400), Method(0.95)).difference.low


def test_one_cluster_tells_nothing() -> None:
    found = paired_means(np.array([1.0, 0.4]), np.array([0.2, 0.3]), [(True, "c"), (True, "c")], Method(0.95))
    assert (found.difference.low, found.p) == (-np.inf, 1.0)
    assert "one cluster" in found.difference.caution


def test_few_items_that_differ_are_cautioned_of() -> None:
    a = np.full(100, 0.5)
    a[:4] = 0.9
    assert "fewer than 10 items differ" in paired(a, np.full(100, 0.5), alone(100), Method(0.95)).difference.caution
