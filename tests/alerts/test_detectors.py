"""The comparisons against references, and how often they are wrong; their rules are tested by promtool."""

from pathlib import Path
from random import Random

import numpy as np
import pytest
from scipy import stats

from llmctl.alerts.detectors import ALPHA, SMIRNOV, ends_before, far_out, least_windows, percentile, quantile, slower
from tests.alerts.conftest import Read, Tool
from tests.alerts.metrics import HISTOGRAMS, SLOWER, SPEND
from tests.alerts.test_prometheus_tests import promtool

BOUNDS = tuple(HISTOGRAMS.duration.bounds)


def cumulative(seconds: np.ndarray) -> list[float]:
    return [*(float((seconds <= bound).sum()) for bound in BOUNDS), float(len(seconds))]


@pytest.mark.parametrize("share", [0.0, 0.25, 0.5, 0.75, 1.0])
@pytest.mark.parametrize("count", [1, 2, 23, 24])
def test_quantiles_are_numpys(share: float, count: int) -> None:
    values = [Random(count).random() for _ in range(count)]
    assert quantile(values, share) == pytest.approx(np.quantile(values, share))


def test_far_out_is_above_everything_of_a_day_that_had_spend() -> None:
    usual = [10.0 + at % 3 for at in range(24)]
    assert far_out(31, usual, 1.5)
    assert [least_windows(window) for window in (3600, 5400, 7200)] == [12, 8, 6]
    assert not far_out(31, [0.0] * 19 + [1.0] * 5, 1.5)
    # Above every window by enough, but not above the outer fence of windows that differ this much.
    assert not far_out(60, [0.0] * 12 + [38.0] * 12, 1.5)
    assert not far_out(31, [*usual, 25.0], 1.5)


def test_windows_before_are_aligned_and_do_not_overlap_the_last_one() -> None:
    ends = ends_before(90_000 + 1234.0, 3600, 86400)
    assert len(ends) == 24
    assert ends[0] == 86400
    assert all(end % 3600 == 0 and end <= 91234 - 3600 for end in ends)


def test_the_percentile_is_within_its_bucket() -> None:
    counts = cumulative(np.full(100, 0.5))
    assert percentile(counts, BOUNDS) == pytest.approx(0.32 + 0.95 * 0.32)
    assert percentile(cumulative(np.full(100, 500.0)), BOUNDS) == BOUNDS[-1]
    assert percentile([10.0, *[10.0] * len(BOUNDS)], BOUNDS) == pytest.approx(0.0095)


def test_the_bound_is_smirnovs() -> None:
    """The exact distribution of one sample as large as both together: n m / (n + m)."""
    n, m = 4000, 4000
    distance = np.sqrt(SMIRNOV * (1 / n + 1 / m))
    assert stats.ksone.sf(distance, n * m // (n + m)) == pytest.approx(ALPHA, rel=0.1)


def test_chance_is_rarely_taken_for_slowness() -> None:
    """With alpha as it is, none in 20,000 looks at equal traffic; a doubling is seen in nearly all of them."""
    random = np.random.default_rng(7)
    before = random.lognormal(0, 0.8, 20_000)
    day, wrong, missed = cumulative(before), 0, 0
    for _ in range(400):
        now = random.lognormal(0, 0.8, (50, 100))
        wrong += sum(slower(cumulative(row), day) for row in now[:25])
        missed += sum(not slower(cumulative(2 * row), day) for row in now[25:27])
    assert wrong == 0
    assert missed < 0.2 * 800


def test_no_events_are_no_shift() -> None:
    nothing = [0.0] * (len(BOUNDS) + 1)
    assert not slower(nothing, cumulative(np.ones(10)))
    assert not slower(cumulative(np.ones(10)), nothing)


@pytest.mark.parametrize(
    ("promised", "old", "new", "noticed"),
    [
        (SPEND, "max_over_time", "min_over_time", "quiet where the day before had"),
        (SPEND, "> 1.5 *", "> 15 *", "fires"),
        (SPEND, ">= 20", ">= 0", "quiet where requests are few"),
        (SLOWER, "sqrt(6.", "sqrt(0.0", "quiet where chance"),
        (SLOWER, "> 1.5 *", "> 0.9 *", "quiet where 19 of 20"),
        (SLOWER, ">= 100", ">= 0", "quiet where requests are few"),
        (SLOWER, 'le="+Inf"', 'le="0.01"', "fires"),
    ],
)
def test_wrong_rules_are_noticed(
    promised: str, old: str, new: str, noticed: str, read: Read, tool: Tool, tmp_path: Path
) -> None:
    code, said = promtool(read("slos:\n" + promised), tmp_path, tool, lambda text: text.replace(old, new))
    assert code == 1, said
    assert noticed in said


@pytest.mark.parametrize(
    ("promised", "options"),
    [
        (SPEND, "window: 2h, factor: 4, min_events: 1000"),
        (SPEND, "window: 1h, factor: 1, min_dollars: 0"),
        (SLOWER, "window: 2h, factor: 4, min_events: 1000"),
        (SLOWER, "window: 10m, factor: 1.1, min_events: 20"),
    ],
)
def test_other_options_pass_promtool(promised: str, options: str, read: Read, tool: Tool, tmp_path: Path) -> None:
    text = "slos:\n" + promised.replace("runbook: ", f"{options}, runbook: ")
    code, said = promtool(read(text), tmp_path, tool)
    assert code == 0, said
