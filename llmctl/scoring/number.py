"""A number, within a tolerance: the last one that the output says, as answers to GSM8K are read."""

import math
import re
from typing import ClassVar, Literal

from pydantic import Field

from llmctl.scoring.base import Output, Sample, Score, ScorerOptions, Tools, Unscorable

_NUMBER = re.compile(r"(?<![\d.])[-+]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:[eE][-+]?\d{1,3})?|[-+]?\.\d+")
_MARKED = re.compile(
    r"(?:####|\\boxed\{|answer(?:\s{1,4}is\s{0,4}:?|\s{0,4}[:=]))\s{0,4}\*{0,2}\s{0,4}\$?\s{0,4}([^\n}]{0,200})",
    re.IGNORECASE,
)


class NumberOptions(ScorerOptions):
    """Which number, how near, and where it stands."""

    value: float | str | None = Field(None, description="Default: the sample's expected, or the last number in it.")
    absolute: float = Field(1e-6, ge=0, description="May differ by this,")
    relative: float = Field(0.0, ge=0, description="or by this share of the value.")
    take: Literal["last", "first", "only"] = Field(
        "last", description="`last` goes for what follows ####, \\boxed or `answer is` first; `only`: there is but one."
    )


class Number:
    """1 where the number is near enough, else 0; `raw` is the number found."""

    Options: ClassVar[type[ScorerOptions]] = NumberOptions
    rendered: ClassVar[frozenset[str]] = frozenset({"value"})
    threshold: ClassVar[float] = 1.0

    def __init__(self, options: ScorerOptions, tools: Tools) -> None:
        """Nothing to make ready."""

    async def score(self, sample: Sample, output: Output, options: ScorerOptions) -> Score:
        """Raises Unscorable where no number is expected."""
        assert isinstance(options, NumberOptions)
        wanted = read(str(sample.expected if options.value is None else options.value), "last")
        if wanted is None:
            raise Unscorable("no number is expected: give `value`, or the dataset an expected column with one")
        found = read(output.text, options.take)
        if found is None:
            return Score(0.0, reason="says no number" if options.take != "only" else "does not say just one number")
        near = abs(found - wanted) <= max(options.absolute, options.relative * abs(wanted))
        return Score(float(near), found, reason="" if near else f"{found:g} is not {wanted:g}")


def read(text: str, take: Literal["last", "first", "only"]) -> float | None:
    """The number that a text says, or None."""
    text = text.replace("\u2212", "-")  # the minus of typesetters
    if take == "last" and (marked := _MARKED.findall(text)):
        for piece in reversed(marked):
            if numbers := _NUMBER.findall(piece):
                return _value(numbers[0])
    numbers = _NUMBER.findall(text)
    if not numbers or (take == "only" and len(numbers) != 1):
        return None
    return _value(numbers[0 if take == "first" else -1])


def _value(text: str) -> float | None:
    value = float(text.replace(",", ""))
    return value if math.isfinite(value) else None
