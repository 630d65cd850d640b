import dataclasses
import math

import pytest

from llmctl.statistics.interval import Interval

DIFFERENCE = Interval(0.02, -0.01, 0.05, 0.95, 100, "by hand")


def test_what_an_interval_says() -> None:
    assert DIFFERENCE.alpha == pytest.approx(0.05)
    assert not DIFFERENCE.excludes_zero
    assert dataclasses.replace(DIFFERENCE, low=0.001).excludes_zero
    assert dataclasses.replace(DIFFERENCE, high=-0.001).excludes_zero
    assert DIFFERENCE.within(0.06)
    assert not DIFFERENCE.within(0.05)
    assert not dataclasses.replace(DIFFERENCE, low=-math.inf).within(10)


def test_no_width_is_no_certainty() -> None:
    assert Interval.around(0.1, 0.02, 0.95, 9, "by hand").low == pytest.approx(0.08)
    alike = Interval.around(0.1, 1e-17, 0.95, 9, "by hand")
    assert (alike.low, alike.high) == (-math.inf, math.inf)
    assert "tells no spread" in alike.caution


def test_the_other_way_round() -> None:
    swapped = DIFFERENCE.swapped()
    assert (swapped.estimate, swapped.low, swapped.high) == (-0.02, -0.05, 0.01)
    assert swapped.swapped() == DIFFERENCE


def test_an_interval_does_not_change() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        DIFFERENCE.low = 0.0  # type: ignore[misc]
