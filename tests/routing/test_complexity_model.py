import json
from pathlib import Path
from time import thread_time
from typing import Any

import numpy as np
import pytest

from llmctl.embedding import DIMENSIONS
from llmctl.routing import complexity_model as model
from llmctl.routing.surface import NAMES

MODEL = model.load()


def test_the_shipped_weights_come_back_as_they_were_written() -> None:
    text = model.PATH.read_text(encoding="utf-8")
    assert model.dump(model.parse(text)) == text
    assert len(text) < 4_000


def test_the_score_is_the_difference() -> None:
    found = MODEL.judge("What is the capital of France?")
    assert found.score == pytest.approx(found.strong - found.weak)
    assert found == MODEL.judge("What is the capital of France?")


@pytest.mark.parametrize(
    ("text", "tier"),
    [
        ("What is the capital of France?", "simple"),
        ("Translate 'good morning' into Spanish.", "simple"),
        ("Prove that the square root of 2 is irrational.", "complex"),
        ("Derive the gradient of the loss with respect to the logits, step by step.", "complex"),
    ],
)
def test_tiers_of_plain_cases(text: str, tier: str) -> None:
    assert MODEL.judge(text).tier == tier


def test_tiers_are_cut_at_the_thresholds() -> None:
    score = MODEL.judge("a prompt").score
    for tiers, tier in (((score + 0.1, 2), "simple"), ((score, 2), "medium"), ((-2, score), "complex")):
        assert model.ComplexityModel(MODEL.weights._replace(tiers=tiers)).judge("a prompt").tier == tier


@pytest.mark.parametrize("text", ["", " ", "\ud800", "=" * 100_000, "é" * 10_000])
def test_every_text_has_a_judgement(text: str) -> None:
    assert -1 <= MODEL.judge(text).score <= 1


def test_features_beyond_what_was_learned_from_are_held() -> None:
    assert np.abs(MODEL.standardised([1e9] * len(NAMES))).max() == pytest.approx(model.CLIP * model.SURFACE_SCALE)


def test_pulls_are_the_slope_of_the_score() -> None:
    """Each surface feature's pull against the score's change when its weights are scaled a little."""
    text = "Prove that 17 is prime.\nWhat is not?"
    for pull in MODEL.explain(text).surface:
        heads = MODEL.weights.heads.astype(np.float64)
        at = DIMENSIONS + NAMES.index(pull.feature)
        ends = []
        for factor in (0.99, 1.01):
            moved = heads.astype(np.float32)
            moved[:, at] *= factor
            ends.append(model.ComplexityModel(MODEL.weights._replace(heads=moved)).judge(text).score)
        assert pull.pull == pytest.approx((ends[1] - ends[0]) / 0.02, abs=2e-4)


def test_words_and_their_repetitions_are_told_once() -> None:
    found = MODEL.explain("step by step by step")
    assert sorted(pull.feature for pull in found.words) == ["by", "step"]
    assert [abs(pull.pull) for pull in found.words] == sorted((abs(p.pull) for p in found.words), reverse=True)


def broken(**changes: Any) -> str:
    return json.dumps({**json.loads(model.dump(MODEL.weights)), **changes})


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("{", "is not JSON"),
        ("[]", "'format' is not"),
        (broken(format="other"), "'format' is not"),
        (broken(surface=["length"]), "fitted to other features"),
        (broken(heads="AAAA"), "damaged"),
        (broken(heads="é"), "damaged"),
        (broken(heads=None), "damaged"),
        (broken(tiers=[0.5, 0.1]), "damaged"),
        (broken(tiers=[0.5]), "damaged"),
        (broken(mean=[1]), "damaged"),
        (broken(deviation=[0] * len(NAMES)), "damaged"),
        (broken(biases=[float("nan"), 0]), "damaged"),
        (" " * (model.MAX_BYTES + 1), "too long"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(text: str, what: str, tmp_path: Path) -> None:
    file = tmp_path / "m.json"
    file.write_text(text)
    with pytest.raises(ValueError, match=what) as raised:
        model.load(file)
    assert str(raised.value).startswith(str(file))


def test_a_decision_is_quick() -> None:
    """Bars of issue 4, in CPU time: 80 µs for 150 characters, 400 for 3,000; the best of several, thrice the bar."""
    for length, bar in ((150, 80e-6), (3_000, 400e-6)):
        text = ("Which of the following best describes the balance of power, and why? " * 60)[:length]
        MODEL.judge(text)
        best = min(_timed(text) for _ in range(20))
        assert best < 3 * bar


def _timed(text: str) -> float:
    started = thread_time()
    for _ in range(10):
        MODEL.judge(text)
    return (thread_time() - started) / 10
