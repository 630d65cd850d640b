"""Which of two answers is better, by a model that sees them in both orders.

Source: Zheng et al., "Judging LLM-as-a-judge with MT-Bench and Chatbot Arena", 2023: judges prefer a place, so each
pair is shown in both orders, and is a tie where the choice does not hold.
"""

from typing import ClassVar

from msgspec import Struct
from pydantic import Field

from llmctl.model.json import JsonObject
from llmctl.model.usage import UNPRICED, Cost
from llmctl.scoring.base import Output, Sample, Score, ScorerOptions, Tools, Unscorable
from llmctl.scoring.verdicts import Judge, JudgeOptions, choice_of, prompt, question_of, together
from llmctl.statistics.judges import Preference

CRITERIA = "It is correct, answers what was asked, and holds nothing that is not needed."
_CHOICES: dict[str, Preference] = {"1": "first", "2": "second", "tie": "tie"}
_OTHER: dict[Preference, Preference] = {"first": "second", "second": "first", "tie": "tie"}
_VALUES: dict[Preference, float] = {"first": 1.0, "tie": 0.5, "second": 0.0}


class PairwiseOptions(JudgeOptions):
    """What it is compared with, and by what."""

    value: str | None = Field(None, description="The other answer. Default: the sample's expected.")
    criteria: str = Field(CRITERIA, min_length=1, description="What makes an answer the better one.")


class Compared(Struct, frozen=True):
    """A comparison of `a` and `b`. `straight` and `swapped` are what the judge chose by place in either order.

    `statistics.judges.self_consistency` takes these two of many pairs.
    """

    preference: Preference
    straight: Preference
    swapped: Preference
    reason: str = ""
    cost: Cost = UNPRICED

    @property
    def consistent(self) -> bool:
        """Whether the choice held when the places were changed."""
        return self.straight == _OTHER[self.swapped]


class Comparing:
    """Compares two texts in both orders. `eval --ab` uses it for the answers of two variants."""

    def __init__(self, options: PairwiseOptions, tools: Tools) -> None:
        """Raises ValueError where there is no judge."""
        self._judge = Judge(options, tools)
        self._criteria = options.criteria

    async def compare(self, question: str, a: str, b: str, criteria: str | None = None) -> Compared:
        """`first` where `a` is better in both orders, `second` where `b` is, else a tie. Raises Unscorable.

        Texts that are the same are a tie, and nobody is asked.
        """
        if a == b:
            return Compared("tie", "tie", "tie", "the same text")
        given = criteria or self._criteria
        straight, reason, once = await self._choose(question, a, b, given)
        swapped, _, twice = await self._choose(question, b, a, given)
        preference = straight if straight == _OTHER[swapped] else "tie"
        return Compared(preference, straight, swapped, reason, together([once, twice]))

    async def _choose(self, question: str, one: str, two: str, criteria: str) -> tuple[Preference, str, Cost]:
        text, cost = await self._judge.ask(_messages(question, one, two, criteria))
        word, reason = choice_of(text, "better", tuple(_CHOICES))
        return _CHOICES[word], reason, cost


async def compare(question: str, a: str, b: str, options: PairwiseOptions, tools: Tools) -> Preference:
    """One comparison; see `Comparing.compare`. Raises ValueError without a judge, Unscorable."""
    return (await Comparing(options, tools).compare(question, a, b)).preference


class Pairwise:
    """1 where the answer beats the reference in both orders, 0 where it loses in both, else 0.5.

    Passed from 0.5 on: at least as good. Parts: `self_consistency` 1 where the choice held when places were changed;
    `straight` and `swapped` what it was worth in either order.
    """

    Options: ClassVar[type[ScorerOptions]] = PairwiseOptions
    rendered: ClassVar[frozenset[str]] = frozenset({"value", "criteria"})
    threshold: ClassVar[float] = 0.5

    def __init__(self, options: ScorerOptions, tools: Tools) -> None:
        """Raises ValueError where the suite has no judge."""
        assert isinstance(options, PairwiseOptions)
        self._comparing = Comparing(options, tools)

    async def score(self, sample: Sample, output: Output, options: ScorerOptions) -> Score:
        """Raises Unscorable where there is nothing to compare with, or the judge does not choose."""
        assert isinstance(options, PairwiseOptions)
        other = sample.expected if options.value is None else options.value
        if other is None:
            raise Unscorable("there is no other answer: give `value`, or the dataset an expected column")
        found = await self._comparing.compare(question_of(sample, output), output.text, str(other), options.criteria)
        parts = {
            "self_consistency": float(found.consistent),
            "straight": _VALUES[found.straight],
            "swapped": _VALUES[_OTHER[found.swapped]],
        }
        reason = found.reason if found.consistent else "the judge's choice changed with the places"
        return Score(_VALUES[found.preference], None, reason, parts, found.cost)


def _messages(question: str, one: str, two: str, criteria: str) -> list[JsonObject]:
    task = (
        "You compare two answers of AI systems to the same question. Neither their order nor their length makes one "
        f"better.\n\nWhat makes an answer better:\n{criteria}"
    )
    demand = (
        'Answer with one JSON object and nothing else: {"reason": one sentence, "better": "1", "2", or "tie" where '
        "neither is}."
    )
    asked = {"QUESTION": question} if question else {}
    return prompt(task, demand, {**asked, "ANSWER 1": one, "ANSWER 2": two})
