from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from llmctl.model.record import Decision
from llmctl.routing.complexity import BEYOND, Complexity, ComplexityOptions
from llmctl.routing.complexity_judge import Judge
from llmctl.routing.complexity_model import ComplexityModel, Weights, dump, shipped
from tests.routing.asking import asked, healthy

TIERS = {"simple": "small", "medium": "middle", "complex": "big"}
TWO = {"cheap": "small", "smart": "big"}
EASY = "hi there"
HARD = (
    "Prove that the ring of integers of a cyclotomic field is a Dedekind domain, step by step, and compare two proofs."
)


def made(**options: Any) -> Complexity:
    return Complexity(ComplexityOptions(**options), {})


def chosen(text: str, candidates: Sequence[str] | None = None, **options: Any) -> Decision:
    strategy = made(**(options or {"tiers": TIERS}))
    among = candidates or strategy.models
    return strategy.choose(among, asked(text), healthy(among), Random(1))


def score(text: str) -> float:
    return ComplexityModel(shipped()).judge(text).score


@pytest.fixture
def flat(tmp_path: Path) -> Path:
    """A model to which every prompt is of score 0.5."""
    one = shipped()
    zero = np.zeros_like(one.heads)
    weights = Weights(zero, np.array([np.log(3), -np.log(3)], np.float32), one.mean, one.deviation, (0.1, 0.4), {})
    path = tmp_path / "flat.json"
    path.write_text(dump(weights))
    return path


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({}, "either `tiers` or both"),
        ({"cheap": "a"}, "either `tiers` or both"),
        ({"tiers": TIERS, "cheap": "a"}, "either `tiers` or both"),
        ({"tiers": TIERS, **TWO}, "either `tiers` or both"),
        ({"tiers": {"simple": "a"}}, "complex"),
        ({"tiers": {**TIERS, "hard": "x"}}, "extra"),
        ({**TWO, "strong_share": 0.3, "complex_from": 0.2}, "say the same"),
        ({**TWO, "medium_from": 0.1, "complex_from": 0.2}, "one threshold"),
        ({**TWO, "medium_from": 0.1, "strong_share": 0.2}, "one threshold"),
        ({**TWO, "medium_from": 1.1}, "less than or equal to 1"),
        ({**TWO, "strong_share": 1.1}, "less than or equal to 1"),
    ],
)
def test_options_that_cannot_be(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        ComplexityOptions(**wrong)


def test_it_chooses_by_what_the_model_says() -> None:
    assert chosen(EASY) == Decision("small", "complexity", f"complexity {score(EASY):+.2f}: simple")
    assert chosen(HARD) == Decision("big", "complexity", f"complexity {score(HARD):+.2f}: complex")
    assert chosen(EASY, **TWO).model == "small"
    assert chosen(HARD, **TWO).model == "big"


@pytest.mark.parametrize(
    ("medium", "complex_", "tier"), [(-1, -1, "complex"), (-1, 1, "medium"), (1, 1, "simple"), (0.4, 0.4, "complex")]
)
def test_thresholds_may_be_given(flat: Path, medium: float, complex_: float, tier: str) -> None:
    decision = chosen("x", tiers=TIERS, model=flat, medium_from=medium, complex_from=complex_)
    assert decision.model == TIERS[tier]
    assert decision.reason == f"complexity +0.50: {tier}"


def test_a_complex_threshold_alone_pulls_the_medium_one_down() -> None:
    strategy = made(tiers=TIERS, complex_from=-0.5)
    assert (strategy.medium_from, strategy.complex_from) == (-0.5, -0.5)


def test_thresholds_in_the_wrong_order_are_refused(flat: Path) -> None:
    with pytest.raises(ValueError, match=r"medium_from 0\.5 is above complex_from, which is 0\.4"):
        made(tiers=TIERS, medium_from=0.5, model=flat)


@pytest.mark.parametrize(
    ("options", "expected"),
    [({}, 0.1), ({"medium_from": 0.3}, 0.3), ({"complex_from": 0.3}, 0.3), ({"strong_share": 0.2}, 0.4)],
)
def test_without_a_medium_tier_there_is_one_threshold(flat: Path, options: dict[str, Any], expected: float) -> None:
    strategy = made(**TWO, model=flat, **options)
    assert strategy.medium_from == strategy.complex_from == pytest.approx(expected)


@pytest.mark.parametrize(("share", "expected"), [(0, BEYOND), (0.2, 0.4), (0.35, 0.25), (0.5, 0.1), (1, -BEYOND)])
def test_a_share_is_a_threshold(flat: Path, share: float, expected: float) -> None:
    assert made(**TWO, model=flat, strong_share=share).complex_from == pytest.approx(expected)


@pytest.mark.parametrize("share", [0.1, 0.19, 0.51, 0.9])
def test_a_share_that_the_file_cannot_tell_is_refused(flat: Path, share: float) -> None:
    message = rf"strong_share {share:g}: .*flat\.json knows the scores that 20% to 50% of prompts reach"
    with pytest.raises(ValueError, match=message):
        made(**TWO, model=flat, strong_share=share)


@pytest.mark.parametrize(
    ("text", "candidates", "model", "tier"),
    [
        (EASY, ["middle", "big"], "middle", "simple, but small cannot: medium"),
        (EASY, ["big"], "big", "simple, but small cannot: complex"),
        (HARD, ["small", "middle"], "middle", "complex, but big cannot: medium"),
        (HARD, ["small"], "small", "complex, but big cannot: simple"),
    ],
)
def test_the_next_stronger_tier_stands_in_and_then_the_next_weaker(
    text: str, candidates: list[str], model: str, tier: str
) -> None:
    decision = chosen(text, candidates)
    assert decision.model == model
    assert decision.reason == f"complexity {score(text):+.2f}: {tier}"


def test_a_medium_prompt_rather_goes_up(flat: Path) -> None:
    options = {"tiers": TIERS, "model": flat, "complex_from": 0.6}
    assert chosen("x", ["small", "big"], **options).model == "big"
    assert chosen("x", ["small"], **options).model == "small"


def test_two_tiers_may_have_one_model() -> None:
    strategy = made(tiers={"simple": "small", "medium": "big", "complex": "big"})
    assert strategy.models == ("small", "big")


def test_a_file_that_is_not_there_or_damaged_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"none\.json: cannot be read: No such file"):
        made(**TWO, model=tmp_path / "none.json")
    (tmp_path / "bad.json").write_text("{}")
    with pytest.raises(ValueError, match=r"bad\.json: is no complexity model"):
        made(**TWO, model=tmp_path / "bad.json")


@pytest.mark.parametrize("text", [EASY, HARD, "", "\udc00", "x" * 10_000, "2 + 2 = 4"])
def test_the_judge_says_what_the_model_says(text: str) -> None:
    said, expected = Judge(None)(asked(text)), ComplexityModel(shipped()).judge(text)
    assert said == pytest.approx((expected.strong, expected.weak))


def test_the_judge_survives_weights_beyond_reason(tmp_path: Path) -> None:
    one = shipped()
    path = tmp_path / "huge.json"
    path.write_text(dump(one._replace(heads=np.full_like(one.heads, 6e4), biases=np.array([1e6, -1e6], np.float32))))
    assert Judge(path)(asked("x")) == (1.0, 0.0)
