"""The items that both sides have a value of, in one order."""

from dataclasses import dataclass

import numpy as np

from llmctl.evals.measured import Measured, mean_interval, units
from llmctl.evals.paired_metric import Clusters
from llmctl.statistics.interval import Interval
from llmctl.statistics.observations import Floats


@dataclass(frozen=True, slots=True)
class Pairs:
    """A metric over the items that have it on both sides: (items,) values in the same order."""

    items: tuple[str, ...]
    a: Floats
    b: Floats
    clusters: Clusters

    def means(self, confidence: float) -> tuple[Interval | None, Interval | None]:
        """Each side's own mean."""
        return mean_interval(self.a, self.clusters, confidence), mean_interval(self.b, self.clusters, confidence)


def pairs(a: Measured, b: Measured) -> Pairs:
    """The items with a value on both sides, in A's order. Raises ValueError where there are none."""
    items = tuple(item for item in a.values if item in b.values)
    if not items:
        raise ValueError(
            f"{a.metric}: no item has a value on both sides: A has {len(a.values)} items with one, B has "
            f"{len(b.values)}; compare runs of the same dataset, by a metric that both have"
        )
    left, right = (np.array([side.values[item] for item in items]) for side in (a, b))
    return Pairs(items, left, right, units(items, a.clusters))
