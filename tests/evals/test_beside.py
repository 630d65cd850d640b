import numpy as np
import pytest

from llmctl.evals.beside import cost, in_words, latency
from llmctl.evals.comparison import Estimate
from llmctl.statistics.interval import Interval
from tests.evals.made import answers, priced


def test_cost_is_the_mean_difference_per_item() -> None:
    rng = np.random.default_rng(1)
    usd = rng.random((2, 100))
    found = cost(answers([1.0] * 100, cost=priced(*usd[0])), answers([1.0] * 100, "b", cost=priced(*usd[1])), 0.95)
    assert found.difference is not None
    assert found.difference.estimate == pytest.approx(float((usd[0] - usd[1]).mean()))
    assert (found.unit, found.items, found.difference.method) == ("USD", 100, "paired t")


def test_equal_prices_are_told_as_such() -> None:
    same = answers([1.0] * 9, cost=priced(*[0.1] * 9))
    assert cost(same, same, 0.95).note == "every item costs the same on both sides"


def test_latency_is_the_shift_of_pairs_one_per_cluster() -> None:
    rng = np.random.default_rng(1)
    a = answers(
        [1.0] * 90, seconds=(rng.lognormal(size=90) + 0.5).tolist(), cluster=[f"c{at // 3}" for at in range(90)]
    )
    b = answers([1.0] * 90, "b", seconds=1.0)
    found = latency(a, b, 0.95).difference
    assert found is not None
    assert (found.method, found.n) == ("Hodges-Lehmann of pairs", 30)


@pytest.mark.parametrize(
    ("name", "unit", "low", "high", "words"),
    [
        ("cost", "USD", 0.001, 0.003, "B costs $0.002000 less per item ($0.001000 to $0.003000 at 95%)"),
        ("latency", "s", -0.3, -0.1, "A takes 0.2 s less per item (0.1 s to 0.3 s at 95%)"),
        ("latency", "s", -0.3, 0.1, "no difference in latency is shown"),
    ],
)
def test_differences_in_words(name: str, unit: str, low: float, high: float, words: str) -> None:
    difference = Interval((low + high) / 2, low, high, 0.95, 50, "t")
    assert in_words(Estimate(name, "beside", unit, "less", None, None, difference, 50)) == words


def test_nothing_known_is_not_told_in_words() -> None:
    assert in_words(Estimate("cost", "beside", "USD", "less", None, None, None, 0)) == ""
