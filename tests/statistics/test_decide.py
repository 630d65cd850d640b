import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from llmctl.statistics.decide import benjamini_hochberg, decide, decide_family, holm, more_needed
from llmctl.statistics.interval import Interval
from llmctl.statistics.paired import paired_difference

PS = st.lists(st.floats(0, 1), min_size=1, max_size=30)
SIDES = st.tuples(st.floats(-1, 1), st.floats(-1, 1))


def between(low: float, high: float, n: int = 100) -> Interval:
    return Interval((low + high) / 2, low, high, 0.95, n, "by hand")


@given(PS)
@settings(deadline=None, max_examples=25)
def test_corrections(p: list[float]) -> None:
    assert holm(p) == pytest.approx(multipletests(p, method="holm")[1], abs=1e-9)
    assert benjamini_hochberg(p) == pytest.approx(scipy.stats.false_discovery_control(p), abs=1e-9)
    assert (holm(p) >= benjamini_hochberg(p) - 1e-12).all()
    assert (benjamini_hochberg(p) >= np.array(p) - 1e-12).all()


@pytest.mark.parametrize(
    ("low", "high", "margin", "kind", "words"),
    [
        (0.01, 0.05, None, "A", "A is better by 0.03 (0.95 interval 0.01 to 0.05, n = 100)"),
        (-0.05, -0.01, None, "B", "B is better by 0.03 (0.95 interval 0.01 to 0.05, n = 100)"),
        (0.01, 0.03, 0.05, "A", "which is less than the margin of 0.05"),
        (-0.01, 0.02, 0.05, "equivalent", "they differ by less than 0.05"),
        (-0.09, 0.02, 0.05, "non-inferior", "B is worse by less than 0.05"),
        (-0.02, 0.09, 0.05, "inconclusive", "more items"),
        (-0.02, 0.09, None, "inconclusive", "more items"),
        (-math.inf, math.inf, 0.1, "inconclusive", "more items than can be told"),
    ],
)
def test_verdicts(low: float, high: float, margin: float | None, kind: str, words: str) -> None:
    interval = between(low, high) if math.isfinite(low) else Interval(0.0, low, high, 0.95, 9, "none")
    verdict = decide(interval, margin)
    assert verdict.kind == kind
    assert words in verdict.words
    assert verdict.decided == (kind != "inconclusive")


@given(SIDES, st.floats(0.001, 0.5))
def test_swapping_sides_swaps_verdicts(sides: tuple[float, float], margin: float) -> None:
    difference = between(min(sides), max(sides))
    one = decide(difference, margin, candidate="B")
    other = decide(difference.swapped(), margin, candidate="A")
    assert other.kind == {"A": "B", "B": "A"}.get(one.kind, one.kind)
    assert other.more == one.more


def test_the_candidates_bad_side_counts() -> None:
    assert decide(between(-0.02, 0.09), 0.05, candidate="A").kind == "non-inferior"
    assert decide(between(-0.02, 0.09), 0.05, candidate="B").kind == "inconclusive"
    narrow = between(-0.01, 0.045)
    assert decide(between(-0.02, 0.055), 0.05).kind == "inconclusive"
    assert decide(between(-0.02, 0.055), 0.05, one_sided=narrow).kind == "non-inferior"


def test_a_win_must_survive_its_family() -> None:
    clear, close = between(0.02, 0.06), between(0.001, 0.05)
    verdicts = decide_family({"clear": (clear, 0.001), "close": (close, 0.04), "none": (between(-0.1, 0.1), 0.9)})
    assert {name: verdict.kind for name, verdict in verdicts.items()} == {
        "clear": "A",
        "close": "inconclusive",
        "none": "inconclusive",
    }
    assert verdicts["close"].p == pytest.approx(0.08)
    assert decide_family({}) == {}


def test_slices_are_corrected_for_the_share_of_false_findings() -> None:
    slices = {f"slice {at}": (between(0.01, 0.05), p) for at, p in enumerate((0.01, 0.02, 0.03, 0.04))}
    assert {verdict.kind for verdict in decide_family(slices, correction=benjamini_hochberg).values()} == {"A"}
    assert [verdict.kind for verdict in decide_family(slices).values()].count("A") == 1


def test_more_items_decide_as_often_as_they_say() -> None:
    """Half of a pilot's worth is there; with as many more as it says four of five decide."""
    random = np.random.default_rng(0)
    pilot = Interval(0.2, 0.2 - 1.96 / 10, 0.2 + 1.96 / 10, 0.95, 100, "normal")
    more = more_needed(pilot)
    assert more is not None
    total = pilot.n + more
    assert total == pytest.approx((1.96 + 0.8416) ** 2 / 0.2**2, abs=2)
    runs = random.normal(0.2, 1, (1000, total))
    wins = sum(decide(paired_difference(run, np.zeros(total))).kind == "A" for run in runs)
    assert wins / 1000 == pytest.approx(0.8, abs=0.04)


def test_a_margin_may_be_nearer_than_a_win() -> None:
    near = between(-0.09, 0.10)
    with_margin, without = more_needed(near, 0.05), more_needed(near)
    assert with_margin is not None
    assert without is not None
    assert with_margin < without
    assert more_needed(between(-0.1, 0.1)) is None


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="margin: needs the least difference"):
        decide(between(0, 1), 0.0)
    with pytest.raises(ValueError, match="p: needs probabilities"):
        holm([0.1, 1.2])
