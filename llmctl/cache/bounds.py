"""Upper bounds on how many hits were false, valid at every moment of a stream and not only at its end.

All rest on Ville's inequality (1939): a nonnegative supermartingale that starts at 1 passes 1/alpha with probability at
most alpha, ever. Mixing over a grid of rates keeps it one (Robbins 1970; Howard, Ramdas, McAuliffe and Sekhon 2021,
arXiv 1810.08240).
"""

import math
from collections.abc import Callable, Sequence

RATES = (0.03, 0.06, 0.1, 0.15, 0.2, 0.3, 0.45, 0.7, 1.0, 1.5, 2.2)
SHARES = (0.2, 0.35, 0.5, 0.65, 0.8)
TOLERANCE = 1e-6

_GROWTH = tuple(math.expm1(rate) for rate in RATES)


def poisson_bound(mean: float, alpha: float) -> float:
    """Events whose predicted probabilities sum to `mean` number fewer than this, at all times, but for `alpha`.

    Whatever the order, and however each probability was chosen from what came before: exp(r·n - mean·(e^r - 1)) is a
    supermartingale for every r, as 1 + p(e^r - 1) ≤ exp(p(e^r - 1)).
    """
    offsets = [-mean * growth for growth in _GROWTH]
    aim = -math.log(alpha)
    start = min((aim + math.log(len(RATES)) - offset) / rate for rate, offset in zip(RATES, offsets, strict=True))
    return _root(lambda at: _mixture(at, RATES, offsets), start, aim)


def poisson_budget(bound: float, alpha: float) -> float:
    """The largest `mean` with `poisson_bound(mean, alpha) ≤ bound`; 0 where there is none."""
    offsets = [bound * rate for rate in RATES]
    slopes = [-growth for growth in _GROWTH]
    aim = -math.log(alpha)
    if _mixture(0.0, slopes, offsets)[0] <= aim:
        return 0.0
    return _root(lambda at: _mixture(at, slopes, offsets), 0.0, aim)


def _mixture(at: float, slopes: Sequence[float], offsets: Sequence[float]) -> tuple[float, float]:
    """log of the mean of exp(slope·at + offset), and its derivative."""
    exponents = [slope * at + offset for slope, offset in zip(slopes, offsets, strict=True)]
    top = max(exponents)
    weights = [math.exp(exponent - top) for exponent in exponents]
    total = sum(weights)
    slope = sum(weight * slope for weight, slope in zip(weights, slopes, strict=True)) / total
    return top + math.log(total / len(slopes)), slope


def _root(mixture: Callable[[float], tuple[float, float]], at: float, aim: float) -> float:
    """Where the convex `mixture` is `aim`, by Newton from the side where it is above: it never passes the root."""
    for _ in range(100):
        value, slope = mixture(at)
        if value - aim < TOLERANCE:
            break
        at -= (value - aim) / slope
    return at


class Certificate:
    """Bounds the false hits from random audits alone, with no assumption about the stream or any model.

    A would-be hit is audited with probability a, known before. With W = 1 for a wrong answer, exp(r·W) for one served
    and exp(-θ·W) for one audited has mean 1 when e^{-θ} = (1 - (1-a)e^r)/a, so the product over the stream is a
    martingale whatever the W are, an adversary's too: r·(false hits) ≤ Σθ over wrong audits + ln(1/alpha). (The inverse
    probability weighting of Waudby-Smith and Ramdas 2024, arXiv 2010.09686, as a bet.) About 3/a false hits can never
    be ruled out at alpha = 0.05.
    """

    def __init__(self, audit: float, alpha: float) -> None:
        """`audit` is the least probability of an audit, in (0, 1)."""
        longest = -math.log1p(-audit)
        self.audit = audit
        self.alpha = alpha
        self.rates = tuple(share * longest for share in SHARES)
        self.paid = [0.0] * len(SHARES)
        self.hits = 0
        self._bound: float | None = None

    def served(self) -> None:
        """A would-be hit was served."""
        self.hits += 1

    def audited(self, wrong: bool, probability: float) -> None:
        """A would-be hit was audited, which had at least the probability given to the constructor."""
        if wrong:
            self._bound = None
            for at, rate in enumerate(self.rates):
                self.paid[at] -= math.log((1 - (1 - probability) * math.exp(rate)) / probability)

    def resume(self, hits: int, paid: Sequence[float]) -> None:
        """Go on from what `hits` and `paid` were, with the same `audit`."""
        self.hits, self.paid, self._bound = hits, list(paid), None

    @property
    def bound(self) -> float:
        """The false hits up to now are at most this, at all times, but for `alpha`."""
        if self._bound is None:
            offsets = [-paid for paid in self.paid]
            aim = -math.log(self.alpha)
            start = min((aim + math.log(len(SHARES)) + p) / r for p, r in zip(self.paid, self.rates, strict=True))
            self._bound = _root(lambda at: _mixture(at, self.rates, offsets), start, aim)
        return min(self._bound, float(self.hits))
