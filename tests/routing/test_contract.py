"""What every routing strategy in the table keeps to. A new kind is checked by giving it an example here."""

from collections import Counter
from collections.abc import Mapping, Sequence
from copy import deepcopy
from itertools import combinations
from math import sqrt
from random import Random
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from llmctl.model.record import Decision
from llmctl.routing import TABLE
from llmctl.routing.base import Learner, ModelFacts, Strategy, StrategyOptions
from llmctl.routing.features import Features
from llmctl.routing.health import Health
from tests.routing.asking import asked, healthy

KINDS = sorted(TABLE)
EXAMPLES: dict[str, dict[str, Any]] = {
    "fixed": {"model": "a"},
    "weighted": {"weights": {"a": 5, "b": 3, "c": 0.5}},
    "complexity": {"tiers": {"simple": "a", "medium": "b", "complex": "c"}},
    "cost": {
        "models": {
            "a": {"strength": 0, "price": {"input": 0.1, "output": 0.4}},
            "b": {"strength": 1},
            "c": {"quality": 0.9},
        },
        "min_quality": 0.7,
    },
    "latency": {"models": ["a", "b", "c"]},
    "cascade": {"panel": ["a", "b"], "strong": "c", "extract": "number"},
    "semantic": {
        "intents": {
            "code": {"model": "a", "examples": ["Fix this Python function", "Why does my loop not end?"]},
            "baking": {"model": "b", "examples": ["How long does bread rise?", "A recipe for rye bread"]},
        },
        "default": "c",
    },
    "bandit": {"models": ["a", "b", "c"]},
    "prefix": {"models": ["a", "b", "c"]},
}
RANDOM = ["bandit", "latency", "weighted"]
FACTS = {"a": ModelFacts(1e-6, 2e-6, 8_000), "b": ModelFacts(1e-5, 3e-5, 128_000), "c": ModelFacts()}
HEALTH = healthy("abc", {"a": 0.1, "b": 0.3, "c": 0.2}, {"c": 1})
REQUESTS = {
    "plain": lambda: asked(),
    "empty": lambda: asked(""),
    "long": lambda: asked("Prove that the sum converges. " * 200, max_tokens=50),
    "other script": lambda: asked("Миру мир \U0001f468\u200d\U0001f469 \udc00"),
    "parts": lambda: asked(
        messages=[
            {"role": "system", "content": "Be short."},
            {"role": "user", "content": [{"type": "text", "text": "Hi"}, {"type": "image_url", "image_url": {}}]},
        ]
    ),
    "no user": lambda: asked(messages=[{"role": "system", "content": None}]),
    "tools": lambda: asked(tools=[{"type": "function", "function": {"name": "f"}}], stream=True, n=2),
    "completion": lambda: asked(operation="completion", prompt="Once upon a time", max_tokens=0),
    "token ids": lambda: asked(operation="completion", prompt=[[1, 2, 3], [4, 5]]),
    "embedding": lambda: asked(operation="embedding", input=["one", "two"]),
}
DRAWS = 10_000


def made(kind: str) -> Strategy:
    strategy: Strategy = TABLE[kind](TABLE[kind].Options(**EXAMPLES[kind]), FACTS)
    return strategy


def learned(kind: str) -> Strategy:
    """A strategy that has learned, if it is one that does."""
    strategy = made(kind)
    if isinstance(strategy, Learner):
        for name, good, bad in (("a", 7, 5), ("b", 8, 4), ("c", 2, 6)):
            for at in range(good + bad):
                strategy.learn(Decision(name, kind, "test"), ok=at < good, seconds=0.2, usd=0.001)
    return strategy


def choices(
    strategy: Strategy,
    seed: int,
    count: int,
    candidates: Sequence[str],
    features: Features,
    health: Mapping[str, Health] = HEALTH,
) -> list[Decision]:
    random = Random(seed)
    return [strategy.choose(candidates, features, health, random) for _ in range(count)]


def subsets(models: Sequence[str]) -> list[tuple[str, ...]]:
    return [some for size in range(1, len(models) + 1) for some in combinations(models, size)]


def nested(options: type[BaseModel]) -> list[type[BaseModel]]:
    """The options model and all models in its fields."""
    schema = options.model_json_schema()
    return [options, *(kind for kind in StrategyOptions.__subclasses__() if kind.__name__ in schema.get("$defs", {}))]


def test_every_kind_has_an_example() -> None:
    assert sorted(EXAMPLES) == KINDS


@pytest.mark.parametrize("kind", KINDS)
def test_options_are_described_strict_and_frozen(kind: str) -> None:
    options = TABLE[kind].Options
    assert issubclass(options, StrategyOptions)
    for one in nested(options):
        assert [name for name, field in one.model_fields.items() if not field.description] == []
        assert one.model_config.get("extra") == "forbid"
    with pytest.raises(ValidationError, match="extra"):
        options(**EXAMPLES[kind], nonsense=1)
    with pytest.raises(ValidationError, match="frozen"):
        setattr(options(**EXAMPLES[kind]), next(iter(options.model_fields)), None)


@pytest.mark.parametrize("kind", KINDS)
def test_its_models_are_distinct(kind: str) -> None:
    models = made(kind).models
    assert isinstance(models, tuple)
    assert len(set(models)) == len(models) > 0


@pytest.mark.parametrize("request_", sorted(REQUESTS))
@pytest.mark.parametrize("kind", KINDS)
def test_it_chooses_among_any_candidates_and_says_who_chose_and_why(kind: str, request_: str) -> None:
    strategy, features = made(kind), REQUESTS[request_]()
    for candidates in subsets(strategy.models):
        for decision in choices(strategy, 1, 20, candidates, features):
            assert decision.model in candidates
            assert set(decision.panel) <= set(candidates)
            assert decision.strategy == kind
            assert 0 < len(decision.reason) <= 120
            assert 0 < decision.propensity <= 1
            assert len(candidates) > 1 or decision.propensity == 1


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_gives_the_same_choices(kind: str) -> None:
    one, other = (choices(learned(kind), 7, 200, learned(kind).models, asked()) for _ in range(2))
    assert one == other


@pytest.mark.parametrize("kind", KINDS)
def test_the_health_of_others_makes_no_difference(kind: str) -> None:
    everybody = healthy("xy") | HEALTH | healthy("z", calls={"z": 9})
    for candidates in subsets(made(kind).models):
        own = {name: HEALTH[name] for name in candidates}
        one, other = (choices(learned(kind), 3, 50, candidates, asked(), health) for health in (own, everybody))
        assert one == other


@pytest.mark.parametrize("request_", sorted(REQUESTS))
@pytest.mark.parametrize("kind", KINDS)
def test_it_does_not_touch_the_request(kind: str, request_: str) -> None:
    strategy, features = made(kind), REQUESTS[request_]()
    before = deepcopy(features.payload)
    strategy.choose(strategy.models, features, HEALTH, Random(1))
    assert features.payload == before


@pytest.mark.parametrize("kind", KINDS)
def test_the_propensity_is_the_frequency(kind: str) -> None:
    strategy, features = learned(kind), asked()
    for seed, candidates in enumerate(subsets(strategy.models)):
        drawn = choices(strategy, seed, DRAWS if kind in RANDOM else 20, candidates, features)
        claimed = {decision.model: decision.propensity for decision in drawn}
        assert {(decision.model, decision.propensity) for decision in drawn} == set(claimed.items())
        assert sum(claimed.values()) == pytest.approx(1.0)
        for model, count in Counter(decision.model for decision in drawn).items():
            expected, allowed = claimed[model], 4 * sqrt(claimed[model] * (1 - claimed[model]) / len(drawn))
            assert abs(count / len(drawn) - expected) <= allowed


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in RANDOM])
def test_what_is_not_random_draws_nothing(kind: str) -> None:
    strategy, random = made(kind), Random(1)
    before = random.getstate()
    assert strategy.choose(strategy.models, asked(), HEALTH, random).propensity == 1
    assert random.getstate() == before
