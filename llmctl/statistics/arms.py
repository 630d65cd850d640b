"""Two arms of different subjects, looked at at any time: a canary against its baseline, from counts alone.

The difference of two running means has, however the arms grow, the increments of a Brownian motion in the time that its
variance counts, so the margin of one sequence holds for it. What grows an arm must not look at the values.
"""

import math
from dataclasses import dataclass

from llmctl.statistics.interval import Interval
from llmctl.statistics.observations import counts
from llmctl.statistics.sequential import UNSEEN, Design, margin, tuned_rho


@dataclass(frozen=True, slots=True)
class Arm:
    """What was seen of one arm: how many, their mean, and their variance (over n)."""

    count: int
    mean: float
    variance: float

    def __post_init__(self) -> None:
        counts(count=self.count)
        if not (math.isfinite(self.mean) and math.isfinite(self.variance) and self.variance >= 0):
            raise ValueError(
                f"an arm needs a finite mean and a variance of 0 or more, got {self.mean}, {self.variance}"
            )

    @classmethod
    def of_rate(cls, hits: int, trials: int) -> "Arm":
        """The arm of a share: errors of requests, say. Without trials its mean counts for nothing."""
        counts(hits=hits, trials=trials)
        if hits > trials:
            raise ValueError(f"needs no more hits than trials, got {hits} of {trials}")
        share = hits / trials if trials else 0.0
        return cls(trials, share, share * (1 - share))


def arms_difference(a: Arm, b: Arm, design: Design) -> Interval:
    """The difference of means, A - B, with limits that hold at every look; infinite before both arms have started.

    The design's horizon and start are per arm, and its scale is counted into each arm's variance.
    """
    estimate, n = a.mean - b.mean, a.count + b.count
    method = "asymptotic confidence sequence of two arms"
    if min(a.count, b.count) < design.start:
        caution = f"nothing is said before both arms have {design.start} observations"
        return Interval(estimate, -math.inf, math.inf, 1 - design.alpha, n, method, caution)
    variances = [arm.variance + UNSEEN * design.scale**2 / arm.count for arm in (a, b)]
    together = sum(variances)
    time = together / (variances[0] / a.count + variances[1] / b.count)  # as many per arm, were the arms equal
    half = math.sqrt(together) * float(margin(time, 1.0, tuned_rho(design.horizon, design.alpha), design.alpha))
    return Interval(estimate, estimate - half, estimate + half, 1 - design.alpha, n, method)
