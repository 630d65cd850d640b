"""How long it took, and what it cost."""

from typing import ClassVar

from pydantic import Field

from llmctl.scoring.base import Output, Sample, Score, ScorerOptions, Tools, Unscorable
from llmctl.scoring.refusal import blocked


class LatencyOptions(ScorerOptions):
    """How long it may take."""

    seconds: float = Field(gt=0)


class CostOptions(ScorerOptions):
    """What it may cost."""

    usd: float = Field(gt=0)


class Latency:
    """1 up to the target, then falling to 0 at twice it; `raw` is seconds to the last byte. Passed within it."""

    Options: ClassVar[type[ScorerOptions]] = LatencyOptions
    rendered: ClassVar[frozenset[str]] = frozenset()
    threshold: ClassVar[float] = 1.0
    judges_errors: ClassVar[bool] = True

    def __init__(self, options: ScorerOptions, tools: Tools) -> None:
        """Nothing to make ready."""

    async def score(self, sample: Sample, output: Output, options: ScorerOptions) -> Score:
        """Raises Unscorable where nobody measured."""
        assert isinstance(options, LatencyOptions)
        return _spent(output, output.seconds, options.seconds, "s", "its latency")


class Ttft(Latency):
    """The same of the first byte of a stream."""

    async def score(self, sample: Sample, output: Output, options: ScorerOptions) -> Score:
        """Raises Unscorable where it was no stream."""
        assert isinstance(options, LatencyOptions)
        return _spent(output, output.ttft, options.seconds, "s", "its time to first token (only streams have one)")


class Cost:
    """1 up to the target, then falling to 0 at twice it; `raw` is US dollars. Passed within the target."""

    Options: ClassVar[type[ScorerOptions]] = CostOptions
    rendered: ClassVar[frozenset[str]] = frozenset()
    threshold: ClassVar[float] = 1.0
    judges_errors: ClassVar[bool] = True

    def __init__(self, options: ScorerOptions, tools: Tools) -> None:
        """Nothing to make ready."""

    async def score(self, sample: Sample, output: Output, options: ScorerOptions) -> Score:
        """Raises Unscorable where no price is known."""
        assert isinstance(options, CostOptions)
        return _spent(output, output.cost.usd, options.usd, "US dollars", "its price")


def _spent(output: Output, value: float | None, target: float, unit: str, what: str) -> Score:
    if output.error and not blocked(output):  # what fails at once would pass as fast and cheap
        raise Unscorable(f"there is no answer: {output.error}")
    if value is None:
        raise Unscorable(f"{what} is not known")
    over = f"{value:.4g} {unit}, over {target:g}" if value > target else ""
    return Score(min(1.0, max(0.0, 2.0 - value / target)), value, over)
