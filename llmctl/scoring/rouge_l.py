"""The longest common subsequence of words."""

import re
from typing import ClassVar

from pydantic import Field

from llmctl.scoring.base import Output, Sample, Score, ScorerOptions, Tools, Unscorable

_WORD = re.compile(r"\w+")
MOST_WORDS = 5_000


class RougeLOptions(ScorerOptions):
    """What it is compared with."""

    value: str | list[str] | None = Field(None, description="One reference or several. Default: the sample's expected.")


class RougeL:
    """ROUGE-L F1, of several references the best: Lin, "ROUGE: A Package for Automatic Evaluation of Summaries" (2004).

    Words are lower-cased runs of letters and digits, not stemmed; beyond 5,000 words texts are cut, as the reason
    says.
    """

    Options: ClassVar[type[ScorerOptions]] = RougeLOptions
    rendered: ClassVar[frozenset[str]] = frozenset({"value"})
    threshold: ClassVar[float] = 0.5

    def __init__(self, options: ScorerOptions, tools: Tools) -> None:
        """Nothing to make ready."""

    async def score(self, sample: Sample, output: Output, options: ScorerOptions) -> Score:
        """Raises Unscorable where nothing is expected."""
        assert isinstance(options, RougeLOptions)
        references = references_of(sample.expected if options.value is None else options.value)
        said = words(output.text)
        cut = len(said) > MOST_WORDS or any(len(words(one)) > MOST_WORDS for one in references)
        value, recall, precision = max(_f1(words(one)[:MOST_WORDS], said[:MOST_WORDS]) for one in references)
        return Score(value, None, "cut to 5,000 words" if cut else "", {"recall": recall, "precision": precision})


def references_of(value: object) -> list[str]:
    """Texts to compare with. Raises Unscorable where there is none."""
    if value is None or value == []:
        raise Unscorable("nothing is expected: give `value`, or the dataset an expected column")
    return [str(one) for one in value] if isinstance(value, list | tuple) else [str(value)]


def words(text: str) -> list[str]:
    """Lower-cased runs of letters and digits."""
    return _WORD.findall(text.casefold())


def common(a: list[str], b: list[str]) -> int:
    """Length of the longest common subsequence, bit-parallel (Hyyrö 2004)."""
    places: dict[str, int] = {}
    for at, word in enumerate(a):
        places[word] = places.get(word, 0) | 1 << at
    ones = (1 << len(a)) - 1
    row = ones
    for word in b:
        shared = row & places.get(word, 0)
        row = ((row + shared) | (row - shared)) & ones
    return len(a) - row.bit_count()


def _f1(reference: list[str], said: list[str]) -> tuple[float, float, float]:
    if not reference or not said:
        return float(not reference and not said), 0.0, 0.0
    shared = common(reference, said)
    recall, precision = shared / len(reference), shared / len(said)
    return (2 * recall * precision / (recall + precision) if shared else 0.0), recall, precision
