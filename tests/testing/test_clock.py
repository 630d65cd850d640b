import pytest

from llmctl.clock import Clock
from llmctl.testing.clock import ManualClock


def test_time_stands_still_until_it_is_advanced() -> None:
    clock = ManualClock()
    reading: Clock = clock
    before = reading.monotonic(), reading.wall()
    assert (reading.monotonic(), reading.wall()) == before
    clock.advance(2.5)
    assert (reading.monotonic() - before[0], reading.wall() - before[1]) == (2.5, 2.5)


def test_a_corrected_wall_clock_does_not_move_the_monotonic_one() -> None:
    clock = ManualClock(monotonic=5.0)
    clock.set_wall(1.0)
    assert (clock.monotonic(), clock.wall()) == (5.0, 1.0)


def test_time_does_not_go_back() -> None:
    with pytest.raises(ValueError, match="set_wall"):
        ManualClock().advance(-1)
