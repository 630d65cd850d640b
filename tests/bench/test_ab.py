"""The A/B evidence in small: its numbers agree with other libraries, and stay within what chance allows."""

import numpy as np
import pytest
from scipy import stats

from bench import ab

needs_data = pytest.mark.skipif(not ab.DATA.is_file(), reason=f"{ab.DATA} is not there: it is shared data, not ours")


@needs_data
def test_verdicts_on_recorded_outputs_agree_with_statsmodels_and_scipy() -> None:
    models, *same = ab.recorded()
    assert models["verdict"] == models["verdict_by_statsmodels"] == models["verdict_by_scipy"] == "B"
    assert models["p"] == pytest.approx(models["statsmodels_mcnemar_p"], rel=1e-9)
    assert models["tango"] == pytest.approx(models["scipy_t_limits"], abs=1e-3)
    assert len(same) == 2
    for halves in same:
        assert halves["verdict"] == halves["verdict_by_statsmodels"] == halves["verdict_by_scipy"] == "inconclusive"
        assert halves["p"] == pytest.approx(halves["statsmodels_mcnemar_p"], rel=1e-9)


@needs_data
def test_halves_of_one_model_are_told_apart_no_more_often_than_alpha() -> None:
    results = ab.recorded_results(ab.MINI)
    wrong = sum(ab.told(*ab.halves(results, seed))["verdict"] in ("A", "B") for seed in range(100))
    assert wrong <= stats.binom.ppf(0.999, 100, 0.05)


def test_looking_at_every_item_alarms_no_more_often_than_alpha() -> None:
    found = ab.false_alarms(60, items=400)
    assert max(found.values()) <= stats.binom.ppf(0.999, 60, 0.05) / 60


@pytest.mark.parametrize("case", ab.CASES)
def test_intervals_hold_the_truth(case: str) -> None:
    random = np.random.default_rng(6)
    held = sum(ab.holds(*ab.CASES[case](random)) for _ in range(100))
    assert held >= stats.binom.ppf(0.001, 100, 0.94)


def test_a_true_gain_stops_the_sequence_early() -> None:
    rows = {row["power"]: row for row in ab.three_points(40)}
    assert rows[0.95]["fixed_items"] == 2442
    assert rows[0.95]["mean_items"] < rows[0.95]["budget"]
    assert rows[0.99]["fewer"] > rows[0.8]["fewer"]
