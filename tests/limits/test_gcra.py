from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmctl.limits.gcra import ROUNDING_S, Bucket, Rate

RATE = Rate(2.0, 10)


def test_a_rested_bucket_lets_its_burst_pass_and_then_the_rate() -> None:
    bucket = Bucket()
    for _ in range(10):
        assert bucket.wait(RATE, 1, 5.0) == 0
        bucket.charge(RATE, 1, 5.0)
    assert bucket.wait(RATE, 1, 5.0) == 0.5 + ROUNDING_S
    assert bucket.wait(RATE, 3, 5.0) == 1.5 + ROUNDING_S
    assert bucket.wait(RATE, 1, 5.5) == 0
    assert bucket.wait(RATE, 2, 5.5) > 0


def test_thirds_of_a_second_add_up() -> None:
    thirds = Rate(1 / 3, 7)
    bucket = Bucket()
    for _ in range(7):
        assert bucket.wait(thirds, 1, 1e9 + 0.1) == 0
        bucket.charge(thirds, 1, 1e9 + 0.1)
    assert bucket.wait(thirds, 1, 1e9 + 0.1) > 2.9


def test_reservations_do_not_drain_and_use_beyond_them_is_debt() -> None:
    bucket = Bucket(held=8)
    assert bucket.wait(RATE, 3, 1_000.0) == 0.5 + ROUNDING_S
    assert (bucket.remaining(RATE, 1_000.0), bucket.reset(RATE, 1_000.0)) == (2, 4.0)
    bucket.settle(RATE, 8, 14, 1_000.0)
    assert (bucket.held, bucket.remaining(RATE, 1_000.0), bucket.reset(RATE, 1_000.0)) == (0, 0, 7.0)
    assert bucket.wait(RATE, 1, 1_000.0) == 2.5 + ROUNDING_S
    assert bucket.remaining(RATE, 1_003.0) == 2


def test_less_use_than_reserved_gives_the_rest_back() -> None:
    bucket = Bucket(held=10)
    bucket.settle(RATE, 10, 1, 0.0)
    assert bucket.remaining(RATE, 0.0) == 9


def test_a_rested_bucket_is_as_good_as_new() -> None:
    bucket = Bucket()
    assert bucket.rested(RATE, 0.0)
    bucket.charge(RATE, 4, 0.0)
    assert not bucket.rested(RATE, 1.99)
    assert bucket.rested(RATE, 2.0)
    bucket.held = 1
    assert not bucket.rested(RATE, 2.0)


def test_time_that_goes_back_stands_still() -> None:
    bucket = Bucket()
    bucket.charge(RATE, 10, 100.0)
    assert bucket.wait(RATE, 1, -1e9) == 0.5 + ROUNDING_S
    bucket.charge(RATE, 0, 0.0)
    assert bucket.remaining(RATE, 100.0) == 0


class TheoreticalArrival:
    """The other form of the algorithm, virtual scheduling, in exact numbers: the standard says that both agree."""

    def __init__(self, rate: Rate) -> None:
        self.increment = 1 / Fraction(rate.per_second)
        self.tau = rate.burst * self.increment
        self.tat = Fraction(-(10**9))

    def too_early(self, units: int, time: float) -> Fraction:
        return max(self.tat, Fraction(time)) + units * self.increment - self.tau - Fraction(time)

    def charge(self, units: int, time: float) -> None:
        self.tat = max(self.tat, Fraction(time)) + units * self.increment


@pytest.mark.parametrize("start", [0.0, 12_345.678, 1.7e9])
@given(
    rate=st.builds(Rate, st.floats(0.01, 1e4), st.integers(1, 1_000)),
    steps=st.lists(st.tuples(st.floats(0, 10), st.integers(1, 30)), max_size=60),
)
def test_both_forms_of_the_algorithm_decide_alike(start: float, rate: Rate, steps: list[tuple[float, int]]) -> None:
    bucket, other, time = Bucket(), TheoreticalArrival(rate), start
    for step, units in steps:
        time += step
        early = other.too_early(units, time)
        wait = bucket.wait(rate, units, time)
        assert wait == pytest.approx(float(max(early, Fraction(0))), rel=1e-9, abs=2 * ROUNDING_S)
        if abs(early) > 1e-9:  # nearer to the line, the float may fall on either side
            assert (wait == 0) == (early < 0)
        if not wait:
            bucket.charge(rate, units, time)
            other.charge(units, time)
