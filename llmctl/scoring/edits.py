"""At most so many edits away."""

from typing import ClassVar

from pydantic import Field

from llmctl.scoring.base import Output, Sample, Score, ScorerOptions, Tools, Unscorable
from llmctl.scoring.levenshtein import LONGEST, distance


class EditsOptions(ScorerOptions):
    """From what, and how many."""

    value: str | None = Field(None, description="Default: the sample's expected.")
    most: int = Field(5, ge=0, description="Insertions, deletions and substitutions of characters.")


class Edits:
    """1 where the output is at most `most` edits from the value, else 0; `raw` is how many. promptfoo's levenshtein.

    `levenshtein` is the graded form. Texts of over 20,000 characters are unscorable.
    """

    Options: ClassVar[type[ScorerOptions]] = EditsOptions
    rendered: ClassVar[frozenset[str]] = frozenset({"value"})
    threshold: ClassVar[float] = 1.0

    def __init__(self, options: ScorerOptions, tools: Tools) -> None:
        """Nothing to make ready."""

    async def score(self, sample: Sample, output: Output, options: ScorerOptions) -> Score:
        """Raises Unscorable where nothing is expected."""
        assert isinstance(options, EditsOptions)
        value = sample.expected if options.value is None else options.value
        if value is None:
            raise Unscorable("nothing is expected: give `value`, or the dataset an expected column")
        if max(len(output.text), len(str(value))) > LONGEST:
            raise Unscorable(f"a text of over {LONGEST:,} characters")
        edits = distance(output.text, str(value))
        return Score(float(edits <= options.most), edits, "" if edits <= options.most else f"{edits} edits away")
