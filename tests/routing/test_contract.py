"""What every routing strategy in the table keeps to. A new kind is checked by giving it an example here."""

from math import sqrt
from random import Random
from typing import Any

import pytest
from pydantic import ValidationError

from llmctl.model.record import Decision
from llmctl.routing import TABLE
from llmctl.routing.base import Strategy, StrategyOptions
from llmctl.testing.clock import ManualClock
from llmctl.testing.gateway import exchange

KINDS = sorted(TABLE)
EXAMPLES: dict[str, dict[str, Any]] = {
    "fixed": {"model": "a"},
    "weighted": {"weights": {"a": 5, "b": 3, "c": 0.5}},
}
DRAWS = 20_000


def made(kind: str) -> Strategy:
    strategy: Strategy = TABLE[kind](TABLE[kind].Options(**EXAMPLES[kind]))
    return strategy


def choices(kind: str, seed: int, count: int = 200) -> list[Decision]:
    strategy, random, asked = made(kind), Random(seed), exchange(ManualClock())
    return [strategy.choose(asked, random) for _ in range(count)]


def test_every_kind_has_an_example() -> None:
    assert sorted(EXAMPLES) == KINDS


@pytest.mark.parametrize("kind", KINDS)
def test_options_are_described_strict_and_frozen(kind: str) -> None:
    options = TABLE[kind].Options
    assert issubclass(options, StrategyOptions)
    assert [name for name, field in options.model_fields.items() if not field.description] == []
    with pytest.raises(ValidationError, match="extra"):
        options(**EXAMPLES[kind], nonsense=1)
    with pytest.raises(ValidationError, match="frozen"):
        setattr(options(**EXAMPLES[kind]), next(iter(options.model_fields)), None)


@pytest.mark.parametrize("kind", KINDS)
def test_it_chooses_among_its_models_and_says_who_chose(kind: str) -> None:
    models = made(kind).models
    assert isinstance(models, tuple)
    assert len(set(models)) == len(models) > 0
    for decision in choices(kind, 1):
        assert decision.model in models
        assert decision.strategy == kind
        assert decision.reason


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_gives_the_same_choices(kind: str) -> None:
    assert choices(kind, 7) == choices(kind, 7)


@pytest.mark.parametrize("kind", KINDS)
def test_it_does_not_touch_the_exchange(kind: str) -> None:
    asked, untouched = exchange(ManualClock()), exchange(ManualClock())
    made(kind).choose(asked, Random(1))
    assert asked == untouched


@pytest.mark.parametrize("kind", KINDS)
def test_the_propensity_is_the_frequency(kind: str) -> None:
    drawn = choices(kind, 3, DRAWS)
    claimed = {decision.model: decision.propensity for decision in drawn}
    assert sum(claimed.values()) == pytest.approx(1.0)
    for model, propensity in claimed.items():
        assert 0 < propensity <= 1
        assert {d.propensity for d in drawn if d.model == model} == {propensity}
        observed = sum(d.model == model for d in drawn) / DRAWS
        assert abs(observed - propensity) <= 4 * sqrt(propensity * (1 - propensity) / DRAWS)
