"""How the answer ended, and how long it is."""

from typing import ClassVar

from pydantic import Field

from llmctl.scoring.base import Output, Sample, Score, ScorerOptions, Tools, Unscorable


class FinishReasonOptions(ScorerOptions):
    """How it is to end."""

    value: str = Field("stop", description="stop, length, tool_calls, content_filter.")


class FinishReason:
    """1 where the answer ended for that reason, else 0."""

    Options: ClassVar[type[ScorerOptions]] = FinishReasonOptions
    rendered: ClassVar[frozenset[str]] = frozenset({"value"})
    threshold: ClassVar[float] = 1.0

    def __init__(self, options: ScorerOptions, tools: Tools) -> None:
        """Nothing to make ready."""

    async def score(self, sample: Sample, output: Output, options: ScorerOptions) -> Score:
        """Raises Unscorable where it is not known."""
        assert isinstance(options, FinishReasonOptions)
        if output.finish_reason is None:
            raise Unscorable("why it ended is not known")
        same = output.finish_reason == options.value
        return Score(float(same), reason="" if same else f"ended by {output.finish_reason}")


class WordsOptions(ScorerOptions):
    """How long it may be."""

    least: int = Field(0, ge=0)
    most: int | None = Field(None, ge=0)


class Words:
    """1 where the output has as many words as allowed, else 0; `raw` is how many. Words stand between white space."""

    Options: ClassVar[type[ScorerOptions]] = WordsOptions
    rendered: ClassVar[frozenset[str]] = frozenset()
    threshold: ClassVar[float] = 1.0

    def __init__(self, options: ScorerOptions, tools: Tools) -> None:
        """Raises ValueError where nothing can fit."""
        assert isinstance(options, WordsOptions)
        if options.most is not None and options.most < options.least:
            raise ValueError("most is less than least")

    async def score(self, sample: Sample, output: Output, options: ScorerOptions) -> Score:
        """Never unscorable."""
        assert isinstance(options, WordsOptions)
        count = len(output.text.split())
        fits = options.least <= count and (options.most is None or count <= options.most)
        return Score(float(fits), count, "" if fits else f"{count} words")
