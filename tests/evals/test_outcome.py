import asyncio

import pytest

from llmctl.evals.answers import Answered
from llmctl.evals.journal import Place
from llmctl.evals.outcome import Outcomes
from llmctl.evals.slots import Slot, Variant
from llmctl.evals.targets import Asked
from llmctl.model.usage import Cost
from llmctl.scoring.base import Output, Sample
from llmctl.scoring.grade import Graded
from llmctl.scoring.result import Result, Scored
from tests.evals.scripted import Provider, posed

SLOT = Slot(Variant("v", Asked(Provider(), "x", {}, seed=True)), posed(1)[0], 2, {"messages": [{"role": "user"}]})


class Saying:
    """Says what it was told to, and remembers what it saw."""

    def __init__(self, graded: Graded) -> None:
        self.graded, self.seen = graded, list[Output]()

    async def grade(self, sample: Sample, output: Output) -> Graded:
        self.seen.append(output)
        return self.graded


def result(answer: Answered, graded: Graded, threshold: float | None = None) -> tuple[Result, Saying, list[Place]]:
    saying, places = Saying(graded), list[Place]()
    outcomes = Outcomes(lambda item: saying, threshold, places.append)
    return asyncio.run(outcomes.result(SLOT, answer, cached=True)), saying, places


HALF = Graded(0.5, False, [Scored("m", "k", 0.5, False, 2.0)], Cost(0.1, "exact"))


def test_an_answer_is_graded_with_all_that_is_known() -> None:
    answer = Answered("yes", [{"name": "f", "arguments": "{}"}], "stop", guards=["input.pii=redact"], seconds=1.0)
    found, saying, places = result(answer, HALF)
    (seen,) = saying.seen
    assert (seen.text, seen.tool_calls[0].name, seen.guards, seen.messages) == (
        "yes", "f", ("input.pii=redact",), ({"role": "user"},)
    )  # fmt: skip
    assert places == [("v", 0, 2)]
    assert (found.item, found.repeat, found.score, found.passed, found.judging.usd) == ("i0", 2, 0.5, False, 0.1)
    assert found.cached


@pytest.mark.parametrize(("threshold", "passed"), [(None, False), (0.5, True), (0.6, False)])
def test_the_suites_threshold_decides_where_there_is_one(threshold: float | None, passed: bool) -> None:
    assert result(Answered("yes"), HALF, threshold)[0].passed is passed


def test_an_error_is_not_graded() -> None:
    found, saying, _ = result(Answered(error="upstream_timeout", detail="late"), HALF)
    assert (saying.seen, found.score, found.passed, found.error) == ([], None, None, "upstream_timeout")


def test_a_refusal_is_graded_and_is_an_error_where_nobody_can() -> None:
    blocked = Answered(error="guardrail_blocked", detail="by pii")
    found, saying, _ = result(blocked, Graded(1.0, True, []))
    assert (saying.seen[0].error, found.error, found.score) == ("guardrail_blocked", "", 1.0)
    assert found.detail == "guardrail_blocked: by pii"
    assert result(blocked, Graded(None, None, []))[0].error == "guardrail_blocked"


def test_scores_that_a_recording_has_count_beside() -> None:
    found, _, _ = result(Answered("x", scores={"correct": 1.0}), HALF)
    assert [one.metric for one in found.scored] == ["m", "correct"]
    assert found.score == pytest.approx((2 * 0.5 + 1.0) / 3)
    assert found.passed is False
    alone, _, _ = result(Answered("x", scores={"correct": 1.0}), Graded(None, None, []))
    assert (alone.score, alone.passed) == (1.0, True)
