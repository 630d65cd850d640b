"""Shares have the interval that fits what they are made of."""

import pytest

from llmctl.plan.shares import share
from llmctl.statistics.rates import wilson


def test_ones_and_zeros_are_a_rate() -> None:
    found, expected = share("x", [1] * 5 + [0] * 95), wilson(5, 100)
    assert (found.estimate, found.low, found.high) == (0.05, expected.low, expected.high)
    assert found.told == "exact"


def test_none_and_all_have_limits_too() -> None:
    assert share("x", [0] * 50).high == pytest.approx(wilson(0, 50).high)
    assert share("x", [0] * 50, [1] * 50).low == 0.0


def test_groups_widen_it() -> None:
    values = [1.0] * 50 + [0.0] * 50
    grouped = share("x", values, [at // 10 for at in range(100)])
    apart = share("x", values)
    assert grouped.high is not None
    assert apart.high is not None
    assert grouped.high > apart.high
    assert "only 10 clusters" in grouped.note
    assert grouped.n == 10
    assert grouped.requests == 100


def test_parts_of_requests() -> None:
    found = share("x", [0.2, 0.4, 0.0, 1.0] * 30)
    assert found.estimate == pytest.approx(0.4)
    assert found.low is not None
    assert 0 < found.low < 0.4
    same = share("x", [0.25] * 9)
    assert (same.estimate, same.low) == (0.25, None)


def test_no_request() -> None:
    assert share("x", []).told == "not evaluated"
