"""Says exactly that."""

import pytest

from llmctl.scoring.base import Unscorable
from tests.scoring.made import scored


@pytest.mark.parametrize(
    ("said", "value", "score"),
    [
        ("Paris", "Paris", 1),
        (" Paris\n", "Paris", 1),
        ("paris", "Paris", 0),
        ("Paris.", "Paris", 0),
        ("7", 7, 1),
        ('{"a": 1}', {"a": 1}, 1),
        ("[1,2]", [1, 3], 0),
        ("true", True, 1),
        ("1", True, 0),
        ('{"b":2,"a":1}', {"a": 1, "b": 2}, 1),
        ("\ud800", 7, 0),
        ("007", "7", 0),
    ],
)
def test_equals(said: str, value: object, score: int) -> None:
    assert scored("equals", said, value=value).value == score


def test_case_space_and_what_is_expected() -> None:
    assert scored("equals", "PARIS", value="paris", ignore_case=True).value == 1
    assert scored("equals", " a", value="a", strip=False).value == 0
    assert scored("equals", "b", ["a", "b"]).value == 1
    assert scored("equals", "[1, 2]", [1, 2]).value == 1
    assert "not 'a'" in scored("equals", "c", "a").reason
    with pytest.raises(Unscorable, match="nothing is expected"):
        scored("equals", "x")
