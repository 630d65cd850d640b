"""The letter that an answer chooses."""

import pytest

from llmctl.scoring.base import Unscorable
from tests.scoring.made import scored


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        ("B", "B"),
        ("(C)", "C"),
        ("**D**", "D"),
        ("B. Paris", "B"),
        ("The answer is (B).", "B"),
        ("Answer: **C**", "C"),
        ("A is wrong, so the correct answer is D", "D"),
        (r"\boxed{A}", "A"),
        (r"$\boxed{\text{B}}$", "B"),
        ("I think it must be C.", "C"),
        ("C because I think so", "C"),
        ("A good question. (B)", "B"),
        ("The answer is a bit hard to see, but B", "B"),
        ("the answer is b", "B"),
        ("I choose option D because A fails", "D"),
    ],
)
def test_chosen(text: str, letter: str) -> None:
    assert scored("multiple-choice", text, letter).value == 1


def test_places_letters_and_none() -> None:
    assert scored("multiple-choice", "C", 2).value == 1
    assert scored("multiple-choice", "A", "B").reason == "chooses A, not B"
    assert scored("multiple-choice", "I do not know.", "B").value == 0
    with pytest.raises(Unscorable):
        scored("multiple-choice", "A", "Paris")
