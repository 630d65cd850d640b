"""What two arms over the same streams come to: money by layer, quality, waiting, each with its interval.

Rows are paired: the same request in both arms. A question that comes in several streams is one cluster.
"""

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bench.rig.savings_world import Arm, Served

Numbers = NDArray[np.float64]
Layer = Literal["cache", "compression", "cascade", "complexity", "none"]
LAYERS: tuple[Layer, ...] = ("cache", "compression", "cascade", "complexity", "none")
ANSWERS = frozenset({"exact", "semantic", "shared", "stale"})
DRAWS = 1_000
_Z = NormalDist().inv_cdf(0.975)


class Row(NamedTuple):
    """A request in both arms: dollars, right or not, seconds; and what the full stack did with it.

    `layer` is the one that answered otherwise than the strong model alone would have: the cache, else compression,
    else routing. `bill` is where its dollars went.
    """

    item: str
    route: str
    usd: tuple[float, float]
    right: tuple[bool, bool]
    seconds: tuple[float, float]
    layer: Layer
    bill: dict[str, float]


class Interval(NamedTuple):
    """A figure with its interval of 95%."""

    value: float
    low: float
    high: float

    def told(self, digits: int = 4) -> dict[str, float]:
        """For JSON."""
        return {name: round(value, digits) for name, value in self._asdict().items()}


def paired(alone: Arm, stack: Arm) -> list[Row]:
    """The rows of one stream, in its order."""
    rows = []
    for one, other in zip(alone.served, stack.served, strict=True):
        usd = (one.record.cost.usd or 0.0, other.record.cost.usd or 0.0)
        right = (one.item.right(one.text), other.item.right(other.text))
        seconds = (one.record.duration_us / 1e6, other.record.duration_us / 1e6)
        rows.append(Row(one.item.id, one.item.route, usd, right, seconds, layer(other), bill(other, usd)))
    return rows


def layer(served: Served) -> Layer:
    """Which layer answered."""
    record = served.record
    if record.cache is not None and record.cache.kind in ANSWERS:
        return "cache"
    if record.compression is not None:
        return "compression"
    if record.decision is not None and record.decision.panel:
        return "cascade"
    return "complexity" if record.decision is not None and record.decision.strategy == "complexity" else "none"


def bill(served: Served, usd: tuple[float, float]) -> dict[str, float]:
    """Where the dollars of the full stack went."""
    record, (alone, paid) = served.record, usd
    if layer(served) == "cache":
        return {}
    if record.decision is not None and record.decision.panel:
        if record.model != "strong":
            return {"panels that agreed": paid}
        return {"panels that did not": paid - alone, "strong after them": alone}
    if record.cache is not None and record.cache.kind == "audit":
        return {"audits of the cache": paid}
    return {f"{served.item.route} by {record.model}": paid}


def attribution(rows: Sequence[Row]) -> dict[str, Any]:
    """What each layer saved against the other arm. Every request has one layer, so the parts add up."""
    parts: dict[str, Any] = {}
    whole = sum(row.usd[0] for row in rows)
    for name in LAYERS:
        own = [row for row in rows if row.layer == name]
        alone, paid = (sum(row.usd[at] for row in own) for at in (0, 1))
        parts[name] = {
            "requests": len(own),
            "always_strong_usd": alone,
            "full_stack_usd": paid,
            "saved_usd": alone - paid,
            "saved_share_of_all": round((alone - paid) / whole, 4),
        }
    return parts


def bills(rows: Sequence[Row], besides: float) -> dict[str, float]:
    """Where the full stack's dollars went, the dearest first. `besides` are judges and copies."""
    total: dict[str, float] = {"judges and copies": besides}
    for row in rows:
        for name, usd in row.bill.items():
            total[name] = total.get(name, 0.0) + usd
    return dict(sorted(total.items(), key=lambda one: -one[1]))


def quality(rows: Sequence[Row]) -> dict[str, Any]:
    """The difference in the share of right answers, full stack less strong model, with its clustered interval."""
    routes = {}
    for route in sorted({row.route for row in rows}):
        own = [row for row in rows if row.route == route]
        routes[route] = {
            "requests": len(own),
            "right": _right(own),
            "difference": _difference(own).told() if len({row.item for row in own}) > 1 else None,
        }
    hits = [row for row in rows if row.layer == "cache"]
    return {
        "right": _right(rows),
        "difference": _difference(rows).told(),
        "better": sum(row.right == (False, True) for row in rows),
        "worse": sum(row.right == (True, False) for row in rows),
        "hits": len(hits),
        "false_hits": sum(not row.right[1] for row in hits),
        "routes": routes,
    }


def _right(rows: Sequence[Row]) -> list[float]:
    return [round(sum(row.right[at] for row in rows) / len(rows), 4) for at in (0, 1)]


def _difference(rows: Sequence[Row]) -> Interval:
    return clustered(np.array([row.right[1] - float(row.right[0]) for row in rows]), clusters(rows))


def clusters(rows: Sequence[Row]) -> NDArray[np.intp]:
    """The number of each row's question."""
    numbers: dict[str, int] = {}
    return np.array([numbers.setdefault(row.item, len(numbers)) for row in rows], np.intp)


def clustered(values: Numbers, groups: NDArray[np.intp]) -> Interval:
    """A mean and its interval: (1/n) sqrt(C/(C-1) sum over clusters of (sum of value less mean)^2). Needs two."""
    n, count = len(values), int(groups.max()) + 1
    if count < 2:
        raise ValueError("one cluster has no interval")
    mean = float(values.mean())
    sums = np.bincount(groups, values - mean, count)
    error = math.sqrt(count / (count - 1) * float(sums @ sums)) / n
    return Interval(mean, mean - _Z * error, mean + _Z * error)


def saved(rows: Sequence[Row], besides: float, seed: int = 0) -> Interval:
    """The share of always-strong's dollars that is saved; interval by drawing questions with replacement."""
    groups = clusters(rows)
    count = int(groups.max()) + 1
    alone, paid = (np.zeros(count), np.full(count, besides / count))
    np.add.at(alone, groups, [row.usd[0] for row in rows])
    np.add.at(paid, groups, [row.usd[1] for row in rows])
    weights = _drawn(count, seed)
    low, high = np.quantile(1 - (weights @ paid) / (weights @ alone), (0.025, 0.975))
    return Interval(1 - float(paid.sum() / alone.sum()), float(low), float(high))


def waiting(rows: Sequence[Row], quantile: float = 0.95, seed: int = 0) -> dict[str, Any]:
    """Seconds at a quantile in both arms, and their ratio with its interval, by drawing questions."""
    groups = clusters(rows)
    weights = _drawn(int(groups.max()) + 1, seed)[:, groups]
    seconds = [np.array([row.seconds[at] for row in rows]) for at in (0, 1)]
    values = [float(np.quantile(one, quantile, method="inverted_cdf")) for one in seconds]
    drawn = [_quantiles(one, weights, quantile) for one in seconds]
    low, high = np.quantile(drawn[1] / drawn[0], (0.025, 0.975))
    return {
        "seconds": [round(value, 3) for value in values],
        "ratio": Interval(values[1] / values[0], float(low), float(high)).told(3),
    }


def _drawn(count: int, seed: int) -> Numbers:
    """How often each of `count` questions is drawn, in each of `DRAWS` draws."""
    rng = np.random.default_rng(seed)
    return rng.multinomial(count, np.full(count, 1 / count), DRAWS).astype(np.float64)


def _quantiles(values: Numbers, weights: Numbers, quantile: float) -> Numbers:
    """The weighted quantile of `values` for each row of `weights`."""
    order = np.argsort(values)
    risen = np.cumsum(weights[:, order], axis=1)
    at = (risen < quantile * risen[:, -1:]).sum(1)
    found: Numbers = values[order][np.minimum(at, len(values) - 1)]
    return found
