from collections.abc import Sequence
from random import Random
from typing import Any

import pytest
from pydantic import ValidationError

from llmctl.model.record import Decision
from llmctl.routing.base import ModelFacts
from llmctl.routing.complexity_model import ComplexityModel, shipped
from llmctl.routing.cost import Cost, CostOptions
from llmctl.routing.features import Features
from tests.routing.asking import asked, healthy

Models = dict[str, dict[str, Any]]

FACTS = {
    "cheap": ModelFacts(1e-6, 4e-6),
    "dear": ModelFacts(1e-5, 4e-5),
    "reader": ModelFacts(1e-7, 1e-3),  # cheap to read, dear to write
    "half": ModelFacts(1e-9, None),
    "unknown": ModelFacts(),
}
EASY = "hi there"
HARD = (
    "Prove that the ring of integers of a cyclotomic field is a Dedekind domain, step by step, and compare two proofs."
)


def chosen(
    models: Models, features: Features | None = None, candidates: Sequence[str] = (), **options: Any
) -> Decision:
    strategy = Cost(CostOptions(models=models, **options), FACTS)
    among = candidates or strategy.models
    return strategy.choose(among, features or asked(), healthy(among), Random(1))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"models": {}}, "at least 1"),
        ({"models": {"a": {"quality": 0.5, "strength": 0.5}}}, "not both"),
        ({"models": {"a": {"quality": 0.5}, "b": {}}, "min_quality": 0.5}, "of each model: b"),
        ({"models": {"a": {"price": {"input": 1}}}}, "output"),
        ({"models": {"a": {"price": {"input": -1, "output": 1}}}}, "greater"),
        ({"models": {"a": {"price": {"input": float("nan"), "output": 1}}}}, "finite"),
        ({"models": {"a": {}}, "assumed_output": -1}, "greater"),
    ],
)
def test_options_that_cannot_be(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        CostOptions(**wrong)


def test_the_cheapest_is_taken_and_the_reason_has_its_price() -> None:
    decision = chosen({"dear": {}, "cheap": {}}, asked(tokens=1000))
    assert decision == Decision("cheap", "cost", "$0.0022")  # 1000 at 1e-6 and 300 at 4e-6


def test_the_length_of_the_answer_counts() -> None:
    models: Models = {"cheap": {}, "reader": {}}
    assert chosen(models, asked(tokens=1000)).model == "cheap"
    assert chosen(models, asked(tokens=100_000, max_tokens=10)).model == "reader"
    assert chosen(models, asked(tokens=100_000, max_tokens=10_000), assumed_output=10).model == "reader"
    assert chosen(models, asked(tokens=1000), assumed_output=0).model == "reader"
    assert chosen(models, asked(tokens=1000, max_output_tokens=-5)).reason == "$0.0001"


def test_an_embedding_has_no_answer_to_pay_for() -> None:
    request = asked(operation="embedding", input="x", tokens=1000)
    assert chosen({"cheap": {}, "half": {}, "reader": {}}, request).model == "half"


def test_a_price_of_ones_own_goes_before_the_published_one() -> None:
    models = {"cheap": {}, "dear": {"price": {"input": 0.01, "output": 0.02}}}
    assert chosen(models).model == "dear"
    assert chosen({"cheap": {}, "own": {"price": {"input": 0, "output": 0}}}) == Decision("own", "cost", "$0")


@pytest.mark.parametrize("name", ["unknown", "half", "not in facts"])
def test_what_has_no_price_is_not_free(name: str) -> None:
    assert chosen({name: {}, "dear": {}}).model == "dear"
    assert chosen({name: {}, "dear": {}}, candidates=[name]) == Decision(name, "cost", "no price known")


def test_the_first_of_equals_is_taken() -> None:
    models: Models = {"b": {}, "a": {}}
    assert chosen(models).model == "b"
    assert chosen(models, candidates=["a"]).model == "a"


def test_the_cheapest_that_is_good_enough() -> None:
    models: Models = {"cheap": {"quality": 0.6}, "dear": {"quality": 0.9}, "unknown": {"quality": 1}}
    assert chosen(models, min_quality=0.6).reason == "$0.0013, quality 0.60 of 0.60"
    assert chosen(models, min_quality=0.7).model == "dear"
    assert chosen(models, min_quality=0.95).model == "unknown"
    assert chosen(models, candidates=["cheap", "unknown"], min_quality=0.8).model == "unknown"


def test_where_none_is_good_enough_the_best_is_taken_and_of_those_the_cheapest() -> None:
    models = {"dear": {"quality": 0.7}, "cheap": {"quality": 0.7}, "unknown": {"quality": 0.1}}
    decision = chosen(models, min_quality=0.9)
    assert decision == Decision("cheap", "cost", "best of those below 0.90: quality 0.70")


@pytest.mark.parametrize("strength", [0, 0.25, 1])
def test_strength_stands_between_the_weak_and_the_strong_model(strength: float) -> None:
    judged = ComplexityModel(shipped()).judge(HARD)
    expected = judged.weak + strength * (judged.strong - judged.weak)
    decision = chosen({"cheap": {"strength": strength}}, asked(HARD), min_quality=0)
    assert decision.reason.endswith(f"quality {expected:.2f} of 0.00")


def test_a_hard_prompt_goes_to_the_stronger_model_and_an_easy_one_does_not() -> None:
    easy, hard = (ComplexityModel(shipped()).judge(text) for text in (EASY, HARD))
    least = (min(easy.weak, hard.strong) + hard.weak) / 2
    assert hard.weak < least < easy.weak
    models = {"cheap": {"strength": 0}, "dear": {"strength": 1}}
    assert chosen(models, asked(EASY), min_quality=least).model == "cheap"
    assert chosen(models, asked(HARD), min_quality=least).model == "dear"


def test_prompts_are_judged_only_where_something_depends_on_it() -> None:
    one, other = asked(), asked()
    chosen({"cheap": {"strength": 0}, "dear": {"strength": 1}}, one)
    chosen({"cheap": {"quality": 0.5}, "dear": {"quality": 1}}, other, min_quality=0.7)
    assert "embedding" not in {**vars(one), **vars(other)}
