"""A model's judgement by a rubric in the user's own words.

Source: Zheng et al., "Judging LLM-as-a-judge with MT-Bench and Chatbot Arena", 2023 (single-answer grading).
"""

from statistics import fmean
from typing import ClassVar

from pydantic import Field, model_validator

from llmctl.scoring.base import Output, Sample, Score, ScorerOptions, Tools, Unscorable
from llmctl.scoring.verdicts import Judge, JudgeOptions, prompt, question_of, score_of, together


class LlmRubricOptions(JudgeOptions):
    """By what, and on which scale."""

    value: str = Field(min_length=1, description="The rubric: what a good answer is.")
    low: float = Field(1, description="The worst score that the judge may give,")
    high: float = Field(5, description="and the best.")
    samples: int = Field(1, ge=1, le=25, description="Times it is asked; over 1 at `temperature`, and averaged.")
    temperature: float = Field(0.7, gt=0, le=2, description="Of several samples. One is taken at 0.")
    show_expected: bool = Field(False, description="Show the judge the sample's expected answer.")

    @model_validator(mode="after")
    def _rises(self) -> "LlmRubricOptions":
        if self.high <= self.low:
            raise ValueError("`high` must be more than `low`")
        return self


class LlmRubric:
    """The judge's score as a share of the way from `low` to `high`; `raw` is the score itself.

    Of several samples the mean, with their spread in parts: `self_consistency` is 1 minus the range of their values,
    `samples` how many gave a score. A judge's answer without a score is no score of 0: the item is unscorable.
    """

    Options: ClassVar[type[ScorerOptions]] = LlmRubricOptions
    rendered: ClassVar[frozenset[str]] = frozenset({"value"})
    threshold: ClassVar[float] = 0.5

    def __init__(self, options: ScorerOptions, tools: Tools) -> None:
        """Raises ValueError where the suite has no judge."""
        assert isinstance(options, LlmRubricOptions)
        self._judge = Judge(options, tools)

    async def score(self, sample: Sample, output: Output, options: ScorerOptions) -> Score:
        """Raises Unscorable where the judge gives no score."""
        assert isinstance(options, LlmRubricOptions)
        messages = _messages(sample, output, options)
        scores: list[float] = []
        costs, said, trouble = [], "", None
        for _ in range(options.samples):
            text, cost = await self._judge.ask(messages, options.temperature if options.samples > 1 else 0.0)
            costs.append(cost)
            try:
                found, reason = score_of(text, options.low, options.high)
            except Unscorable as error:
                trouble = error
                continue
            scores.append(found)
            said = said or reason
        if not scores:
            raise trouble or Unscorable("the judge gave no score")
        width = options.high - options.low
        parts = {}
        if options.samples > 1:
            parts = {"self_consistency": 1 - (max(scores) - min(scores)) / width, "samples": float(len(scores))}
        return Score((fmean(scores) - options.low) / width, fmean(scores), said, parts, together(costs))


def _messages(sample: Sample, output: Output, options: LlmRubricOptions) -> list[dict[str, str]]:
    task = f"You judge an AI system's answer by a rubric.\n\nThe rubric:\n{options.value}"
    demand = (
        'Answer with one JSON object and nothing else: {"reason": one sentence, "score": a number from '
        f"{options.low:g} (does not meet the rubric at all) to {options.high:g} (meets it fully)}}."
    )
    material = {"QUESTION": question_of(sample, output)} if question_of(sample, output) else {}
    if options.show_expected and sample.expected is not None:
        material["EXPECTED"] = str(sample.expected)
    return prompt(task, demand, {**material, "ANSWER": output.text})
