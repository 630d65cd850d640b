"""What an estimate with its interval is."""

import math
from dataclasses import dataclass

NO_SPREAD = "no value differs from the others, which tells no spread"
_ROUNDING = 1e-12


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate and what it may be, in the units of the observations. A limit that cannot be told is infinite.

    `confidence` is that of `low` and `high` together, `n` counts independent units (items, pairs, clusters), and
    `caution` says in words why the interval should be trusted less; empty where nothing speaks against it.
    """

    estimate: float
    low: float
    high: float
    confidence: float
    n: int
    method: str
    caution: str = ""

    @classmethod
    def around(cls, estimate: float, half: float, confidence: float, n: int, method: str) -> "Interval":
        """The estimate ± `half`; without limits where there is no width, since that comes of values all alike."""
        if not half > _ROUNDING * abs(estimate):
            return Interval(estimate, -math.inf, math.inf, confidence, n, method, NO_SPREAD)
        return Interval(estimate, estimate - half, estimate + half, confidence, n, method)

    @property
    def alpha(self) -> float:
        """The share of intervals that may miss."""
        return 1.0 - self.confidence

    @property
    def excludes_zero(self) -> bool:
        """Whether all of the interval is on one side of zero."""
        return self.low > 0 or self.high < 0

    def within(self, margin: float) -> bool:
        """Whether all of the interval is inside ±`margin`."""
        return -margin < self.low and self.high < margin

    def swapped(self) -> "Interval":
        """The interval of a difference taken the other way round."""
        limits = (-self.high + 0.0, -self.low + 0.0)
        return Interval(-self.estimate + 0.0, *limits, self.confidence, self.n, self.method, self.caution)
