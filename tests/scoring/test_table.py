"""Which scorers there are."""

import pytest

from llmctl.scoring.table import TABLE, find


def test_each_can_be_found() -> None:
    assert all(callable(find(kind)) for kind in TABLE)


@pytest.mark.parametrize(
    ("kind", "said"),
    [("equal", "did you mean equals"), ("zzz", "there are equals"), ("no.such:Thing", "No module"),
     ("json:nothing", "nothing"), ("json:dumps", "has no Options")],
)  # fmt: skip
def test_others_are_told(kind: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        find(kind)


def test_a_class_of_the_user_s_own() -> None:
    assert find("llmctl.scoring.equals:Equals") is find("equals")
