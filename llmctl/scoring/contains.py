"""Says that somewhere: one text, any of several, all of several; the `i` forms whatever the case."""

from typing import ClassVar

from pydantic import Field

from llmctl.scoring.base import Output, Sample, Score, ScorerOptions, Tools, Unscorable


class ContainsOptions(ScorerOptions):
    """What is to be in it."""

    value: str | list[str] | None = Field(
        None, description="A text, or several (also comma-separated). Default: the sample's expected."
    )


class Contains:
    """1 where the output contains the value, else 0."""

    Options: ClassVar[type[ScorerOptions]] = ContainsOptions
    rendered: ClassVar[frozenset[str]] = frozenset({"value"})
    threshold: ClassVar[float] = 1.0
    fold: ClassVar[bool] = False

    def __init__(self, options: ScorerOptions, tools: Tools) -> None:
        """Nothing to make ready."""

    async def score(self, sample: Sample, output: Output, options: ScorerOptions) -> Score:
        """Raises Unscorable where nothing is expected."""
        assert isinstance(options, ContainsOptions)
        wanted = self._wanted(sample.expected if options.value is None else options.value)
        if not any(wanted):
            raise Unscorable("nothing is expected: the value is empty")
        text = output.text.casefold() if self.fold else output.text
        missing = [one for one in wanted if (one.casefold() if self.fold else one) not in text]
        value = self._value(len(wanted) - len(missing), len(wanted))
        return Score(value, reason="" if value == 1 else f"lacks {', '.join(map(repr, missing[:5]))}"[:200])

    def _wanted(self, value: object) -> list[str]:
        if value is None or value == []:
            raise Unscorable("nothing is expected: give `value`, or the dataset an expected column")
        return [str(one) for one in value] if isinstance(value, list | tuple) else self._split(str(value))

    def _split(self, value: str) -> list[str]:
        return [value]

    def _value(self, found: int, wanted: int) -> float:
        return float(found == wanted)


class IContains(Contains):
    """1 where the output contains the value whatever the case, else 0."""

    fold: ClassVar[bool] = True


class ContainsAny(Contains):
    """1 where the output contains any of the values, else 0."""

    def _split(self, value: str) -> list[str]:
        return [one.strip() for one in value.split(",") if one.strip()]

    def _value(self, found: int, wanted: int) -> float:
        return float(found > 0)


class IContainsAny(ContainsAny):
    """1 where the output contains any of the values whatever the case, else 0."""

    fold: ClassVar[bool] = True


class ContainsAll(Contains):
    """The share of the values that the output contains; passed where it has them all."""

    def _split(self, value: str) -> list[str]:
        return [one.strip() for one in value.split(",") if one.strip()]

    def _value(self, found: int, wanted: int) -> float:
        return found / wanted


class IContainsAll(ContainsAll):
    """The share of the values that the output contains whatever the case; passed where it has them all."""

    fold: ClassVar[bool] = True
