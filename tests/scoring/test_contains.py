"""Says that somewhere."""

import pytest

from llmctl.scoring.base import Unscorable
from tests.scoring.made import scored

TEXT = "The Cat sat, on the mat."


@pytest.mark.parametrize(
    ("kind", "value", "score"),
    [("contains", "Cat", 1), ("contains", "cat", 0), ("icontains", "cAT", 1), ("contains", "sat, on", 1),
     ("contains-any", "dog, mat", 1), ("contains-any", ["dog", "cow"], 0), ("icontains-any", ["CAT"], 1),
     ("contains-all", "Cat, mat", 1), ("contains-all", ["Cat", "dog"], 0.5), ("icontains-all", "CAT,MAT", 1)],
)  # fmt: skip
def test_contains(kind: str, value: object, score: float) -> None:
    assert scored(kind, TEXT, value=value).value == score


def test_what_it_lacks_is_said() -> None:
    assert scored("contains-all", TEXT, value=["dog", "mat"]).reason == "lacks 'dog'"
    assert scored("contains", TEXT, "mat").value == 1
    with pytest.raises(Unscorable):
        scored("contains", TEXT)
    with pytest.raises(Unscorable, match="empty"):
        scored("contains-all", TEXT, value=" , ")


@pytest.mark.parametrize("kind", ["contains", "contains-any", "icontains-all"])
@pytest.mark.parametrize("empty", ["", [], [""]])
def test_an_empty_value_is_no_score(kind: str, empty: object) -> None:
    with pytest.raises(Unscorable, match="nothing is expected"):
        scored(kind, TEXT, empty)
