import numpy as np
import pytest
from scipy import stats

from llmctl.statistics.signed_rank import paired_shift, wilcoxon


@pytest.mark.parametrize("seed", range(8))
def test_p_is_scipys_with_ties_and_steps(seed: int) -> None:
    values = np.round(np.random.default_rng(seed).normal(0.2, 1, 40), 1)
    theirs = stats.wilcoxon(values, correction=True, zero_method="wilcox", method="asymptotic")
    assert wilcoxon(values) == pytest.approx(float(theirs.pvalue), abs=1e-9)


@pytest.mark.parametrize("count", [7, 40, 41])
def test_estimate_and_limits_are_walsh_averages(count: int) -> None:
    random = np.random.default_rng(count)
    a, b = random.lognormal(size=count), random.lognormal(size=count)
    d = a - b
    averages = np.sort([(d[i] + d[j]) / 2 for i in range(count) for j in range(i, count)])
    found = paired_shift(a, b)
    assert found.estimate == pytest.approx(float(np.median(averages)), abs=1e-9)
    spread = np.sqrt(count * (count + 1) * (2 * count + 1) / 24)
    rank = int(np.floor(len(averages) / 2 - stats.norm.ppf(0.975) * spread))
    assert (found.low, found.high) == pytest.approx((averages[rank - 1], averages[len(averages) - rank]), abs=1e-9)
    assert found.n == count


def test_coverage() -> None:
    random = np.random.default_rng(1)
    item = random.lognormal(0, 1, (2000, 60))
    a, b = item + random.normal(0.3, 0.5, item.shape), item + random.normal(0, 0.5, item.shape)
    held = [found.low <= 0.3 <= found.high for found in (paired_shift(x, y) for x, y in zip(a, b, strict=True))]
    assert 0.94 <= np.mean(held) <= 0.96


def test_too_few_have_no_limits_and_none_differing_no_p() -> None:
    found = paired_shift([1.0, 2.0], [0.5, 1.0])
    assert (found.low, found.high) == (-np.inf, np.inf)
    assert "too few" in found.caution
    same = paired_shift(np.ones(30), np.ones(30))
    assert (same.estimate, same.low, same.high, same.p) == (0.0, -np.inf, np.inf, 1.0)
    assert "no spread" in same.caution


def test_both_need_the_same_length() -> None:
    with pytest.raises(ValueError, match="a has 2, b has 3"):
        paired_shift([1, 2], [1, 2, 3])
