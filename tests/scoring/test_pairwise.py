import asyncio

import pytest

from llmctl.scoring.base import Sample, Unscorable
from llmctl.scoring.pairwise import Comparing, Pairwise, PairwiseOptions, compare
from llmctl.statistics.judges import self_consistency
from tests.scoring.judging import NO_JUDGE, Script, judged

SAMPLE = Sample("1", {}, expected="the reference")


@pytest.mark.parametrize(
    ("said", "value", "consistent"),
    [(("1", "2"), 1.0, 1.0), (("2", "1"), 0.0, 1.0), (("1", "1"), 0.5, 0.0), (("tie", "tie"), 0.5, 1.0),
     (("1", "tie"), 0.5, 0.0)],
)  # fmt: skip
def test_wins_only_in_both_orders(said: tuple[str, str], value: float, consistent: float) -> None:
    script = Script(*(f'{{"reason": "r", "better": "{one}"}}' for one in said))
    found = judged(Pairwise, script, sample=SAMPLE)
    assert (found.value, found.parts["self_consistency"], found.cost.usd) == (value, consistent, 0.02)


def test_both_orders_are_asked() -> None:
    script = Script("tie")
    judged(Pairwise, script, text="mine", value="theirs", sample=SAMPLE)
    first, second = (asked[1][1]["content"] for asked in script.asked)
    assert first.index("mine") < first.index("theirs")
    assert second.index("theirs") < second.index("mine")


def test_the_same_text_is_a_tie_that_costs_nothing() -> None:
    script = Script("1")
    found = judged(Pairwise, script, text="the reference", sample=SAMPLE)
    assert (found.value, script.asked) == (0.5, [])


def test_nothing_to_compare_with_is_unscorable() -> None:
    with pytest.raises(Unscorable, match="expected"):
        judged(Pairwise, Script("1"))
    with pytest.raises(Unscorable, match="chose none"):
        judged(Pairwise, Script("Both have their merits."), sample=SAMPLE)


def test_two_variants_answers_are_compared() -> None:
    tools = Script('{"better": "2"}', '{"better": "1"}').tools()
    assert asyncio.run(compare("q", "a", "b", PairwiseOptions(), tools)) == "second"
    with pytest.raises(ValueError, match="judge target"):
        Comparing(PairwiseOptions(), NO_JUDGE)


def test_what_it_chose_tells_how_it_held_to_it() -> None:
    """A judge that always takes the first place is consistent nowhere."""
    comparing = Comparing(PairwiseOptions(), Script("1").tools())
    found = [asyncio.run(comparing.compare("q", f"a{n}", f"b{n}")) for n in range(4)]
    told = self_consistency([one.straight for one in found], [one.swapped for one in found])
    assert (told.consistent.estimate, told.first.estimate) == (0.0, 1.0)
