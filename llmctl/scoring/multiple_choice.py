"""One of the letters: what a multiple-choice question was answered with."""

import re
from typing import ClassVar

from pydantic import Field

from llmctl.scoring.base import Output, Sample, Score, ScorerOptions, Tools, Unscorable

_MARKS = r"[(\[*_`\"']{0,4}"
_BARE = re.compile(rf"\s{{0,4}}{_MARKS}([A-Z])(?:[)\]*_`.:,]|\s{{0,4}}$|\s{{0,2}}\n)")
_FIRST = re.compile(r"\s{0,4}([B-HJ-Z]) ")
_SAID = re.compile(
    r"(?i:answer|choice|option|choose|pick|select)(?i:\s{1,4}(?:is|would be|should be))?\s{0,4}[:=]?\s{0,4}"
    rf"(?:{_MARKS}([A-Z])(?![A-Za-z'])|{_MARKS}([a-z])(?=[)\]*_`.:,]|\s{{0,4}}$|\s{{0,2}}\n))"
)
_BOXED = re.compile(r"\\boxed\{\s{0,4}(?:\\text\{)?\s{0,4}\(?([A-Z])\)?")
_ALONE = re.compile(r"(?<![A-Za-z0-9'])(?:[(\[*_`]{1,4}([A-Z])[)\]*_`]|([B-HJ-Z]))(?![A-Za-z0-9'])")


class MultipleChoiceOptions(ScorerOptions):
    """Which letter."""

    value: str | int | None = Field(
        None, description="The right letter, or its place counted from 0. Default: the sample's expected."
    )
    letters: str = Field("ABCDEFGHIJ", min_length=2, pattern=r"^[A-Z]+$", description="Those that can be chosen.")


class MultipleChoice:
    """1 where the letter chosen is the right one, else 0.

    Read in this order: what stands in \\boxed{}, the last "the answer is X", an output that begins with a letter,
    the last letter that stands alone ("A" and "I" only in brackets or the like: they are words too).
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
    boxed, said, alone = (list(map(_one, pattern.finditer(text))) for pattern in (_BOXED, _SAID, _ALONE))
    begun = [_one(found) for pattern in (_BARE, _FIRST) if (found := pattern.match(text))]
    ways = (boxed[-1:], said[-1:], begun[:1], alone[-1:])
    return next((one for way in ways for one in way if one in letters), None)


def _one(found: "re.Match[str]") -> str:
    return next(group for group in found.groups() if group).upper()


def _letter(value: object, letters: str) -> str | None:
    text = str(value).strip().strip("()").upper() if value is not None else ""
    if text.isdigit() and int(text) < len(letters):
        return letters[int(text)]
    return text if len(text) == 1 and text in letters else None
