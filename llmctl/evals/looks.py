"""Looking at a comparison while it runs: results as they come, paired, until there is an answer."""

from collections.abc import Sequence
from statistics import fmean

from llmctl.evals.measured import value_of
from llmctl.evals.sequential_ab import Planned, Sequential, Stop, shuffled
from llmctl.evals.slots import Posed
from llmctl.evals.suite import DecisionConfig
from llmctl.scoring.result import Result


def in_random_order(items: Sequence[Posed], seed: int) -> list[Posed]:
    """The order to ask them in, clusters together, which nothing about them decides."""
    by_id = {item.sample.id: item for item in items}
    return [by_id[one.item] for one in shuffled(_planned(items), seed)]


class Looks:
    """Called with every result of two variants; True once no more need be asked. `items` are in their order."""

    def __init__(self, config: DecisionConfig, items: Sequence[Posed], sides: tuple[str, str], repeats: int) -> None:
        """Raises ValueError for a question that needs a margin."""
        self.sequential = Sequential(config, _planned(items))
        self._value = value_of(config.metric)
        self._sides, self._repeats = sides, repeats
        self._waiting: dict[str, dict[str, list[float | None]]] = {}
        self.stop: Stop | None = None

    def __call__(self, result: Result) -> bool:
        """Take it in, and look."""
        sides = self._waiting.setdefault(result.item, {side: [] for side in self._sides})
        sides[result.variant].append(self._value(result))
        if all(len(values) == self._repeats for values in sides.values()):
            del self._waiting[result.item]
            self.stop = self.sequential.on_pair(result.item, *(_mean(sides[side]) for side in self._sides))
        return self.stop is not None


def _planned(items: Sequence[Posed]) -> list[Planned]:
    return [Planned(item.sample.id, item.sample.cluster) for item in items]


def _mean(values: Sequence[float | None]) -> float | None:
    there = [value for value in values if value is not None]
    return fmean(there) if there else None
