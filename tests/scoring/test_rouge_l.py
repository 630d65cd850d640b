"""Longest common subsequence of words."""

from hypothesis import given
from hypothesis import strategies as st

from llmctl.scoring.rouge_l import common
from tests.scoring.made import scored


def by_table(a: list[str], b: list[str]) -> int:
    row = [0] * (len(b) + 1)
    for x in a:
        last = 0
        for j, y in enumerate(b, 1):
            last, row[j] = row[j], last + 1 if x == y else max(row[j], row[j - 1])
    return row[-1]


@given(st.lists(st.sampled_from("abcd"), max_size=80), st.lists(st.sampled_from("abcd"), max_size=80))
def test_as_the_table_says(a: list[str], b: list[str]) -> None:
    assert common(a, b) == by_table(a, b)


def test_lin_s_example() -> None:
    reference = "police killed the gunman"
    assert scored("rouge-l", "police kill the gunman", reference).value == 0.75
    assert scored("rouge-l", "the gunman kill police", reference).value == 0.5


def test_the_best_of_several() -> None:
    found = scored("rouge-l", "a b c", ["x y", "a b c d"])
    assert found.parts == {"recall": 0.75, "precision": 1.0}
    assert scored("rouge-l", "", "a").value == 0
