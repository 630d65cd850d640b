import asyncio
from typing import Any

import pytest

from llmctl.scoring.base import Output, Sample, Score, Unscorable
from llmctl.scoring.edits import Edits, EditsOptions
from tests.scoring.judging import NO_JUDGE


def scored(text: str, expected: Any = None, **raw: Any) -> Score:
    options = EditsOptions.model_validate(raw)
    return asyncio.run(Edits(options, NO_JUDGE).score(Sample("1", {}, expected=expected), Output(text), options))


@pytest.mark.parametrize(("most", "value"), [(2, 0.0), (3, 1.0)])
def test_counts_edits(most: int, value: float) -> None:
    found = scored("kitten", value="sitting", most=most)
    assert (found.value, found.raw) == (value, 3)


def test_the_expected_answer_is_the_default() -> None:
    assert scored("abc", expected="abd").value == 1.0
    with pytest.raises(Unscorable):
        scored("abc")
    with pytest.raises(Unscorable, match="5,000"):
        scored("a" * 20_001, expected="b")
