from collections.abc import Sequence
from random import Random
from typing import Any

import pytest
from pydantic import ValidationError

from llmctl.model.record import Decision
from llmctl.routing.semantic import Semantic, SemanticOptions
from tests.routing.asking import asked, healthy

OPTIONS: dict[str, Any] = {
    "intents": {
        "code": {
            "model": "coder",
            "examples": ["Fix the bug in this Python function", "Why does my JavaScript loop never end?"],
        },
        "baking": {"model": "baker", "examples": ["How long does rye bread rise?", "A recipe for a chocolate cake"]},
        "travel": {"model": "guide", "examples": ["Find me a cheap flight to Rome", "Which hotel is near the beach?"]},
    },
    "default": "general",
}
MODELS = ("coder", "baker", "guide", "general")
CODE, BREAD, OTHER = "My Python loop has a bug", "What recipe makes good rye bread?", "Who was Napoleon's uncle?"


def chosen(text: str, candidates: Sequence[str] = MODELS, **changes: Any) -> Decision:
    strategy = Semantic(SemanticOptions(**{**OPTIONS, **changes}), {})
    return strategy.choose(candidates, asked(text), healthy(candidates), Random(1))


@pytest.mark.parametrize("wrong", [{"intents": {}}, {"intents": {"x": {"model": "m", "examples": []}}}, {"default": 1}])
def test_options_that_cannot_be(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        SemanticOptions(**{**OPTIONS, **wrong})


def test_an_example_without_words_is_refused() -> None:
    options = SemanticOptions(intents={"x": {"model": "m", "examples": ["bread", "  "]}}, default="m")
    with pytest.raises(ValueError, match=r"intents\.x: an example has no words"):
        Semantic(options, {})


def test_its_models_are_those_of_the_intents_and_the_default() -> None:
    assert Semantic(SemanticOptions(**OPTIONS), {}).models == MODELS
    assert Semantic(SemanticOptions(**{**OPTIONS, "default": "baker"}), {}).models == MODELS[:3]


@pytest.mark.parametrize(("text", "model"), [(CODE, "coder"), (BREAD, "baker"), (OTHER, "general"), ("", "general")])
def test_a_prompt_goes_to_the_intent_it_resembles(text: str, model: str) -> None:
    assert chosen(text).model == model


def test_the_reason_has_the_intent_and_the_similarity() -> None:
    assert chosen(BREAD).reason.startswith("intent baking 0.")
    assert chosen("").reason == "no intent: code 0.00"


def test_an_intents_own_example_is_near_its_mean() -> None:
    assert chosen("Which hotel is near the beach?", min_similarity=0.6).model == "guide"


def test_the_default_stands_in_for_a_model_that_cannot() -> None:
    decision = chosen(BREAD, ["coder", "general"])
    assert decision.model == "general"
    assert decision.reason.endswith(", but baker cannot: default")


def test_without_the_default_the_nearest_other_intent_does() -> None:
    assert chosen(OTHER, ["baker"]).model == "baker"
    decision = chosen("Bake me a Python loop without a bug", ["baker", "guide"])
    assert decision.model == "baker"
    assert decision.reason.endswith(", but coder cannot: baking")


def test_what_the_least_similarity_says_is_enough() -> None:
    assert chosen(OTHER, min_similarity=-1).reason.startswith("intent")
    assert chosen(BREAD, min_similarity=1).model == "general"
