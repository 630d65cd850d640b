"""Whether what has no value is missing on one side more than on the other, and whether a verdict survives that.

An answer that failed is no score of 0, and leaving it out is right only if it is missing by chance. Where one side
lacks more than chance explains (exact McNemar, p < 0.001), the verdict must hold whichever values are put in for it:
all worst and all best (Manski, "Partial identification of probability distributions", 2003); else there is none.
"""

from collections.abc import Callable
from dataclasses import dataclass

from llmctl.evals.measured import Measured
from llmctl.statistics.rates import mcnemar

BLOCKS = 0.001
CAUTIONS = 0.05

Filled = Callable[[float, float], str]
"""The kind of verdict if A's missing values are the first and B's the second."""


@dataclass(frozen=True, slots=True)
class Missing:
    """Items that lack the metric on one side alone, on both; `p` of "neither side lacks it more often"."""

    only_a: tuple[str, ...]
    only_b: tuple[str, ...]
    both: int
    p: float
    survives: bool = True

    @property
    def blocked(self) -> str:
        """Why there may be no verdict; empty where there may."""
        if self.p >= BLOCKS or self.survives:
            return ""
        return (
            f"answers are missing on one side more than chance explains ({self._counts}, p = {self.p:.2g}), and what "
            "they might have been decides; find out why they failed and run those items again"
        )

    @property
    def caution(self) -> str:
        """What to think of what is missing; empty where nothing is."""
        if not (self.only_a or self.only_b):
            return ""
        words = f"{self._counts} have no value on one side and are left out of the difference"
        if self.p < BLOCKS and self.survives:
            return f"{words}: more on one side (p = {self.p:.2g}), but the verdict holds whatever they were"
        if self.p < CAUTIONS:
            return f"{words}: perhaps not by chance (p = {self.p:.2g})"
        return words

    @property
    def _counts(self) -> str:
        return f"{len(self.only_a)} items of A, {len(self.only_b)} of B"


def missing(a: Measured, b: Measured, kind: str, filled: Filled) -> Missing:
    """`kind` is the verdict without what is missing; `filled` is asked only where one side lacks more."""
    lack_a, lack_b = set(a.unscored), set(b.unscored)
    only_a = tuple(item for item in a.unscored if item in b.values)
    only_b = tuple(item for item in b.unscored if item in a.values)
    p = mcnemar(len(only_a), len(only_b))
    survives = p >= BLOCKS or kind == "inconclusive" or all(filled(one, 1 - one) == kind for one in (0.0, 1.0))
    return Missing(only_a, only_b, len(lack_a & lack_b), p, survives)
