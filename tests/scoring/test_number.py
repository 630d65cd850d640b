"""The number that an answer says."""

import pytest

from llmctl.scoring.base import Unscorable
from tests.scoring.made import scored


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("It is 3 + 4 = 7", 7),
        ("#### 1,234", 1234),
        ("The answer is **$18.50**.", 18.5),
        (r"so \boxed{-3}", -3),
        ("First 5, answer: 6, of 7 in all", 6),
        ("1.5e3", 1500),
        ("-.5", -0.5),
        ("2024", 2024),
        ("The answer to 3 + 4 is 7.", 7),
        ("pages 10-12", 12),
        ("the answer is: 5 apples, 3 left", 5),
    ],
)
def test_the_number_said(text: str, number: float) -> None:
    assert scored("number", text, number).raw == number
    assert scored("number", text, number).value == 1
    assert scored("number", text, number + 1).value == 0


def test_how_near_and_which() -> None:
    assert scored("number", "99", 100, relative=0.01).value == 1
    assert scored("number", "98", 100, relative=0.01).value == 0
    assert scored("number", "98", 100, absolute=2).value == 1
    assert scored("number", "1 and 2", 1, take="first").value == 1
    assert scored("number", "1 and 2", 2, take="only").value == 0
    assert scored("number", "7", "He had 3 and then #### 7").value == 1
    assert scored("number", "none", 1).reason == "says no number"
    with pytest.raises(Unscorable, match="no number is expected"):
        scored("number", "1", "many")


def test_the_minus_of_typesetters() -> None:
    assert scored("number", "It is \u22125.", -5).raw == -5
