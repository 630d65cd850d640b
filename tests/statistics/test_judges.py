import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.inter_rater import cohens_kappa

from llmctl.statistics.judges import kappa, prediction_powered, self_consistency

LABELS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=4, max_size=80)


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")  # theirs, where the variance is 0
@given(LABELS)
@settings(deadline=None)
def test_kappa(pairs: list[tuple[int, int]]) -> None:
    one, two = [a for a, _ in pairs], [b for _, b in pairs]
    if len({*one, *two}) == 1:
        with pytest.raises(ValueError, match="single label"):
            kappa(one, two)
        return
    table = np.zeros((4, 4))
    np.add.at(table, (one, two), 1)
    theirs, ours = cohens_kappa(table), kappa(one, two)
    assert ours.estimate == pytest.approx(theirs.kappa, abs=1e-9)
    assert bool(ours.caution) == (one == two)
    if one == two:
        assert (ours.low, ours.high) == (-1, 1)
        return
    half = scipy.stats.norm.ppf(0.975) * np.sqrt(max(theirs.var_kappa, 0))
    assert (ours.low, ours.high) == pytest.approx((max(-1, theirs.kappa - half), min(1, theirs.kappa + half)), abs=1e-7)
    assert ours.low <= ours.estimate <= ours.high


def judged(random: np.random.Generator, n: int, many: int, skill: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    truth = (random.random(n + many) < 0.6).astype(np.float64)
    knows = random.random(n + many) < skill
    f = np.where(knows, truth, random.random(n + many) < 0.7)
    return truth[:n], f[:n], f[n:]


def test_the_estimate_is_the_formula() -> None:
    y, f, others = judged(np.random.default_rng(0), 150, 2000, 0.7)
    ours = prediction_powered(y, f, others)
    power = np.cov(y, f)[0, 1] / ((1 + 150 / 2000) * np.concatenate([f, others]).var(ddof=1))
    estimate = power * others.mean() + (y - power * f).mean()
    error = np.sqrt(power**2 * others.var(ddof=1) / 2000 + (y - power * f).var(ddof=1) / 150)
    half = scipy.stats.norm.ppf(0.975) * error
    assert (ours.low, ours.estimate, ours.high) == pytest.approx((estimate - half, estimate, estimate + half), abs=1e-9)
    assert ours.n == 150


def test_a_good_judge_narrows_and_a_bad_one_takes_nothing() -> None:
    random = np.random.default_rng(1)
    widths = []
    for skill in (0.0, 0.5, 0.95):
        y, f, others = judged(random, 300, 5000, skill)
        ours = prediction_powered(y, f, others)
        plain = 2 * 1.96 * y.std(ddof=1) / np.sqrt(300)
        widths.append((ours.high - ours.low) / plain)
    assert widths[0] <= 1.01
    assert widths == sorted(widths, reverse=True)
    assert widths[2] < 0.5
    flat = prediction_powered([0.0, 1.0, 1.0], [1.0] * 3, [1.0] * 9)
    assert flat.estimate == pytest.approx(2 / 3)


def test_labels_all_alike_tell_no_limits() -> None:
    ours = prediction_powered([1.0] * 20, [1.0, 0.0] * 10, [1.0, 0.0] * 200)
    assert (ours.estimate, ours.high) == (1, math.inf)
    assert "tells no spread" in ours.caution


def test_coverage() -> None:
    random = np.random.default_rng(2)
    covered = 0
    for _ in range(2000):
        ours = prediction_powered(*judged(random, 300, 2000, 0.8))
        covered += ours.low <= 0.6 <= ours.high
    assert 0.94 <= covered / 2000 <= 0.96


def test_self_consistency() -> None:
    ours = self_consistency(["first", "second", "first", "tie"], ["second", "first", "first", "tie"])
    assert ours.consistent.estimate == 0.75
    assert ours.first.estimate == pytest.approx(4 / 6)
    with pytest.raises(ValueError, match="each pair in both orders, got 1 and 0"):
        self_consistency(["first"], [])
    with pytest.raises(ValueError, match="every pair a tie"):
        self_consistency(["tie"], ["tie"])


def test_labels_must_pair_up() -> None:
    with pytest.raises(ValueError, match="both labels of each item"):
        kappa([1, 2], [1])
