"""How few characters must be changed."""

from typing import ClassVar

from pydantic import Field

from llmctl.scoring.base import Output, Sample, Score, ScorerOptions, Tools, Unscorable

LONGEST = 5_000


class LevenshteinOptions(ScorerOptions):
    """What it is compared with."""

    value: str | None = Field(None, description="Default: the sample's expected.")
    ignore_case: bool = False


class Levenshtein:
    """1 minus the edit distance by the longer length: 1 the same, 0 nothing in common; `raw` is the distance.

    Levenshtein, "Binary codes capable of correcting deletions, insertions and reversals" (1966). A text of
    over 5,000 characters is cut, which the reason says.
    """

    Options: ClassVar[type[ScorerOptions]] = LevenshteinOptions
    rendered: ClassVar[frozenset[str]] = frozenset({"value"})
    threshold: ClassVar[float] = 0.8

    def __init__(self, options: ScorerOptions, tools: Tools) -> None:
        """Nothing to make ready."""

    async def score(self, sample: Sample, output: Output, options: ScorerOptions) -> Score:
        """Raises Unscorable where nothing is expected."""
        assert isinstance(options, LevenshteinOptions)
        value = sample.expected if options.value is None else options.value
        if value is None:
            raise Unscorable("nothing is expected: give `value`, or the dataset an expected column")
        a, b = str(value), output.text
        if options.ignore_case:
            a, b = a.casefold(), b.casefold()
        cut = max(len(a), len(b)) > LONGEST
        a, b = a[:LONGEST], b[:LONGEST]
        edits = distance(a, b)
        longer = max(len(a), len(b))
        return Score(1.0 - edits / longer if longer else 1.0, edits, "cut to 5,000 characters" if cut else "")


def distance(a: str, b: str) -> int:
    """Insertions, deletions, substitutions between two texts.

    Bit-parallel over the whole shorter text (Myers 1999, as Hyyrö 2003 gives it): time is length times length / 64.
    """
    if len(a) > len(b):
        a, b = b, a
    if not a:
        return len(b)
    places: dict[str, int] = {}
    for at, char in enumerate(a):
        places[char] = places.get(char, 0) | 1 << at
    ones, last = (1 << len(a)) - 1, 1 << (len(a) - 1)
    up, down, edits = ones, 0, len(a)
    for char in b:
        match = places.get(char, 0)
        diagonal = ((((match & up) + up) ^ up) | match | down) & ones
        right, left = (down | ~(diagonal | up)) & ones, up & diagonal
        edits += 1 if right & last else -1 if left & last else 0
        right = (right << 1 | 1) & ones
        up, down = (left << 1 | ~(diagonal | right)) & ones, right & diagonal
    return edits
