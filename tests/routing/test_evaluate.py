from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import auc

from llmctl.routing import evaluate
from llmctl.routing.evaluate import Answered, Curve, cascade, cpt, curve, figures, price, routing, saving

DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "routing"
RNG = np.random.default_rng(11)


def sample(n: int = 400) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores that know something: where they are high the strong model is more often the only one to be right."""
    scores = RNG.random(n)
    strong, weak = RNG.random(n) < 0.8, RNG.random(n) < 0.75 - 0.4 * scores
    return scores, strong.astype(float), weak.astype(float)


def brute(scores: np.ndarray, strong: np.ndarray, weak: np.ndarray) -> tuple[list[float], list[float]]:
    """Calls and PGR at each number of calls, scores being all different."""
    order = sorted(range(len(scores)), key=lambda at: -scores[at])
    low, high = weak.mean(), strong.mean()
    calls, pgr = [], []
    for k in range(len(order) + 1):
        quality = sum(strong[at] if place < k else weak[at] for place, at in enumerate(order)) / len(order)
        calls.append(k / len(order))
        pgr.append((quality - low) / (high - low))
    return calls, pgr


def test_the_curve_is_that_of_brute_force() -> None:
    scores, strong, weak = sample()
    found = curve(scores, strong, weak)
    assert found is not None
    calls, pgr = brute(scores, strong, weak)
    np.testing.assert_allclose(found.calls, calls, atol=1e-12)
    np.testing.assert_allclose(found.pgr, pgr, atol=1e-9)


def test_apgr_is_the_area_that_sklearn_finds() -> None:
    scores, strong, weak = sample()
    found = curve(scores, strong, weak)
    assert found is not None
    assert figures(found).apgr == pytest.approx(auc(*brute(scores, strong, weak)), abs=1e-9)


@pytest.mark.parametrize("level", [0.1, 0.5, 0.8, 1.0])
def test_cpt_is_the_first_call_that_reaches_the_level(level: float) -> None:
    scores, strong, weak = sample()
    found = curve(scores, strong, weak)
    assert found is not None
    calls, pgr = brute(scores, strong, weak)
    first = next(at for at, value in enumerate(pgr) if value >= level - 1e-12)
    assert calls[first - 1] < cpt(found, level) <= calls[first] + 1e-12


def test_saving_keeps_the_quality_and_not_a_call_more() -> None:
    scores, strong, weak = sample()
    found = curve(scores, strong, weak)
    assert found is not None
    for quality in (0.95, 0.99):
        at = 1 - saving(found, quality)
        reached = found.weak + np.interp(at, found.calls, found.pgr) * (found.strong - found.weak)
        assert reached == pytest.approx(quality * found.strong)


def test_a_weak_model_that_is_good_enough_saves_everything() -> None:
    found = Curve(np.array([0.0, 1.0]), np.array([0.0, 1.0]), 0.96, 1.0)
    assert saving(found, 0.95) == 1
    assert saving(found, 0.99) == pytest.approx(0.25)


def test_ties_are_the_mean_over_their_orders() -> None:
    scores, strong, weak = sample(60)
    coarse = np.round(scores * 4)
    found = curve(coarse, strong, weak)
    assert found is not None
    areas = []
    for _ in range(4000):
        one = curve(coarse + RNG.random(60) * 0.1, strong, weak)
        assert one is not None
        areas.append(figures(one).apgr)
    assert figures(found).apgr == pytest.approx(np.mean(areas), abs=4 * np.std(areas) / 4000**0.5 + 1e-9)


def test_scores_all_alike_are_the_random_router() -> None:
    _, strong, weak = sample()
    found = routing(np.zeros(400), strong, weak, resamples=50)
    assert found.value == pytest.approx(found.random)
    assert found.random[:3] == pytest.approx((0.5, 50, 80))


def test_counts_are_rows_written_so_often() -> None:
    scores, strong, weak = sample(50)
    counts = RNG.integers(0, 4, 50)
    one = curve(scores, strong, weak, counts.astype(float))
    other = curve(*(np.repeat(values, counts) for values in (scores, strong, weak)))
    assert one is not None
    assert other is not None
    assert figures(one) == pytest.approx(figures(other))


def test_a_strong_model_that_is_no_better_is_refused() -> None:
    with pytest.raises(ValueError, match="nothing to route"):
        routing([1, 2], [True, False], [False, True])


def test_the_same_seed_gives_the_same_intervals() -> None:
    rows = sample()
    assert routing(*rows, resamples=100, seed=4) == routing(*rows, resamples=100, seed=4)
    assert routing(*rows, resamples=100, seed=4) != routing(*rows, resamples=100, seed=5)


def test_intervals_are_none_where_the_gap_is_in_doubt() -> None:
    found = routing([3, 2, 1], [True, True, False], [False, True, False], resamples=200)
    assert found.interval is None
    assert found.random_interval is None


def test_intervals_cover() -> None:
    """APGR of 40 samples of a population whose APGR is known: nominal 95%, at least 85% of so few."""
    truth = curve(*sample(200_000))
    assert truth is not None
    hits = 0
    for _ in range(40):
        found = routing(*sample(500), resamples=200)
        assert found.interval is not None
        low, high = found.interval["apgr"]
        hits += low <= figures(truth).apgr <= high
    assert hits >= 34


def answered(answer: str | None, right: bool, cost: float) -> Answered:
    return Answered(answer, right, cost)


def test_a_cascade_by_hand() -> None:
    rows = [
        ((answered("1", True, 1), answered("1", True, 1)), answered("1", True, 8)),  # agree
        ((answered("1", False, 1), answered("2", True, 1)), answered("2", True, 8)),  # do not
        ((answered(None, False, 1), answered(None, False, 1)), answered("3", False, 8)),  # nothing to compare
        ((answered("4", False, 1), answered("4", False, 1)), answered("5", True, 8)),  # agree, both wrong
    ]
    found = cascade(rows, resamples=200)
    assert found.cost.value == pytest.approx((2 + 10 + 10 + 2) / 32)
    assert found.accuracy.value == pytest.approx(2 / 3)
    assert (found.accepted.value, found.precision.value) == (0.5, 0.5)
    assert (found.strong_accuracy, found.cascade_accuracy) == (0.75, 0.5)
    assert found.cost.low <= found.cost.value <= found.cost.high
    assert found == cascade(rows, resamples=200)


def test_a_cascade_without_a_right_answer_is_refused() -> None:
    with pytest.raises(ValueError, match="at least once"):
        cascade([])


def test_what_counts_as_the_same_can_be_given() -> None:
    rows = [((answered("a", True, 1), answered("A", True, 1)), answered("b", True, 8))]
    assert cascade(rows, resamples=2).accepted.value == 0
    assert cascade(rows, same=lambda a, b: a.lower() == b.lower(), resamples=2).accepted.value == 1


def test_percentiles_hold_the_level() -> None:
    low, high = evaluate.percentiles(np.arange(10_001.0))
    assert (low, high) == pytest.approx((250, 9750))


def test_a_price_is_of_both_lengths() -> None:
    assert price((3.0, 15.0), (4_000, 400)) == pytest.approx(1000 * 3e-6 + 100 * 15e-6)


@pytest.mark.skipif(not DATA.is_dir(), reason="../shared/data/routing is not here")
def test_the_cascade_on_zeroeval() -> None:
    from bench.routing import zeroeval

    found = zeroeval(resamples=1_000)
    assert found.n == 1421
    assert found.cost.value <= 0.5
    assert found.accuracy.value >= 0.99
    assert found.accuracy.low >= 0.99
