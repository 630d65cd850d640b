"""Against exact sums and formulas, false alarms under looks at every item, and what looking early saves."""

import math

import numpy as np
import pytest
import scipy.special
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from llmctl.statistics.power import discordant_spread, items_needed
from llmctl.statistics.sequential import (
    ConfidenceSequence,
    Design,
    Stopping,
    binary_e_value,
    limits,
    margin,
    msprt_p,
    observe,
    tuned_rho,
)

RUNS = 2000


def differences(seed: int, runs: int, items: int, only_a: float, only_b: float) -> np.ndarray:
    """(runs, items) of 1 where only A is right, -1 where only B is, else 0."""
    drawn = np.random.default_rng(seed).random((runs, items), dtype=np.float32)
    return (drawn < only_a).astype(np.float64) - (drawn > 1 - only_b)


def test_the_margin_is_the_formula() -> None:
    rho = math.sqrt((-2 * math.log(0.05) + math.log(-2 * math.log(0.05)) + 1) / 500)
    assert tuned_rho(500) == pytest.approx(rho, abs=1e-15)
    t, v = 200, 0.3
    expected = math.sqrt((t * v * rho**2 + 1) / (t**2 * rho**2) * math.log((t * v * rho**2 + 1) / 0.05**2))
    assert float(margin(t, v, rho)) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("horizon", [100, 1000, 20_000])
def test_it_is_tightest_where_it_was_told_to_be(horizon: int) -> None:
    """As against the same margin with any other rho: to the thousandth, since the formula of rho is approximate."""
    best = min(float(margin(horizon, 1.0, tuned_rho(horizon) * factor)) for factor in np.geomspace(0.2, 5, 400))
    assert float(margin(horizon, 1.0, tuned_rho(horizon))) <= 1.001 * best


@given(st.lists(st.floats(-10, 10), min_size=50, max_size=90))
@settings(max_examples=30, deadline=None)
def test_one_by_one_is_as_all_at_once(values: list[float]) -> None:
    design = Design(60)
    low, high = limits(values, design)
    sequence = ConfidenceSequence(design)
    for at, value in enumerate(values):
        sequence.add(value)
        seen = sequence.interval()
        assert (seen.low, seen.high) == pytest.approx((low[at], high[at]), abs=1e-9)
        assert seen.low <= seen.estimate <= seen.high
        assert math.isinf(seen.low) == (at + 1 < 50)
        assert bool(seen.caution) == (at + 1 < 50)
    swapped = observe([-value for value in values], design).interval()
    assert (swapped.low, swapped.high) == pytest.approx((-high[-1], -low[-1]), abs=1e-9)


def test_fifty_without_a_difference_are_not_certain() -> None:
    seen = observe([0.0] * 50, Design(1000)).interval()
    assert 3 / 50 < seen.high < 0.2  # no narrower than the rule of three
    assert 3 / 1000 < observe([0.0] * 1000, Design(1000)).interval().high < 0.02


@given(st.integers(0, 200), st.integers(0, 200))
@settings(deadline=None)
def test_the_e_value(b: int, c: int) -> None:
    expected = (b + c) * math.log(2) + scipy.special.betaln(b + 0.5, c + 0.5) - scipy.special.betaln(0.5, 0.5)
    assert math.log(float(binary_e_value(b, c))) == pytest.approx(expected, abs=1e-9)
    assert binary_e_value(b, c) == binary_e_value(c, b)


@pytest.mark.parametrize("m", [1, 2, 10, 60])
def test_the_e_value_is_fair(m: int) -> None:
    """Exactly: its mean over fair coins is 1, so that it may be looked at after each."""
    b = np.arange(m + 1)
    assert binary_e_value(b, m - b) @ scipy.stats.binom.pmf(b, m, 0.5) == pytest.approx(1, abs=1e-9)


def test_the_msprt_is_the_formula() -> None:
    values = np.random.default_rng(1).normal(0.3, 1, 120)
    expected, p = 1.0, msprt_p(values, 0.2)
    for n in range(50, 121):
        v, mean = values[:n].var(ddof=1) / n, values[:n].mean()
        ratio = math.sqrt(v / (v + 0.04)) * math.exp(0.04 * mean**2 / (2 * v * (v + 0.04)))
        expected = min(expected, 1 / ratio)
        assert p[n - 1] == pytest.approx(expected, rel=1e-9)
    assert (p[:49] == 1).all()
    assert (msprt_p(np.zeros(80), 0.1) == 1).all()


def test_false_alarms_with_looks_at_every_item() -> None:
    """Two that are alike, 2,000 times 1,500 items: each rule stays below its alpha of 0.05."""
    drawn = differences(0, RUNS, 1500, 0.1, 0.1)
    low, high = limits(drawn, Design(1000))
    _, side = Stopping(1500).stops(low, high)
    assert (side != 0).mean() <= 0.05
    assert ((low > 0) | (high < 0)).any(axis=1).mean() == (side != 0).mean()
    counted = np.cumsum(drawn > 0, axis=1), np.cumsum(drawn < 0, axis=1)
    assert (binary_e_value(*counted) >= 20).any(axis=1).mean() <= 0.05
    assert (msprt_p(drawn, 0.03)[:, -1] <= 0.05).mean() <= 0.05


def test_a_fixed_interval_looked_at_every_item_is_a_bug() -> None:
    drawn = differences(0, 500, 1500, 0.1, 0.1)
    t = np.arange(1, 1501)
    z = np.cumsum(drawn, axis=1) / np.sqrt(0.2 * t)
    assert (np.abs(z[:, 50:]) > 1.96).any(axis=1).mean() > 0.2


def test_coverage_at_every_look() -> None:
    for values, truth, scale in (
        (differences(1, RUNS, 800, 0.2, 0.17), 0.03, 1.0),
        (np.random.default_rng(2).normal(0.1, 1, (RUNS, 800)), 0.1, 1.0),
        (np.random.default_rng(3).exponential(1, (RUNS, 800)), 1.0, 4.0),
        ((np.random.default_rng(5).random((RUNS, 800)) < 0.01).astype(np.float64), 0.01, 1.0),  # rare and lopsided
        ((np.random.default_rng(6).random((RUNS, 800)) < 0.03).astype(np.float64), 0.03, 1.0),
    ):
        low, high = limits(values, Design(200, scale=scale))
        assert ((low <= truth) & (truth <= high)).all(axis=1).mean() >= 0.95


def test_a_gain_of_three_points_stops_earlier_than_a_fixed_design_of_equal_power() -> None:
    """10% against 7% of items that one side alone gets right, at a power of 95%: about a third fewer on average."""
    spread = discordant_spread(0.17, 0.03)
    fixed = items_needed(0.03, spread, power=0.95).items
    budget = round(1.6 * fixed)  # where the sequence has a power of 95% too
    drawn = differences(4, RUNS, budget, 0.10, 0.07)
    at, side = Stopping(budget).stops(*limits(drawn, Design(fixed)))
    assert (side > 0).mean() >= 0.95
    assert at.mean() <= 0.7 * fixed


def test_when_to_stop() -> None:
    rule = Stopping(budget=400, margin=0.1)
    design = Design(300)
    assert rule.look(observe([1.0, -1.0] * 20, design).interval()) == "go on"
    assert rule.look(observe([1.0, 0.0] * 50, design).interval()) == "win"
    assert rule.look(observe([0.0] * 150, design).interval()) == "equivalent"
    assert Stopping(budget=100).look(observe([1.0, -1.0] * 50, design).interval()) == "spent"
    runs = np.array([[1.0, 0.0] * 200, [0.0] * 400, [1.0, -1.0] * 200])
    at, side = rule.stops(*limits(runs, design))
    assert side.tolist() == [1, 0, 0]
    assert 50 <= at[0] < 100
    assert 50 <= at[1] < 150
    assert at[2] == 400


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: Design(10), "horizon of 50"),
        (lambda: Design(100, start=20), "start: needs 50"),
        (lambda: Design(100, scale=0), "scale above 0"),
        (lambda: Design(100, alpha=5), "share between 0 and 1"),
        (lambda: tuned_rho(0), "horizon above 0"),
        (lambda: binary_e_value(-1, 2), "needs counts"),
        (lambda: msprt_p([1.0], 0), "tau"),
        (lambda: ConfidenceSequence(Design(100)).interval(), "nothing was observed"),
        (lambda: ConfidenceSequence(Design(100)).add(math.nan), "observation 0 is nan"),
    ],
)
def test_what_cannot_be_is_refused(wrong, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match=message):
        wrong()
