"""Word sequences in common."""

import math

import pytest

from llmctl.scoring.bleu import bleu
from tests.scoring.made import scored


def test_by_hand() -> None:
    said, reference = ["the", "cat", "sat", "on", "the", "mat"], ["the", "cat", "is", "on", "the", "mat"]
    # 5 of 6 words; 3 of 5 pairs, 1 of 4 triples, 0 of 3 fours, each of the last three with one added to both
    expected = math.exp((math.log(5 / 6) + math.log(4 / 6) + math.log(2 / 5) + math.log(1 / 4)) / 4)
    assert bleu(said, [reference]) == pytest.approx(expected)


def test_ends() -> None:
    assert scored("bleu", "The cat sat.", "the cat sat").value == pytest.approx(1.0)
    assert scored("bleu", "dog", "cat").value == 0
    assert scored("bleu", "", "cat").value == 0
    assert scored("bleu", "the the the the", "the cat").value < 0.5
    short, whole = (
        scored("bleu", text, "one two three four five six").value for text in ("one two", "one two three four five")
    )
    assert short < whole < 1
