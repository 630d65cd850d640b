import pytest

from llmctl.scoring.base import Sample, Unscorable
from llmctl.scoring.factuality import Factuality
from tests.scoring.judging import NO_JUDGE, Script, judged

SAMPLE = Sample("1", {"question": "where?"}, expected="In Paris.")


@pytest.mark.parametrize(("letter", "value"), [("A", 1.0), ("B", 1.0), ("C", 1.0), ("D", 0.0), ("E", 1.0)])
def test_classes_are_worth_what_promptfoo_says(letter: str, value: float) -> None:
    found = judged(Factuality, Script(f'{{"reason": "so", "category": "{letter}"}}'), sample=SAMPLE)
    assert found.value == value
    assert found.reason == f"{letter}: so"


def test_a_class_may_be_worth_something_else() -> None:
    assert judged(Factuality, Script("(B)"), sample=SAMPLE, superset=0.25).value == 0.25


def test_the_context_is_a_reference_too() -> None:
    script = Script("C")
    judged(Factuality, script, sample=Sample("1", {}, context=("one", "two")))
    judged(Factuality, script, sample=SAMPLE, value=["three"])
    assert ["one\n\ntwo" in script.asked[0][1][1]["content"], "three" in script.asked[1][1][1]["content"]] == [True] * 2


def test_without_a_reference_or_a_class_there_is_no_score() -> None:
    with pytest.raises(Unscorable, match="reference"):
        judged(Factuality, Script("C"))
    with pytest.raises(Unscorable, match="none of"):
        judged(Factuality, Script("I won't."), sample=SAMPLE)
    with pytest.raises(ValueError, match="judge target"):
        Factuality(Factuality.Options(), NO_JUDGE)
