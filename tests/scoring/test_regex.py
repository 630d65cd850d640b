"""Matches a pattern."""

import pytest

from llmctl.scoring.base import Sample
from tests.scoring.made import graded, scored


def test_some_of_it_or_all_of_it() -> None:
    assert scored("regex", "call 555-1234 now", value=r"\d{3}-\d{4}").value == 1
    assert scored("regex", "call 555-1234 now", value=r"\d{3}-\d{4}", whole=True).value == 0
    assert scored("regex", "ABC", value="abc", ignore_case=True).value == 1


def test_what_is_no_pattern_is_told_before_anything_runs() -> None:
    with pytest.raises(ValueError, match="no RE2 pattern"):
        scored("regex", "x", value="(?=a)")


def test_a_pattern_of_the_sample() -> None:
    listed = [{"kind": "regex", "value": "^{{word}}$"}]
    assert graded(listed, "cat", Sample("1", {"word": "cat"})).score == 1
    bad = graded(listed, "cat", Sample("1", {"word": "("}))
    assert bad.score is None
    assert "no RE2 pattern" in bad.scored[0].reason
