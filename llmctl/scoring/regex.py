"""Matches a pattern."""

from typing import ClassVar

import re2
from pydantic import Field

from llmctl.scoring.base import Output, Sample, Score, ScorerOptions, Tools, Unscorable


class RegexOptions(ScorerOptions):
    """The pattern, in RE2's syntax: linear time, so without lookaround and back references."""

    value: str = Field(min_length=1)
    ignore_case: bool = False
    whole: bool = Field(False, description="All of the output must match, not some part of it.")


class Regex:
    """1 where the output matches, else 0. Patterns: https://github.com/google/re2/wiki/Syntax"""

    Options: ClassVar[type[ScorerOptions]] = RegexOptions
    rendered: ClassVar[frozenset[str]] = frozenset({"value"})
    threshold: ClassVar[float] = 1.0

    def __init__(self, options: ScorerOptions, tools: Tools) -> None:
        """Compiles it, unless it depends on the sample. Raises ValueError."""
        assert isinstance(options, RegexOptions)
        self._compiled = None if "{{" in options.value or "{%" in options.value else _compiled(options)

    async def score(self, sample: Sample, output: Output, options: ScorerOptions) -> Score:
        """Raises Unscorable where the rendered pattern is none."""
        assert isinstance(options, RegexOptions)
        try:
            pattern = self._compiled or _compiled(options)
        except ValueError as error:
            raise Unscorable(str(error)) from None
        text = output.text.encode("utf-8", "replace").decode()  # half a surrogate pair is no text to RE2
        found = pattern.fullmatch(text) if options.whole else pattern.search(text)
        return Score(float(found is not None), reason="" if found else f"does not match {options.value!r}"[:200])


def _compiled(options: RegexOptions) -> "re2._Regexp":
    value, settings = str(options.value), re2.Options()
    settings.case_sensitive = not options.ignore_case
    settings.log_errors = False
    try:
        return re2.compile(value, settings)
    except re2.error as error:
        raise ValueError(f"value: {value!r} is no RE2 pattern: {error}") from None
