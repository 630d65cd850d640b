"""Begins with that."""

from typing import ClassVar

from llmctl.scoring.base import Output, Sample, Score, ScorerOptions, Tools


class StartsWithOptions(ScorerOptions):
    """How it is to begin."""

    value: str
    ignore_case: bool = False


class StartsWith:
    """1 where the output begins with the value, white space before it aside, else 0."""

    Options: ClassVar[type[ScorerOptions]] = StartsWithOptions
    rendered: ClassVar[frozenset[str]] = frozenset({"value"})
    threshold: ClassVar[float] = 1.0

    def __init__(self, options: ScorerOptions, tools: Tools) -> None:
        """Nothing to make ready."""

    async def score(self, sample: Sample, output: Output, options: ScorerOptions) -> Score:
        """Never unscorable."""
        assert isinstance(options, StartsWithOptions)
        text, value = output.text.lstrip(), str(options.value)
        if options.ignore_case:
            text, value = text.casefold(), value.casefold()
        found = text.startswith(value)
        return Score(float(found), reason="" if found else f"does not begin with {options.value!r}"[:200])
