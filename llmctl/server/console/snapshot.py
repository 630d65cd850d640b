"""Metric families at one moment, reduced to what the console takes differences of."""

from collections.abc import Iterator, Sequence
from operator import add

from msgspec import Struct

from llmctl.telemetry.semconv import Names
from llmctl.telemetry.series import Cell, Families, Family

_BUCKETS_IN = ("input", "cached_read", "cached_write")

Counts = tuple[int, ...]
"""A histogram's observations by bucket, not cumulative; empty where there were none."""


class ModelCounts(Struct):
    """One model's counters. `usd` is None as long as nothing had a price."""

    requests: int = 0
    errors: int = 0
    refused: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    usd: float | None = None
    duration: Counts = ()


class Snapshot(Struct):
    """Counters at `at` (monotonic seconds) and `t` (epoch seconds), over all workers."""

    at: float
    t: float
    in_flight: int
    models: dict[str, ModelCounts]
    total: ModelCounts
    first_token: Counts
    overhead: Counts
    bounds: tuple[float, ...] = ()
    first_bounds: tuple[float, ...] = ()
    overhead_bounds: tuple[float, ...] = ()


def take(families: Families, names: Names, at: float, t: float) -> Snapshot:
    """What `families` say. Safe in a thread while the loop counts on: a request may be half in, never torn."""
    models: dict[str, ModelCounts] = {}

    def of(model: str) -> ModelCounts:
        return models.setdefault(model, ModelCounts())

    for label, cell in cells(families, "llmctl_requests_total"):
        one, number = of(label["model"]), int(cell.value)
        one.requests += number
        one.errors += number if label["status"].startswith("5") else 0
        one.refused += number if label["status"].startswith("4") else 0
    for label, cell in cells(families, "llmctl_tokens_total"):
        one = of(label["model"])
        if label["bucket"] in _BUCKETS_IN:
            one.input_tokens += int(cell.value)
        else:
            one.output_tokens += int(cell.value)
    for label, cell in cells(families, "llmctl_cost_dollars_total"):
        of(label["model"]).usd = cell.value
    for label, cell in cells(families, names.server_duration):
        one = of(label[names.model])
        one.duration = _sum(one.duration, cell.counts)
    return Snapshot(
        at,
        t,
        int(sum(cell.value for _, cell in cells(families, "llmctl_in_flight"))),
        models,
        _total(models),
        _all(families, names.time_to_first),
        _all(families, "llmctl_overhead_seconds"),
        _bounds(families, names.server_duration),
        _bounds(families, names.time_to_first),
        _bounds(families, "llmctl_overhead_seconds"),
    )


def cells(families: Families, name: str) -> Iterator[tuple[dict[str, str], Cell]]:
    """(labels, series) of a family; nothing of one that is not there."""
    family: Family | None = families.get(name)
    for values, cell in list(family.cells.items()) if family is not None else ():
        yield dict(zip(family.labels, values, strict=True)), cell  # type: ignore[union-attr]


def percentile(share: float, now: Counts, before: Counts, bounds: Sequence[float]) -> float | None:
    """Milliseconds below which `share` of the observations between two moments lie; None without any.

    By linear interpolation within a bucket, as Prometheus' histogram_quantile; beyond the last bound, that bound.
    """
    counts = [max(0, a - b) for a, b in zip(now, before or (0,) * len(now), strict=True)]
    rank, seen = share * sum(counts), 0
    if rank <= 0:
        return None
    for place, count in enumerate(counts[: len(bounds)]):
        if count and seen + count >= rank:
            low = bounds[place - 1] if place else 0.0
            return 1000 * (low + (bounds[place] - low) * (rank - seen) / count)
        seen += count
    return 1000 * bounds[-1]


def _total(models: dict[str, ModelCounts]) -> ModelCounts:
    out = ModelCounts()
    for one in models.values():
        out.requests += one.requests
        out.errors += one.errors
        out.refused += one.refused
        out.input_tokens += one.input_tokens
        out.output_tokens += one.output_tokens
        out.duration = _sum(out.duration, one.duration)
        if one.usd is not None:
            out.usd = (out.usd or 0.0) + one.usd
    return out


def _all(families: Families, name: str) -> Counts:
    out: Counts = ()
    for _, cell in cells(families, name):
        out = _sum(out, cell.counts)
    return out


def _sum(mine: Counts, more: Sequence[int]) -> Counts:
    if not more:
        return mine
    return tuple(map(add, mine, more)) if mine else tuple(more)


def _bounds(families: Families, name: str) -> tuple[float, ...]:
    return families[name].bounds if name in families else ()
