"""`--gate`: whether a run is good enough to ship, by its interval and not by its estimate.

Passed is a lower limit at or above `gate.least`, failed an upper limit below it; an interval that holds it is
inconclusive. Answers that are missing must not help: a pass has to hold if they were all worst, a fail if all best.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from llmctl.evals.measured import Measured, mean_interval, measure, units
from llmctl.evals.suite import GateConfig
from llmctl.scoring.result import Result
from llmctl.statistics.interval import Interval

Passed = Literal["pass", "fail", "inconclusive"]


@dataclass(frozen=True, slots=True)
class Gate:
    """What the gate says of one variant, in words too. `missing` counts items without a value."""

    variant: str
    verdict: Passed
    interval: Interval | None
    missing: int
    words: str

    def holds(self, *, allow_inconclusive: bool = False) -> bool:
        """Whether the run may go on. Too few items to tell is no pass, unless that is allowed."""
        return self.verdict == "pass" or (allow_inconclusive and self.verdict == "inconclusive")


def gates(results: Mapping[str, Sequence[Result]], config: GateConfig, confidence: float = 0.95) -> list[Gate]:
    """The gate of each variant by name, or of the one that the configuration names.

    Raises ValueError where there is no such variant.
    """
    if config.variant is None:
        return [gate(name, of, config, confidence) for name, of in results.items()]
    if config.variant not in results:
        raise ValueError(f"gate.variant: there is no variant {config.variant!r}; there are {', '.join(results)}")
    return [gate(config.variant, results[config.variant], config, confidence)]


def gate(variant: str, results: Sequence[Result], config: GateConfig, confidence: float = 0.95) -> Gate:
    """The gate of one variant."""
    found = measure(results, config.metric)
    seen, least = _interval(found, confidence, None), config.least
    if seen is None:
        words = f"inconclusive: no item has a value of {config.metric}"
        return Gate(variant, "inconclusive", None, len(found.unscored), f"{variant}: {words}")
    worst, best = _interval(found, confidence, 0.0), _interval(found, confidence, 1.0)
    assert worst is not None
    assert best is not None
    verdict: Passed = "inconclusive"
    if worst.low >= least:
        verdict = "pass"
    elif best.high < least:
        verdict = "fail"
    words = (
        f"{variant}: {verdict}: {config.metric} {seen.estimate:.4g} ({confidence:.4g} interval {seen.low:.4g} to "
        f"{seen.high:.4g}, n = {seen.n:,}, {seen.method}), at least {least:g} is asked"
    )
    if found.unscored:
        words += f"; {len(found.unscored):,} items have no value"
        if verdict == "inconclusive" and (seen.low >= least or seen.high < least):
            words += ", and what they might have been decides"
    if seen.caution:
        words += f"; {seen.caution}"
    return Gate(variant, verdict, seen, len(found.unscored), words)


def _interval(found: Measured, confidence: float, missing: float | None) -> Interval | None:
    """The mean's interval, with this in place of what is missing, or without it."""
    values = dict(found.values)
    if missing is not None:
        values |= dict.fromkeys(found.unscored, missing)
    items = list(values)
    return mean_interval(np.array([values[item] for item in items]), units(items, found.clusters), confidence)
