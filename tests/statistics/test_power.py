import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.power import normal_power, zt_ind_solve_power

from llmctl.statistics.paired import paired_difference
from llmctl.statistics.power import (
    Spread,
    binary_spread,
    detectable,
    discordant_spread,
    estimated_spread,
    items_needed,
    power_of,
)

SPREADS = st.builds(Spread, st.floats(0.01, 4), st.floats(0, 4), st.floats(0, 4))


@given(st.floats(0.01, 1), SPREADS, st.integers(1, 9), st.integers(1, 9))
def test_items_are_the_least_that_do(effect: float, spread: Spread, repeats_a: int, repeats_b: int) -> None:
    plan = items_needed(effect, spread, repeats_a, repeats_b)
    assert plan.power >= 0.8 - 1e-9
    assert plan.items == 1 or power_of(plan.items - 1, effect, spread, repeats_a, repeats_b) < 0.8
    if plan.power > 0.9999:  # an item more than enough: its power has lost the digits that tell the effect
        return
    found = detectable(plan.items, spread, repeats_a, repeats_b, power=plan.power)
    assert found.effect == pytest.approx(effect, rel=1e-9)


def test_against_statsmodels() -> None:
    """One sample's normal power; theirs counts the wrong side's tail too, which is below 1e-9 here."""
    spread = Spread(0.16)
    theirs = normal_power(0.03 / 0.4, 1500, 0.05, sigma=1.0)
    assert power_of(1500, 0.03, spread) == pytest.approx(theirs, abs=1e-6)
    needed = zt_ind_solve_power(effect_size=0.03 / 0.4, alpha=0.05, power=0.8, ratio=0)
    assert items_needed(0.03, spread).items == math.ceil(needed)


@given(SPREADS, st.integers(2, 5000))
def test_more_items_repeats_or_effect_never_tell_less(spread: Spread, items: int) -> None:
    base = power_of(items, 0.1, spread)
    assert power_of(items + 1, 0.1, spread) >= base
    assert power_of(items, 0.1, spread, 2, 2) >= base
    assert power_of(items, 0.2, spread) >= base
    assert power_of(items, -0.1, spread) == base


def test_right_or_wrong_scores() -> None:
    assert binary_spread(0.8, 0.7).between == pytest.approx(0.8 * 0.2 + 0.7 * 0.3)
    assert binary_spread(0.8, 0.7, 0.5).between < binary_spread(0.8, 0.7).between
    assert discordant_spread(0.17, 0.03).between == pytest.approx(0.17 - 0.0009)
    with pytest.raises(ValueError, match="cannot be correlated"):
        binary_spread(0.9, 0.1, 1.0)
    with pytest.raises(ValueError, match="cannot make rates differ"):
        discordant_spread(0.02, 0.03)
    with pytest.raises(ValueError, match="rates within 0 and 1"):
        binary_spread(80, 70)


def test_the_power_is_what_happens() -> None:
    random = np.random.default_rng(8)
    plan = items_needed(0.2, Spread(0.5, 1.0, 0.6), 2, 3)
    items, wins = plan.items, 0
    for _ in range(1000):
        d = random.normal(0.2, math.sqrt(0.5), items)
        a = d[:, None] + random.normal(0, 1, (items, 2))
        wins += paired_difference(a, random.normal(0, math.sqrt(0.6), (items, 3))).low > 0
    assert wins / 1000 == pytest.approx(plan.power, abs=0.04)


def test_a_pilot_tells_the_spread() -> None:
    random = np.random.default_rng(9)
    difficulty = random.normal(0, 2, 20_000)
    a = (difficulty + random.normal(0.2, 0.7, 20_000))[:, None] + random.normal(0, 1, (20_000, 2))
    b = difficulty[:, None] + random.normal(0, 0.5, (20_000, 3))
    a[:50, 1] = math.nan
    spread = estimated_spread(a, b)
    assert spread.between == pytest.approx(0.49, abs=0.03)
    assert (spread.noise_a, spread.noise_b) == pytest.approx((1.0, 0.25), abs=0.02)


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="effect: no number of items"):
        items_needed(0, Spread(1))
    with pytest.raises(ValueError, match="power: needs more than"):
        items_needed(0.1, Spread(1), power=0.01)
    with pytest.raises(ValueError, match="variances, 0 or more"):
        Spread(-1)
    with pytest.raises(ValueError, match="a repeat at least"):
        items_needed(0.1, Spread(1), 0)
    with pytest.raises(ValueError, match="items: needs one"):
        power_of(0, 0.1, Spread(1))
    with pytest.raises(ValueError, match="b: needs items with two repeats"):
        estimated_spread([[1.0, 2.0], [2.0, 3.0]], [[1.0], [2.0]])
