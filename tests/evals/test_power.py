import numpy as np
import pytest

from llmctl.evals.power import known_spread, looking, needed, pilot_spread, told_by
from llmctl.scoring.result import Result
from llmctl.statistics.power import Spread
from tests.evals.made import answers


def test_spreads_from_what_is_known() -> None:
    assert known_spread(0.1, sd=0.2, correlation=0.5).between == pytest.approx(0.04)
    assert known_spread(0.1, discordant=0.3).between == pytest.approx(0.29)
    assert known_spread(0.1, baseline=0.5).between == pytest.approx(0.25 + 0.24)


def test_repeats_take_their_own_noise_away_and_no_more() -> None:
    spread = known_spread(0.1, sd=0.2, repeat_sd=0.1)
    assert spread.variance() == pytest.approx(0.08)
    assert spread.variance(4, 4) == pytest.approx(0.08 - 0.02 + 0.005)


def test_a_pilot_with_repeats_tells_their_noise() -> None:
    rng = np.random.default_rng(1)
    base = rng.normal(0.5, 0.05, 4000)
    sides: list[list[Result]] = []
    for name in ("a", "b"):
        sides.append([])
        shift = rng.normal(0, 0.1, 4000)
        for repeat in range(3):
            sides[-1] += answers((base + shift + rng.normal(0, 0.2, 4000)).tolist(), name, repeat=repeat)
    spread = pilot_spread(sides[0], sides[1], "score")
    assert spread.between == pytest.approx(0.02, rel=0.15)
    assert (spread.noise_a, spread.noise_b) == pytest.approx((0.04, 0.04), rel=0.05)


def test_clusters_of_a_pilot_make_it_wider() -> None:
    rng = np.random.default_rng(1)
    shared = np.repeat(rng.normal(0, 0.2, 100), 5)
    values = (shared + rng.normal(0, 0.1, 500)).tolist()
    zero = answers([0.5] * 500, "b")
    alone = pilot_spread(answers(values), zero, "score")
    clustered = pilot_spread(answers(values, cluster=[f"c{at // 5}" for at in range(500)]), zero, "score")
    assert clustered.between / alone.between == pytest.approx(1 + 4 * 0.8, rel=0.15)


def test_a_pilot_of_one_item_is_refused() -> None:
    with pytest.raises(ValueError, match="two items at least in a pilot"):
        pilot_spread(answers([1.0]), answers([0.0], "b"), "score")


def test_more_of_the_same_power_where_it_is_low_and_fewer_where_it_is_high() -> None:
    spread = Spread(0.1691)
    low, high = (looking(needed(0.03, spread, 1, 0.05, power), spread, 1, power) for power in (0.8, 0.95))
    assert low.saved < 0.1
    assert 0.28 < high.saved < 0.4
    assert high.mean_items < high.budget


def test_what_does_not_fit_the_simulation_is_stretched() -> None:
    small, large = Spread(0.1691), Spread(16.91)
    found = [looking(needed(0.03, spread, 1, 0.05, 0.95), spread, 1, 0.95) for spread in (small, large)]
    assert found[1].budget == pytest.approx(100 * found[0].budget, rel=0.1)


def test_a_given_effect_gets_its_power() -> None:
    plan = told_by(1000, Spread(0.17), 1, 0.05, 0.8, -0.03)
    assert (plan.effect, plan.items) == (0.03, 1000)
    assert plan.power == pytest.approx(0.633, abs=2e-3)
