from collections.abc import Sequence
from random import Random
from typing import Any

import pytest
from pydantic import ValidationError

from llmctl.model.record import Decision
from llmctl.routing.cascade import Cascade, CascadeOptions
from llmctl.routing.features import Features
from tests.routing.asking import asked, healthy

OPTIONS: dict[str, Any] = {"panel": ["a", "b", "c"], "strong": "s", "extract": "number"}


def made(**changes: Any) -> Cascade:
    return Cascade(CascadeOptions(**{**OPTIONS, **changes}), {})


def chosen(candidates: Sequence[str], features: Features | None = None) -> Decision:
    return made().choose(candidates, features or asked(), healthy(candidates), Random(1))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"panel": ["a", "a"]}, "different"),
        ({"strong": "a"}, "different"),
        ({"panel": ["a"]}, "at least 2"),
        ({"labels": ["yes", "no"]}, "extract: label"),
        ({"extract": "label", "labels": ["yes"]}, "at least 2"),
        ({"extract": "label", "labels": ["yes", ""]}, "at least 1"),
        ({"extract": "prose"}, "number"),
    ],
)
def test_options_that_cannot_be(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        CascadeOptions(**{**OPTIONS, **wrong})


def test_the_panel_is_asked_before_the_strong_model() -> None:
    assert chosen("abcs") == Decision("s", "cascade", "panel of 3: number", panel=("a", "b", "c"))
    assert chosen("acs").panel == ("a", "c")


def test_with_one_of_the_panel_left_there_is_nothing_to_agree_on() -> None:
    assert chosen("bs") == Decision("s", "cascade", "1 of a panel of 3: strong")
    assert chosen("s") == Decision("s", "cascade", "0 of a panel of 3: strong")


def test_without_the_strong_model_one_cheap_one_answers() -> None:
    assert chosen("bc") == Decision("b", "cascade", "s cannot: first of a panel of 2")


@pytest.mark.parametrize(
    ("features", "why"),
    [
        (asked(tools=[{"type": "function"}], stream=True), "tools"),
        (asked(n=3), "n is 3"),
        (asked(operation="embedding", input="x"), "embedding"),
    ],
)
def test_answers_that_cannot_be_compared_are_not_asked_for(features: Features, why: str) -> None:
    assert chosen("abcs", features) == Decision("s", "cascade", f"{why}: strong")


def test_one_answer_and_a_stream_are_no_obstacle() -> None:
    assert chosen("abcs", asked(n=1, stream=True)).panel
    assert chosen("abcs", asked(n=None)).panel
    assert chosen("abcs", asked(operation="completion", prompt="1+1=")).panel


@pytest.mark.parametrize(
    ("texts", "agreed"),
    [
        (["It is 42.", r"\boxed{42.0}"], True),
        (["The answer is 42", "#### 42", "42"], True),
        (["42", "43"], False),
        (["42", "42", "41"], False),
        (["no idea", "no idea"], False),
        (["42", "no idea"], False),
        (["42"], False),
        ([], False),
    ],
)
def test_they_agree_where_all_say_the_same(texts: list[str], agreed: bool) -> None:
    assert made().agreed(texts) is agreed


def test_labels_are_those_of_the_options() -> None:
    strategy = made(extract="label", labels=["spam", "ham"])
    assert strategy.agreed(["Spam", "The label is: spam"])
    assert not strategy.agreed(["B", "B"])
    assert made(extract="label").agreed(["B", "(B)"])
