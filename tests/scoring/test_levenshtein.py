"""Edit distance."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmctl.scoring.base import Unscorable
from llmctl.scoring.levenshtein import LONGEST, distance
from tests.scoring.made import scored


def by_table(a: str, b: str) -> int:
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        last, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            last, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, last + (x != y))
    return row[-1]


@given(st.text("abc", max_size=90), st.text("abcd", max_size=90))
def test_as_the_table_says(a: str, b: str) -> None:
    assert distance(a, b) == distance(b, a) == by_table(a, b)


def test_score() -> None:
    found = scored("levenshtein", "sitting", "kitten")
    assert (found.raw, round(found.value, 4)) == (3, round(1 - 3 / 7, 4))
    assert scored("levenshtein", "", "").value == 1
    assert scored("levenshtein", "ABC", "abc", ignore_case=True).value == 1
    assert "cut" in scored("levenshtein", "a" * (LONGEST + 1), "a").reason
    with pytest.raises(Unscorable):
        scored("levenshtein", "x")
