"""Wilson's score interval of one share, in plain Python: gateways use it too, and need no numpy for it.

Source: Wilson, "Probable Inference, the Law of Succession, and Statistical Inference", 1927.
"""

from math import sqrt

Z95 = 1.959963984540054
"""Normal quantile of a two-sided 95% interval."""


def limits(share: float, trials: float, z: float = Z95) -> tuple[float, float]:
    """(low, high), from 0 to 1, of a share of so many trials, of which there must be some.

    Counters that are interpolated make neither whole: trials may be a fraction, and a share that is a hair below 0 or
    above 1 is taken as that. Raises ValueError without trials.
    """
    if not trials > 0:
        raise ValueError(f"needs a trial at least; got {trials}")
    share, square = min(max(share, 0.0), 1.0), z * z
    scale = 1 + square / trials
    centre = (share + square / (2 * trials)) / scale
    half = sqrt(square * share * (1 - share) / trials + (square / (2 * trials)) ** 2) / scale
    low = 0.0 if share == 0 else max(0.0, centre - half)
    high = 1.0 if share == 1 else min(1.0, centre + half)
    return low, high
