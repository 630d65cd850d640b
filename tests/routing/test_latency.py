from collections import Counter
from random import Random

import pytest
from pydantic import ValidationError

from llmctl.routing.latency import Latency, LatencyOptions
from tests.routing.asking import asked, healthy

MODELS = ("a", "b", "c")


def made() -> Latency:
    return Latency(LatencyOptions(models=MODELS), {})


def test_a_model_twice_is_refused() -> None:
    with pytest.raises(ValidationError, match="twice"):
        LatencyOptions(models=("a", "a"))


def test_the_less_loaded_of_two_is_taken_and_the_reason_has_its_load() -> None:
    health = healthy("ab", {"a": 0.5, "b": 0.2}, {"b": 1})
    decision = made().choose(["a", "b"], asked(), health, Random(1))
    assert (decision.model, decision.reason, decision.propensity) == ("b", "load 0.400 s", 1.0)


def test_calls_under_way_count() -> None:
    health = healthy("ab", {"a": 0.5, "b": 0.2}, {"b": 2})
    assert made().choose(["a", "b"], asked(), health, Random(1)).model == "a"


def test_the_best_of_three_has_two_thirds_and_the_worst_nothing() -> None:
    health, random = healthy(MODELS, {"a": 0.3, "b": 0.1, "c": 0.2}), Random(3)
    drawn = [made().choose(MODELS, asked(), health, random) for _ in range(300)]
    assert {(one.model, round(one.propensity, 3)) for one in drawn} == {("b", 0.667), ("c", 0.333)}
    assert 150 < Counter(one.model for one in drawn)["b"] < 250
