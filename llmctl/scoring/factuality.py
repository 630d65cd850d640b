"""Whether an answer's claims agree with a reference, by a model that puts it in one of five classes.

Source: the classes of OpenAI's evals (https://github.com/openai/evals, evals/registry/modelgraded/fact.yaml), which
promptfoo's `factuality` has too.
"""

from typing import ClassVar

from pydantic import Field

from llmctl.scoring.base import Output, Sample, Score, ScorerOptions, Tools, Unscorable
from llmctl.scoring.verdicts import Judge, JudgeOptions, choice_of, prompt, question_of

CLASSES = {
    "A": "it says less than the reference, and nothing that contradicts it",
    "B": "it says more than the reference, and nothing that contradicts it",
    "C": "it says the same as the reference",
    "D": "it contradicts the reference",
    "E": "it differs, but in nothing that matters for what is true",
}


class FactualityOptions(JudgeOptions):
    """What is true, and what each class is worth."""

    value: str | list[str] | None = Field(
        None, description="The reference. Default: the sample's expected, else its context."
    )
    subset: float = Field(1.0, ge=0, le=1, description="Class A: less than the reference.")
    superset: float = Field(1.0, ge=0, le=1, description="Class B: more than the reference.")
    agree: float = Field(1.0, ge=0, le=1, description="Class C: the same.")
    disagree: float = Field(0.0, ge=0, le=1, description="Class D: contradicts it.")
    differ_but_factual: float = Field(1.0, ge=0, le=1, description="Class E: differs in nothing that matters.")

    def worth(self, letter: str) -> float:
        """The value of a class."""
        values = (self.subset, self.superset, self.agree, self.disagree, self.differ_but_factual)
        return values["ABCDE".index(letter)]


class Factuality:
    """What the answer's class is worth: 1, and 0 for D, unless the options say otherwise. The reason names the class.

    Passed from the smallest value over 0 on, as in promptfoo.
    """

    Options: ClassVar[type[ScorerOptions]] = FactualityOptions
    rendered: ClassVar[frozenset[str]] = frozenset({"value"})
    threshold: ClassVar[float] = 1e-9

    def __init__(self, options: ScorerOptions, tools: Tools) -> None:
        """Raises ValueError where the suite has no judge."""
        assert isinstance(options, FactualityOptions)
        self._judge = Judge(options, tools)

    async def score(self, sample: Sample, output: Output, options: ScorerOptions) -> Score:
        """Raises Unscorable where there is no reference, or the judge names no class."""
        assert isinstance(options, FactualityOptions)
        reference = _reference(sample, options)
        if not reference:
            raise Unscorable("there is no reference: give `value`, or the dataset an expected or context column")
        classes = "\n".join(f"({letter}) {what}" for letter, what in CLASSES.items())
        task = (
            "You compare the facts in an AI system's answer with a reference, which is true. Style, grammar and length "
            f"do not matter. The answer is in one of these classes:\n{classes}"
        )
        demand = 'Answer with one JSON object and nothing else: {"reason": one sentence, "category": the letter}.'
        asked = {"QUESTION": question} if (question := question_of(sample, output)) else {}
        text, cost = await self._judge.ask(
            prompt(task, demand, {**asked, "REFERENCE": reference, "ANSWER": output.text})
        )
        letter, reason = choice_of(text, "category", tuple(CLASSES))
        said = f"{letter}: {reason or CLASSES[letter]}"
        return Score(options.worth(letter), None, said, {}, cost)


def _reference(sample: Sample, options: FactualityOptions) -> str:
    given = sample.expected if options.value is None else options.value
    if given is None:
        return "\n\n".join(sample.context)
    return "\n\n".join(map(str, given)) if isinstance(given, list | tuple) else str(given)
