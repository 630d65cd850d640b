"""A comparison that is looked at while it runs, and stops when it has an answer.

What it says holds at whatever look it is read: the interval is a confidence sequence, fed one observation per cluster
in an order that was fixed before anything was asked. Answers come as they come; an observation waits for those before.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Literal, NamedTuple

from llmctl.evals.suite import DecisionConfig
from llmctl.evals.verdicts import checked, judge
from llmctl.statistics.decide import Verdict
from llmctl.statistics.interval import Interval
from llmctl.statistics.sequential import START, ConfidenceSequence, Design, binary_e_value

MISSING = 1000  # the e-value of "neither side lacks answers more often" from which a win stops nothing
NOTE = "the interval may be looked at at any time: a confidence sequence, one observation per cluster"

Why = Literal["win", "equivalent", "non-inferior", "spent"]


class Planned(NamedTuple):
    """An item that will be asked of both sides; `cluster` is empty where it is its own."""

    item: str
    cluster: str = ""


@dataclass(frozen=True, slots=True)
class Stop:
    """Why to stop asking, and what may be said then. `observed` counts clusters, `left` those not looked at."""

    why: Why
    verdict: Verdict
    observed: int
    left: int

    @property
    def words(self) -> str:
        """For people."""
        saved = f", {self.left:,} left unasked" if self.left else ""
        return f"stopped after {self.observed:,} observations{saved}: {self.verdict.words}; {NOTE}"


def shuffled(planned: Sequence[Planned], seed: int) -> list[Planned]:
    """The items in an order that nothing about them decides, clusters together: the order to ask them in.

    A dataset that begins with what is easy would otherwise say, of its beginning, what is not so of all of it.
    """
    clusters: dict[tuple[bool, str], list[Planned]] = {}
    for one in planned:
        clusters.setdefault((bool(one.cluster), one.cluster or one.item), []).append(one)
    order = list(clusters)
    Random(seed).shuffle(order)
    return [one for key in order for one in clusters[key]]


class Sequential:
    """Fed with pairs as they complete, by one event loop; says when to stop.

    `planned` is everything that may be asked, in the order in which it counts; a cluster counts once, the mean of its
    items, when all of them are there. `horizon` is where the interval is tightest, in clusters: about where an answer
    is expected, two thirds of all unless told otherwise. With several primary metrics, alpha is shared out among them,
    and the first one decides when to stop.
    """

    def __init__(self, config: DecisionConfig, planned: Sequence[Planned], horizon: int | None = None) -> None:
        """Raises ValueError for no items, an item twice, or a question that needs a margin."""
        self._config = checked(config)
        self._clusters: list[_Cluster] = []
        self._of: dict[str, _Cluster] = {}
        known: dict[tuple[bool, str], _Cluster] = {}
        for item, cluster in planned:
            if item in self._of:
                raise ValueError(
                    f"item {item!r} is planned twice; an item is asked once of each side, with its repeats"
                )
            key = (bool(cluster), cluster or item)
            if key not in known:
                known[key] = _Cluster()
                self._clusters.append(known[key])
            self._of[item] = known[key]
            known[key].waiting.add(item)
        if not planned:
            raise ValueError("nothing is planned; give the items that may be asked")
        self.horizon = max(START, horizon or 2 * len(self._clusters) // 3)
        alpha = (1 - config.confidence) / len(dict.fromkeys((config.metric, *config.also)))
        self._sequence = ConfidenceSequence(Design(self.horizon, alpha))
        wide = Design(self.horizon, 2 * alpha) if config.kind == "non_inferiority" else None
        self._wide = ConfidenceSequence(wide) if wide is not None else None
        self._at = 0
        self.lacking = [0, 0]
        self._stop: Stop | None = None

    def add(self, item: str, a: float | None, b: float | None) -> None:
        """An item's values, within 0 and 1, when all repeats of both sides are there; None where a side has none.

        Raises ValueError for an item that was not planned, or comes twice.
        """
        cluster = self._of.get(item)
        if cluster is None or item not in cluster.waiting:
            raise ValueError(f"item {item!r} {'comes twice' if cluster else 'was not planned'}")
        cluster.waiting.discard(item)
        if a is not None and b is not None:
            cluster.total += a - b
            cluster.count += 1
        elif a is not None or b is not None:
            cluster.lacking[a is not None] += 1
        while self._at < len(self._clusters) and not self._clusters[self._at].waiting and self._stop is None:
            self._at += 1
            self._observe(self._clusters[self._at - 1])

    def on_pair(self, item: str, a: float | None, b: float | None) -> Stop | None:
        """Adds it and looks."""
        self.add(item, a, b)
        return self.look()

    def look(self) -> Stop | None:
        """Why to stop, or None to go on. Once there is a reason it stays, whatever comes after."""
        return self._stop

    def finish(self) -> Stop | None:
        """What may be said where nothing more will come: the money is spent, or it was cut short. It stays.

        None before the first observation.
        """
        if self._stop is None and self._sequence.count:
            self._stop = self._looked(last=True)
        return self._stop

    def interval(self) -> Interval | None:
        """What is known so far of A - B; None before the first observation."""
        return self._sequence.interval() if self._sequence.count else None

    def _observe(self, cluster: "_Cluster") -> None:
        self.lacking = [so_far + more for so_far, more in zip(self.lacking, cluster.lacking, strict=True)]
        if cluster.count:
            for sequence in filter(None, (self._sequence, self._wide)):
                sequence.add(cluster.total / cluster.count)
        last = self._at == len(self._clusters)
        if self._sequence.count and (last or self._sequence.count >= START):
            self._stop = self._looked(last=last)

    def _looked(self, *, last: bool) -> Stop | None:
        found = self._sequence.interval()
        one_sided = self._wide.interval() if self._wide is not None else None
        if not last and not self._may_answer(found, one_sided):
            return None
        verdict = judge(found, self._config, one_sided=one_sided, items=self._items())
        why = "spent" if not self._answers(verdict) else _why(verdict)
        if why == "spent" and not last:
            return None
        return Stop(why, verdict, self._sequence.count, len(self._clusters) - self._at)

    def _may_answer(self, found: Interval, one_sided: Interval | None) -> bool:
        """Whether it is worth the words of a verdict, which cost more than the look."""
        margin = self._config.margin
        if found.excludes_zero or margin is None:
            return found.excludes_zero
        return found.within(margin) or (one_sided is not None and one_sided.high < margin)

    def _items(self) -> int:
        """About how many items the observations so far hold."""
        return max(1, round(self._sequence.count * len(self._of) / len(self._clusters)))

    def _answers(self, verdict: Verdict) -> bool:
        """Whether this verdict is an answer to what was asked, and what is missing does not stand against it."""
        if not verdict.decided or float(binary_e_value(*self.lacking)) >= MISSING:
            return False
        margin, found = self._config.margin, verdict.difference
        if verdict.kind not in ("A", "B") or margin is None:
            return True
        if self._config.kind == "equivalence":
            return found.low > margin or found.high < -margin
        return self._config.kind != "non_inferiority" or verdict.kind == "B" or found.low > margin


class _Cluster:
    """Items that count together: those not there yet, and the sum and count of what is."""

    __slots__ = ("count", "lacking", "total", "waiting")

    def __init__(self) -> None:
        self.waiting: set[str] = set()
        self.total = 0.0
        self.count = 0
        self.lacking = [0, 0]


def _why(verdict: Verdict) -> Why:
    if verdict.kind in ("A", "B"):
        return "win"
    return "equivalent" if verdict.kind == "equivalent" else "non-inferior"
