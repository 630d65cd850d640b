from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from llmctl.routing.weighted import Weighted, WeightedOptions
from tests.routing.asking import asked

WEIGHTS = st.dictionaries(st.text(min_size=1), st.floats(1e-3, 1e3), min_size=1, max_size=8)


class Draw(Random):
    """Draws what it is told."""

    def __init__(self, value: float) -> None:
        super().__init__(0)
        self.value = value

    def random(self) -> float:
        return self.value


def chosen(weights: dict[str, float], draw: float, candidates: list[str] | None = None) -> tuple[str, float]:
    strategy = Weighted(WeightedOptions(weights=weights), {})
    decision = strategy.choose(candidates or strategy.models, asked(), {}, Draw(draw))
    return decision.model, decision.propensity


@pytest.mark.parametrize("weight", [0, -1, float("inf"), float("nan")])
def test_weights_are_positive_and_finite(weight: float) -> None:
    with pytest.raises(ValidationError):
        WeightedOptions(weights={"a": 1, "b": weight})


def test_no_weights_are_no_route() -> None:
    with pytest.raises(ValidationError):
        WeightedOptions(weights={})


@pytest.mark.parametrize(
    ("draw", "model"), [(0.0, "a"), (0.2499, "a"), (0.25, "b"), (0.7499, "b"), (0.75, "c"), (0.9999999, "c")]
)
def test_each_model_has_its_share_of_the_line(draw: float, model: str) -> None:
    assert chosen({"a": 1, "b": 2, "c": 1}, draw)[0] == model


@pytest.mark.parametrize(("draw", "expected"), [(0.0, ("a", 0.2)), (0.19, ("a", 0.2)), (0.21, ("c", 0.8))])
def test_the_candidates_share_what_the_others_had(draw: float, expected: tuple[str, float]) -> None:
    assert chosen({"a": 1, "b": 5, "c": 4}, draw, ["a", "c"]) == expected


@given(WEIGHTS, st.floats(0, 1, exclude_max=True))
def test_any_weights_and_any_draw_make_a_choice(weights: dict[str, float], draw: float) -> None:
    model, propensity = chosen(weights, draw)
    assert propensity == pytest.approx(weights[model] / sum(weights.values()))


def test_one_model_is_certain() -> None:
    assert chosen({"a": 0.1}, 0.99) == ("a", 1.0)


def test_weights_whose_sum_would_overflow_are_refused() -> None:
    with pytest.raises(ValueError, match="1000000000"):
        WeightedOptions(weights={"a": 1e308, "b": 1e308})
