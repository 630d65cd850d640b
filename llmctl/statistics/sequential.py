"""Looking at any time: intervals and tests that stay right however often they are looked at, and when to stop.

Sources: asymptotic confidence sequences after Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas, "Time-uniform central
limit theory", 2021, theorem 2.2; the binary e-value is Robbins' mixture, with Jeffreys' prior, over the chance that of
two that differ A is right; mSPRT after Johari, Koomen, Pekelis and Walsh, "Always valid inference", 2022.
Observations are independent: one per cluster (`paired.cluster_means`), in an order that their values do not decide.
"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from llmctl.statistics.interval import Interval
from llmctl.statistics.observations import Floats, level, vector
from llmctl.statistics.special import log_gamma

UNSEEN = 3  # observations as far off as can be that are added to the variance; by simulation of rates of 1 to 3%
START = 50  # observations, before which normal approximations are not to be trusted
Stop = Literal["go on", "win", "equivalent", "spent"]


def tuned_rho(horizon: float, alpha: float = 0.05) -> float:
    """The rho for which the margin of observations of variance 1 is least at `horizon` of them."""
    if horizon <= 0 or not 0 < alpha < 1:
        raise ValueError(f"needs a horizon above 0 and an alpha between 0 and 1, got {horizon} and {alpha}")
    inside = -2 * math.log(alpha)
    return math.sqrt((inside + math.log(inside) + 1) / horizon)


def margin(t: ArrayLike, variance: ArrayLike, rho: ArrayLike, alpha: float = 0.05) -> Floats:
    """Half the width of a confidence sequence after `t` observations of this variance."""
    times, square = np.asarray(t, dtype=np.float64), np.asarray(rho, dtype=np.float64) ** 2
    grown = times * np.asarray(variance, dtype=np.float64) * square + 1
    return np.sqrt(grown / (times**2 * square) * np.log(grown / alpha**2))


@dataclass(frozen=True, slots=True)
class Design:
    """How a sequence is looked at: decided before the first observation.

    It is tightest at `horizon` observations. `scale` is the most by which one observation can be off, in its own units:
    1 for scores within 0 and 1. Three more observations that far off are counted into the variance: without them what
    is rare would be ruled out because it was not seen yet. Nothing is said before `start` observations.
    """

    horizon: int
    alpha: float = 0.05
    scale: float = 1.0
    start: int = START

    def __post_init__(self) -> None:
        level(1 - self.alpha)
        if self.start < START:
            raise ValueError(
                f"start: needs {START} observations or more, got {self.start}; below, the limits are wrong"
            )
        if self.horizon < self.start or self.scale <= 0:
            raise ValueError(
                f"needs a horizon of {self.start} observations or more and a scale above 0; "
                f"got {self.horizon} and {self.scale}"
            )


def limits(observations: ArrayLike, design: Design) -> tuple[Floats, Floats]:
    """Low and high after each observation, (…, n) for (…, n); infinite before the design's start."""
    values = np.asarray(observations, dtype=np.float64)
    t = np.arange(1, values.shape[-1] + 1, dtype=np.float64)
    mean = np.cumsum(values, axis=-1) / t
    first = values[..., :1]  # variances are of what is left without it, which loses fewer digits
    centred = mean - first
    square = np.cumsum((values - first) ** 2, axis=-1) / t - centred**2
    half = _half(t, np.maximum(square, 0.0), design)
    return mean - half, mean + half


class ConfidenceSequence:
    """A confidence sequence that is fed one observation after the other; what it says holds at every look."""

    def __init__(self, design: Design) -> None:
        self.design = design
        self.count = 0
        self.mean = 0.0
        self._squares = 0.0

    def add(self, observation: float) -> None:
        """Counts one in. Raises ValueError for what is not finite."""
        if not math.isfinite(observation):
            raise ValueError(f"observation {self.count} is {observation}; leave out what has no value, on both sides")
        self.count += 1
        step = observation - self.mean
        self.mean += step / self.count
        self._squares += step * (observation - self.mean)

    def interval(self) -> Interval:
        """The mean so far and its limits. Raises ValueError before the first observation."""
        if not self.count:
            raise ValueError("nothing was observed yet; look after the first observation")
        variance = self._squares / self.count
        half = float(_half(np.array(float(self.count)), np.array(variance), self.design))
        caution = "" if self.count >= self.design.start else f"nothing is said before {self.design.start} observations"
        limit = (self.mean - half, self.mean + half)
        return Interval(self.mean, *limit, 1 - self.design.alpha, self.count, "asymptotic confidence sequence", caution)


@dataclass(frozen=True, slots=True)
class Stopping:
    """When to stop: on a win, on equivalence (all of the interval inside ±margin), or when the budget is spent."""

    budget: int
    margin: float | None = None

    def look(self, interval: Interval) -> Stop:
        """What a look at a confidence sequence says. A fixed-n interval must not be looked at like this."""
        if interval.excludes_zero:
            return "win"
        if self.margin is not None and interval.within(self.margin):
            return "equivalent"
        return "spent" if interval.n >= self.budget else "go on"

    def stops(self, low: Floats, high: Floats) -> tuple[Floats, Floats]:
        """For (runs, n) limits: after how many observations each run stops, (runs,), and the side: 1, -1, 0 for none.

        Runs shorter than the budget end as spent after what they have.
        """
        width = min(self.budget, low.shape[-1])
        low, high = low[..., :width], high[..., :width]
        won = (low > 0) | (high < 0)
        done = won if self.margin is None else won | ((low > -self.margin) & (high < self.margin))
        stopped = done.any(axis=-1)
        at = np.where(stopped, done.argmax(axis=-1), width - 1)[..., None]
        side = np.where(np.take_along_axis(low, at, -1) > 0, 1.0, 0.0)
        side -= np.where(np.take_along_axis(high, at, -1) < 0, 1.0, 0.0)
        return at[..., 0] + 1.0, side[..., 0]


def binary_e_value(only_a: ArrayLike, only_b: ArrayLike) -> Floats:
    """Evidence against "of two that differ either is right as often", exact at any time: reject at 1/alpha or more.

    2^m·B(b+½, c+½)/B(½, ½) for counts b and c of items that only one got right, m = b + c; infinite beyond 1e300.
    """
    b, c = (np.asarray(counted, dtype=np.float64) for counted in (only_a, only_b))
    if (b < 0).any() or (c < 0).any():
        raise ValueError("needs counts, 0 or more, of the items that only A and only B got right")
    most = int(max(b.max(initial=0), c.max(initial=0), (b + c).max(initial=0)))
    halves, wholes = log_gamma(np.arange(most + 1) + 0.5), log_gamma(np.arange(most + 1) + 1.0)
    left, right = b.astype(np.int64), c.astype(np.int64)
    together = left + right
    exponent = together * math.log(2) + (halves[left] + halves[right]) - wholes[together] - math.log(math.pi)
    with np.errstate(over="ignore"):
        return np.asarray(np.exp(exponent))


def msprt_p(observations: ArrayLike, tau: float, start: int = START) -> Floats:
    """The always valid p after each observation, (…, n) for (…, n): it falls or stays, and is 1 before `start`.

    `tau` is the spread of the effects that are mixed over, in the units of the observations: about the effect that is
    looked for. Where there is no variance yet p stays as it was.
    """
    if tau <= 0:
        raise ValueError(f"tau: needs the size of the effect that is looked for, above 0; got {tau}")
    values = np.asarray(observations, dtype=np.float64)
    t = np.arange(1, values.shape[-1] + 1, dtype=np.float64)
    mean = np.cumsum(values, axis=-1) / t
    first = values[..., :1]
    spread = np.cumsum((values - first) ** 2, axis=-1) - t * (mean - first) ** 2
    v = np.maximum(spread, 0.0) / np.maximum(t - 1, 1) / t
    told = (v > 0) & (t >= start)
    safe = np.where(told, v, 1.0)
    log_ratio = 0.5 * np.log(safe / (safe + tau**2)) + tau**2 * mean**2 / (2 * safe * (safe + tau**2))
    p = np.where(told, np.exp(-np.maximum(log_ratio, 0.0)), 1.0)
    return np.minimum.accumulate(p, axis=-1)


def observe(observations: ArrayLike, design: Design) -> ConfidenceSequence:
    """A sequence that has seen these (n,) observations."""
    sequence = ConfidenceSequence(design)
    for value in vector(observations, "observations", least=1):
        sequence.add(float(value))
    return sequence


def _half(t: Floats, variance: Floats, design: Design) -> Floats:
    """The margin with rho in units of the observations' own spread, which keeps the horizon where it was put."""
    spread = np.sqrt(variance + UNSEEN * design.scale**2 / t)
    half = spread * margin(t, 1.0, tuned_rho(design.horizon, design.alpha), design.alpha)
    return np.where(t >= design.start, half, np.inf)
