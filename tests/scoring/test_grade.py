"""A list of scorers as one grade."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from llmctl.model.usage import Cost
from llmctl.scoring.base import Assertion, Judged, Output, Sample, Score, ScorerOptions, Unscorable
from llmctl.scoring.equals import Equals
from llmctl.scoring.grade import Grader, Wrong
from tests.scoring.made import graded, tools

SAMPLE = Sample("7", {"answer": "Paris", "wanted": ["Paris", "France"], "n": 3}, expected="Paris")


def test_a_weighted_mean_and_names() -> None:
    listed: list[dict[str, Any]] = [
        {"kind": "equals", "weight": 3, "name": "right"},
        {"kind": "words", "most": 0, "weight": 1},
    ]
    found = graded(listed, "Paris", SAMPLE)
    assert (found.score, found.passed) == (0.75, False)
    assert [(one.metric, one.value, one.passed) for one in found.scored] == [("right", 1, True), ("words", 0, False)]


def test_what_has_no_weight_only_reports_unless_it_has_a_threshold() -> None:
    assert graded([{"kind": "equals"}, {"kind": "words", "most": 0, "weight": 0}], "Paris", SAMPLE).passed is True
    listed: list[dict[str, Any]] = [{"kind": "equals"}, {"kind": "words", "most": 0, "weight": 0, "threshold": 1}]
    assert graded(listed, "Paris", SAMPLE).passed is False


def test_turned_round() -> None:
    found = graded([{"kind": "not-equals"}, {"kind": "not-levenshtein", "threshold": 0.9}], "Paris", SAMPLE)
    assert [(one.value, one.passed) for one in found.scored] == [(0, False), (0, False)]
    assert graded([{"kind": "not-equals"}], "Rome", SAMPLE).passed is True


def test_options_refer_to_the_sample() -> None:
    assert graded([{"kind": "equals", "value": "{{answer}}"}], "Paris", SAMPLE).score == 1
    assert graded([{"kind": "contains-all", "value": "{{wanted}}"}], "Paris, France", SAMPLE).score == 1
    assert graded([{"kind": "equals", "value": "{{answer|upper}}!"}], "PARIS!", SAMPLE).score == 1
    assert graded([{"kind": "contains-any", "value": ["x", "{{id}}"]}], "7", SAMPLE).score == 1


def test_what_a_sample_lacks_is_no_score() -> None:
    found = graded([{"kind": "equals", "value": "{{nothing}}"}, {"kind": "words"}], "x", SAMPLE)
    assert found.score == 1
    assert found.scored[0].value is None
    assert "nothing" in found.scored[0].reason
    alone = graded([{"kind": "equals", "value": "{{nothing}}"}], "x", SAMPLE)
    assert (alone.score, alone.passed) == (None, None)


@pytest.mark.parametrize("text", ["{{ n + answer }}", "{{ 1 / 0 }}", "{{ wanted.none.none }}"])
def test_what_a_template_raises_is_no_score_and_ends_nothing(text: str) -> None:
    assert graded([{"kind": "equals", "value": text}], "x", SAMPLE).scored[0].value is None


def test_a_scorer_s_bug_is_no_score() -> None:
    class Broken(Equals):
        async def score(self, sample: Sample, output: Output, options: ScorerOptions) -> Score:
            raise KeyError("oh")

    grader = Grader([Assertion(kind="equals")], tools())
    entry = grader._entries[0]
    grader._entries = [replace(entry, scorer=Broken(entry.options, tools()))]
    (found,) = asyncio.run(grader.grade(SAMPLE, Output("x"))).scored
    assert found.value is None
    assert "a bug in the scorer: KeyError" in found.reason


def test_templates_reach_nothing_of_ours() -> None:
    found = graded([{"kind": "equals", "value": "a {{ id.__class__.__mro__ }}"}], "x", SAMPLE)
    assert found.scored[0].value is None


def test_no_answer_is_no_score_but_for_those_that_judge_it() -> None:
    failed = Output("", error="guardrail_blocked", seconds=0.1, guards=("input.injection=block",))
    found = graded([{"kind": "equals"}, {"kind": "refusal"}, {"kind": "latency", "seconds": 1}], failed, SAMPLE)
    assert [one.value for one in found.scored] == [None, 1, 1]
    assert "guardrail_blocked" in found.scored[0].reason


@pytest.mark.parametrize(
    ("listed", "index", "key"),
    [
        ([{"kind": "equals"}, {"kind": "equal"}], 1, "kind"),
        ([{"kind": "words", "mosst": 1}], 0, "mosst"),
        ([{"kind": "words", "most": -1}], 0, "most"),
        ([{"kind": "regex", "value": "("}], 0, ""),
        ([{"kind": "equals", "value": "{{a"}], 0, ""),
    ],
)
def test_mistakes_have_their_place(listed: list[dict[str, Any]], index: int, key: str) -> None:
    with pytest.raises(Wrong) as told:
        Grader([Assertion.model_validate(one) for one in listed], tools())
    assert (told.value.index, told.value.key) == (index, key)
    assert str(told.value).startswith(f"scorers[{index}]")


def test_metrics_are_named_once() -> None:
    listed = [Assertion(kind="words", name="a"), Assertion(kind="equals", name="a"), Assertion(kind="refusal")]
    assert Grader(listed, tools()).metrics == ("a", "refusal")


def test_many_at_once_do_not_mix() -> None:
    grader = Grader([Assertion.model_validate({"kind": "equals", "value": "{{answer}}"})], tools())

    async def run() -> list[float | None]:
        asked = (grader.grade(Sample(str(n), {"answer": str(n)}), Output(str(n % 2))) for n in range(6))
        return [found.score for found in await asyncio.gather(*asked)]

    assert asyncio.run(run()) == [1, 1, 0, 0, 0, 0]


def test_what_judges_cost_is_counted_also_where_they_give_no_score() -> None:
    async def ask(model: str, messages: Any, parameters: Any) -> Judged:
        if "broken" in str(messages):
            raise Unscorable("no answer", Cost(0.5, "exact"))
        return Judged("I would rather not say.", Cost(0.01, "exact"))

    asking = replace(tools(), ask=ask)
    listed = [{"kind": "llm-rubric", "value": "Is polite.", "samples": 3}, {"kind": "words"}]
    found = asyncio.run(Grader([Assertion.model_validate(one) for one in listed], asking).grade(SAMPLE, Output("x")))
    assert found.scored[0].value is None
    assert found.judging.usd == pytest.approx(0.03)
    found = asyncio.run(Grader([Assertion.model_validate(listed[0])], asking).grade(SAMPLE, Output("broken")))
    assert found.judging.usd == 0.5


def test_a_column_without_a_value_is_not_the_expected_one() -> None:
    found = graded([{"kind": "contains", "value": "{{hint}}"}], "Paris", Sample("1", {"hint": None}, expected="Paris"))
    assert found.scored[0].value is None
    assert "has nothing for value" in found.scored[0].reason
