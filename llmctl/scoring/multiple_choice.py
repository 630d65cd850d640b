"""One of the letters: what a multiple-choice question was answered with."""

import re
from typing import ClassVar

from pydantic import Field

from llmctl.scoring.base import Output, Sample, Score, ScorerOptions, Tools, Unscorable

_BARE = re.compile(r"\s*[(\[*_`]*([A-Z])(?:[)\]*_`.:,]|\s*$|\s*\n)")
_SAID = re.compile(
    r"(?:answer|choice|option|choose|pick|select)(?:\s+(?:is|would be|should be))?\s*[:=]?\s*[(\[*_`\"']*([A-Z])"
    r"(?![A-Za-z'])",
    re.IGNORECASE,
)
_BOXED = re.compile(r"\\boxed\{\s*(?:\\text\{)?\s*\(?([A-Z])\)?")
_ALONE = re.compile(r"(?<![A-Za-z0-9'])[(\[*_`]*([A-Z])[)\]*_`]*(?![A-Za-z0-9'])")


class MultipleChoiceOptions(ScorerOptions):
    """Which letter."""

    value: str | int | None = Field(
        None, description="The right letter, or its place counted from 0. Default: the sample's expected."
    )
    letters: str = Field("ABCDEFGHIJ", min_length=2, pattern=r"^[A-Z]+$", description="Those that can be chosen.")


class MultipleChoice:
    """1 where the letter chosen is the right one, else 0.

    Read in this order: what stands in \\boxed{}, the last "the answer is X", an output that begins with a letter,
    the last letter that stands alone.
    """

    Options: ClassVar[type[ScorerOptions]] = MultipleChoiceOptions
    rendered: ClassVar[frozenset[str]] = frozenset({"value"})
    threshold: ClassVar[float] = 1.0

    def __init__(self, options: ScorerOptions, tools: Tools) -> None:
        """Nothing to make ready."""

    async def score(self, sample: Sample, output: Output, options: ScorerOptions) -> Score:
        """Raises Unscorable where no letter is expected."""
        assert isinstance(options, MultipleChoiceOptions)
        given = sample.expected if options.value is None else options.value
        wanted = _letter(given, options.letters)
        if wanted is None:
            raise Unscorable(f"{given!r} is none of the letters {options.letters}")
        found = chosen(output.text, options.letters)
        if found is None:
            return Score(0.0, reason="chooses none")
        return Score(float(found == wanted), reason="" if found == wanted else f"chooses {found}, not {wanted}")


def chosen(text: str, letters: str) -> str | None:
    """The letter that an answer chooses, or None."""
    ways = (
        _BOXED.findall(text)[-1:],
        _SAID.findall(text)[-1:],
        _BARE.findall(text[:12])[:1],
        _ALONE.findall(text)[-1:],
    )
    found = (one.upper() for way in ways for one in way)
    return next((one for one in found if one in letters), None)


def _letter(value: object, letters: str) -> str | None:
    text = str(value).strip().strip("()").upper() if value is not None else ""
    if text.isdigit() and int(text) < len(letters):
        return letters[int(text)]
    return text if len(text) == 1 and text in letters else None
