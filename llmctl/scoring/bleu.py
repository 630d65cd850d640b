"""Word sequences in common."""

import math
from collections import Counter
from typing import ClassVar

from pydantic import Field

from llmctl.scoring.base import Output, Sample, Score, ScorerOptions, Tools
from llmctl.scoring.rouge_l import MOST_WORDS, references_of, words

ORDER = 4


class BleuOptions(ScorerOptions):
    """What it is compared with."""

    value: str | list[str] | None = Field(None, description="One reference or several. Default: the sample's expected.")


class Bleu:
    """Sentence BLEU-4, 0 to 1: Papineni et al. (2002), orders above one smoothed by adding one (Lin and Och, 2004).

    Words are lower-cased runs of letters and digits, as for rouge-l; the first 5,000 count.
    """

    Options: ClassVar[type[ScorerOptions]] = BleuOptions
    rendered: ClassVar[frozenset[str]] = frozenset({"value"})
    threshold: ClassVar[float] = 0.5

    def __init__(self, options: ScorerOptions, tools: Tools) -> None:
        """Nothing to make ready."""

    async def score(self, sample: Sample, output: Output, options: ScorerOptions) -> Score:
        """Raises Unscorable where nothing is expected."""
        assert isinstance(options, BleuOptions)
        references = references_of(sample.expected if options.value is None else options.value)
        return Score(bleu(words(output.text)[:MOST_WORDS], [words(one)[:MOST_WORDS] for one in references]))


def bleu(said: list[str], references: list[list[str]]) -> float:
    """BLEU-4 of one sentence, 0 to 1."""
    if not said:
        return float(any(not one for one in references))
    total = 0.0
    for order in range(1, ORDER + 1):
        counts = _grams(said, order)
        known: Counter[tuple[str, ...]] = Counter()
        for one in references:
            known |= _grams(one, order)
        found = sum((counts & known).values())
        smooth = int(order > 1)
        if not found + smooth:
            return 0.0
        total += math.log((found + smooth) / (max(len(said) - order + 1, 0) + smooth))
    nearest = min((abs(len(one) - len(said)), len(one)) for one in references)[1]
    brevity = 1.0 if len(said) >= nearest else math.exp(1 - nearest / len(said))
    return min(1.0, brevity * math.exp(total / ORDER))


def _grams(said: list[str], order: int) -> "Counter[tuple[str, ...]]":
    return Counter(tuple(said[at : at + order]) for at in range(len(said) - order + 1))
