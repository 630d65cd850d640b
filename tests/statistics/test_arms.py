import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmctl.statistics.arms import Arm, arms_difference
from llmctl.statistics.sequential import Design, margin, tuned_rho

DESIGN = Design(1000)
RATES = st.tuples(st.integers(50, 5000), st.floats(0, 1)).map(lambda drawn: (round(drawn[0] * drawn[1]), drawn[0]))


def test_equal_arms_are_as_one_sequence_of_differences() -> None:
    a, b = Arm(400, 0.3, 0.21), Arm(400, 0.2, 0.16)
    ours = arms_difference(a, b, DESIGN)
    half = math.sqrt(0.21 + 0.16 + 6 / 400) * float(margin(400, 1.0, tuned_rho(1000)))
    assert (ours.low, ours.high) == pytest.approx((0.1 - half, 0.1 + half), abs=1e-12)
    assert ours.n == 800


@given(RATES, RATES)
def test_swapped_arms_swap_the_limits(a: tuple[int, int], b: tuple[int, int]) -> None:
    one, other = (arms_difference(Arm.of_rate(*x), Arm.of_rate(*y), DESIGN) for x, y in ((a, b), (b, a)))
    assert one.low <= one.estimate <= one.high
    assert (other.low, other.high) == pytest.approx((-one.high, -one.low), abs=1e-12)


def test_no_data_says_nothing() -> None:
    ours = arms_difference(Arm.of_rate(0, 0), Arm.of_rate(3, 5000), DESIGN)
    assert (ours.low, ours.high) == (-math.inf, math.inf)
    assert "before both arms have 50" in ours.caution


def test_false_alarms_and_coverage_with_unequal_arms_looked_at_often() -> None:
    """A baseline with four times the traffic, a look at every 10 requests of the canary, 500 runs."""
    random, design = np.random.default_rng(0), Design(600)
    missed = 0
    for _ in range(500):
        canary = np.cumsum(random.random(1000) < 0.05)
        baseline = np.cumsum(random.random(4000) < 0.03)
        looks = (
            arms_difference(Arm.of_rate(int(canary[n - 1]), n), Arm.of_rate(int(baseline[4 * n - 1]), 4 * n), design)
            for n in range(50, 1001, 10)
        )
        missed += any(not look.low <= 0.02 <= look.high for look in looks)
    assert missed / 500 <= 0.05


def test_a_canary_with_more_errors_is_seen() -> None:
    random = np.random.default_rng(1)
    ours = arms_difference(
        Arm.of_rate(int(random.binomial(8000, 0.03)), 8000), Arm.of_rate(int(random.binomial(8000, 0.01)), 8000), DESIGN
    )
    assert ours.low > 0


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="no more hits than trials, got 3 of 2"):
        Arm.of_rate(3, 2)
    with pytest.raises(ValueError, match="a finite mean"):
        Arm(3, math.nan, 0.0)
