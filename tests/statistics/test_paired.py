"""Against scipy and statsmodels to 1e-9, and coverage by simulation."""

import math

import numpy as np
import pytest
import scipy.stats
import statsmodels.api
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from llmctl.statistics.paired import (
    bootstrap_difference,
    cluster_codes,
    cluster_means,
    item_means,
    paired_difference,
)

SCORES = st.integers(2, 40).flatmap(lambda n: arrays(np.float64, (2, n), elements=st.floats(-100, 100, width=32)))


def made(items: int, clusters: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, list[str]]:
    random = np.random.default_rng(seed)
    labels = random.integers(0, clusters, items)
    shared = random.normal(size=clusters)[labels]
    a = random.normal(0.3, 1, items) + shared
    return a, random.normal(0, 1, items), [f"document {label}" for label in labels]


@given(SCORES, st.sampled_from([0.9, 0.95, 0.99]))
@settings(deadline=None)
def test_without_clusters_it_is_the_paired_t(scores: np.ndarray, confidence: float) -> None:
    a, b = scores
    ours = paired_difference(a, b, confidence=confidence)
    assert ours.low <= ours.estimate <= ours.high
    if np.ptp(a - b) > 1e-3:
        theirs = scipy.stats.ttest_rel(a, b)
        interval = theirs.confidence_interval(confidence)
        assert (ours.low, ours.high) == pytest.approx((interval.low, interval.high), rel=1e-9, abs=1e-9)
        assert ours.p == pytest.approx(theirs.pvalue, abs=1e-9)


def test_with_clusters_it_is_the_clustered_regression_on_nothing() -> None:
    a, b, clusters = made(400, 45)
    ours = paired_difference(a, b, clusters)
    codes = cluster_codes(clusters)
    # Their factor is C/(C-1)·(n-1)/(n-k), which is C/(C-1) with a constant alone.
    fit = statsmodels.api.OLS(a - b, np.ones(len(a))).fit(
        cov_type="cluster", cov_kwds={"groups": codes, "df_correction": True}, use_t=True
    )
    assert ours.standard_error == pytest.approx(float(fit.bse[0]), abs=1e-9)
    assert (ours.low, ours.high) == pytest.approx(tuple(fit.conf_int(0.05)[0]), abs=1e-9)
    assert ours.p == pytest.approx(float(fit.pvalues[0]), abs=1e-9)
    assert (ours.n, ours.items, ours.caution) == (45, 400, "")


def test_clusters_of_one_are_no_clusters() -> None:
    a, b, _ = made(50, 5)
    plain, alone = paired_difference(a, b), paired_difference(a, b, list(range(50)))
    assert (alone.low, alone.high) == pytest.approx((plain.low, plain.high), abs=1e-12)


@given(SCORES, st.integers(2, 5))
@settings(deadline=None)
def test_swapped_sides_swap_the_limits(scores: np.ndarray, clusters: int) -> None:
    a, b = scores
    labels = [at % clusters for at in range(scores.shape[1])]
    if len(set(labels)) < 2:
        return
    one, other = paired_difference(a, b, labels), paired_difference(b, a, labels)
    assert (other.low, other.high) == pytest.approx((-one.high, -one.low), rel=1e-9, abs=1e-9)
    assert other.p == pytest.approx(one.p, abs=1e-9)


def test_repeats_are_averaged_per_item() -> None:
    scores = np.array([[1.0, 0.0], [1.0, math.nan], [0.0, 0.0]])
    assert item_means(scores).tolist() == [0.5, 1.0, 0.0]
    with pytest.raises(ValueError, match="a: item 1 has no score at all"):
        item_means([[1.0], [math.nan]], "a")
    ours = paired_difference(scores, [0.0, 0.0, 1.0])
    assert ours.estimate == pytest.approx(0.5 / 3)


def test_means_of_clusters() -> None:
    assert cluster_means([1.0, 5.0, 3.0], ["x", "y", "x"]).tolist() == [2.0, 5.0]


def test_too_few_clusters() -> None:
    with pytest.raises(ValueError, match="needs two clusters at least, got 1"):
        paired_difference([1.0, 2.0], [0.0, 0.0], ["x", "x"])
    with pytest.raises(ValueError, match="needs one per item, got 1 for 2"):
        paired_difference([1.0, 2.0], [0.0, 0.0], ["x"])
    with pytest.raises(ValueError, match="a has 2, b has 1"):
        paired_difference([1.0, 2.0], [0.0])
    a, b, clusters = made(200, 12)
    assert "only 12 clusters" in paired_difference(a, b, clusters).caution


def test_no_spread_tells_no_limits() -> None:
    for ours in (paired_difference([0.1] * 9, [0.0] * 9), bootstrap_difference([0.1] * 9, [0.0] * 9, seed=1)):
        assert (ours.low, ours.high) == (-math.inf, math.inf)
        assert "tells no spread" in ours.caution


@pytest.mark.parametrize("items", [30, 700])
def test_the_bootstrap_is_scipys(items: int) -> None:
    random = np.random.default_rng(items)
    a, b = random.exponential(size=items), random.normal(size=items)
    ours = bootstrap_difference(a, b, seed=5)
    theirs = scipy.stats.bootstrap(
        (a - b,), np.mean, n_resamples=5000, method="BCa", rng=np.random.default_rng(5)
    ).confidence_interval
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=1e-9)


def test_the_bootstrap_takes_whole_clusters() -> None:
    a, b, clusters = made(400, 45)
    ours, clustered = bootstrap_difference(a, b, clusters, seed=1), paired_difference(a, b, clusters)
    assert ours == bootstrap_difference(a, b, clusters, seed=1)
    assert ours.high - ours.low == pytest.approx(clustered.high - clustered.low, rel=0.1)
    alone = bootstrap_difference(a, b, seed=1)
    assert alone.high - alone.low < 0.8 * (ours.high - ours.low)
    with pytest.raises(ValueError, match="5000 or more"):
        bootstrap_difference(a, b, seed=1, resamples=999)


def clustered(random: np.random.Generator) -> tuple[np.ndarray, list[int]]:
    labels = random.integers(0, 60, 240)
    return random.normal(0.1, 1, 240) + random.normal(0, 0.7, 60)[labels], labels.tolist()


def test_coverage() -> None:
    random = np.random.default_rng(11)
    none = np.zeros(240)
    continuous = clusters = 0
    for _ in range(2000):
        ours = paired_difference(random.normal(0.1, 1, 240), none)
        continuous += ours.low <= 0.1 <= ours.high
        values, labels = clustered(random)
        ours = paired_difference(values, none, labels)
        clusters += ours.low <= 0.1 <= ours.high
    assert 0.94 <= continuous / 2000 <= 0.96
    assert 0.94 <= clusters / 2000 <= 0.96
