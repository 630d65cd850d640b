"""From an answer to its result: graded, with what a recording has ready beside."""

from collections.abc import Callable
from typing import Protocol

from llmctl.errors import Blocked
from llmctl.evals.answers import Answered
from llmctl.evals.journal import Place
from llmctl.evals.slots import Posed, Slot
from llmctl.scoring.base import Output, Sample, ToolCalled
from llmctl.scoring.grade import Graded
from llmctl.scoring.result import Result, Scored

REFUSED = frozenset({Blocked.code, "content_filter"})
"""Errors that say what the target thinks of the item: they are judged as answers are."""
HALF = 0.5
"""A recorded score passes from here on."""
UNFIT = "unfit_prompt"


class Grades(Protocol):
    """What grades answers: `scoring.grade.Grader`."""

    async def grade(self, sample: Sample, output: Output) -> Graded:
        """What an output is worth."""
        ...


Grading = Callable[[Posed], Grades]
"""What grades answers to an item."""


class Outcomes:
    """Makes results. `threshold` is the suite's; `judging` is told what is judged next."""

    def __init__(self, grader: Grading, threshold: float | None, judging: Callable[[Place], None]) -> None:
        self._grader = grader
        self._threshold = threshold
        self._judging = judging

    async def result(self, slot: Slot, answer: Answered, *, cached: bool) -> Result:
        """The result of an answer. What scorers cannot score is in it as such."""
        refused = answer.error in REFUSED
        graded = Graded(None, None, [])
        if not answer.error or refused:
            self._judging(slot.place)
            graded = await self._grader(slot.item).grade(slot.item.sample, _output(slot, answer))
        score, passed, scored = self._decided(graded, answer)
        judged = refused and score is not None  # by scorers that have something to say of refusals
        sample = slot.item.sample
        return Result(
            sample.id,
            slot.item.number,
            slot.repeat,
            slot.variant.name,
            score,
            passed,
            sample.cluster,
            dict(sample.columns),
            sample.expected,
            list(slot.payload.get("messages", ())),
            answer.output,
            list(answer.tool_calls),
            scored,
            "" if judged else answer.error,
            f"{answer.error}: {answer.detail}" if judged else answer.detail,
            answer.attempts,
            cached,
            answer.seconds,
            answer.ttft,
            answer.usage,
            answer.cost,
            graded.judging,
            answer.model,
            answer.request_id,
        )

    def _decided(self, graded: Graded, answer: Answered) -> tuple[float | None, bool | None, list[Scored]]:
        score, passed, scored = graded.score, graded.passed, graded.scored
        if answer.scores:
            ready = [Scored(name, "recorded", one, one >= HALF) for name, one in answer.scores.items()]
            scored = [*scored, *ready]
            known = [(one.weight, one.value) for one in scored if one.value is not None]
            weights = sum(weight for weight, _ in known)
            score = sum(weight * value for weight, value in known) / weights if weights else None
            passed = passed is not False and all(one.passed for one in ready)
        if self._threshold is not None:
            passed = None if score is None else score >= self._threshold
        return score, passed, scored


def _output(slot: Slot, answer: Answered) -> Output:
    return Output(
        answer.output,
        tuple(ToolCalled(call["name"], call["arguments"]) for call in answer.tool_calls),
        tuple(slot.payload.get("messages", ())),
        tuple(slot.payload.get("tools", ())),
        answer.seconds,
        answer.ttft,
        answer.usage,
        answer.cost,
        answer.finish_reason,
        answer.refusal,
        answer.error,
        tuple(answer.guards),
    )
