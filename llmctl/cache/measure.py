"""How a semantic policy does on labelled requests: what `llmctl cache bench` prints.

Prequential: each request is decided on before it is learnt from, in shuffled order. Two rows have the same answer if
they have the same label. What is right is told only where the model would have been asked, never for a hit.
"""

from collections.abc import Callable, Sequence
from random import Random
from statistics import fmean
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from llmctl.cache.index import Index
from llmctl.cache.policies import Policy
from llmctl.cache.semantic import Semantic
from llmctl.statistics.wilson import limits

BEGINNING = 500  # requests, before which a share of false hits says little


class Row(NamedTuple):
    """A request, and its answer's label; None for one whose answer is nobody else's."""

    text: str
    label: str | None


class Outcome(NamedTuple):
    """One stream. `worst` is the largest share of false hits that it had at any time after its first 500 requests."""

    requests: int
    hits: int
    false: int
    audits: int
    worst: float
    certified: float | None
    modelled: float | None
    refuted: bool

    @property
    def hit_share(self) -> float:
        """Hits over all requests."""
        return self.hits / self.requests

    @property
    def error(self) -> float:
        """False hits over all requests."""
        return self.false / self.requests


def stream(rows: Sequence[Row], vectors: NDArray[np.float32], policy: Policy, order: Sequence[int]) -> Outcome:
    """One pass over `rows` in this order; `vectors` (n, dimensions) are their embeddings."""
    semantic = Semantic(_no_embedding, Index(vectors.shape[1]), policy)
    made: dict[int, int] = {}  # which row an entry is
    exact: dict[str, int] = {}
    hits = false = 0
    worst = 0.0
    for count, at in enumerate(order, 1):
        row = rows[at]
        served = exact.get(row.text)
        if served is not None:
            policy.exact()
        else:
            match = semantic.lookup(b"", row.text, vectors[at])
            if match.decision.serve and match.decision.entry is not None:
                served = made[match.decision.entry]
            else:
                group = semantic.learn(match, lambda entry, row=row: _same(rows[made[entry]], row))  # type: ignore[misc]
                made[semantic.add(match, at.to_bytes(8, "little"), group)] = at
                exact[row.text] = at
        if served is not None:
            hits += 1
            false += not _same(rows[served], row)
        if count >= BEGINNING:
            worst = max(worst, false / count)
    report = policy.report()
    bounds = (report.certified, report.modelled, report.refuted)
    return Outcome(len(order), hits, false, report.audits, max(worst, false / len(order)), *bounds)


def streams(
    rows: Sequence[Row],
    vectors: NDArray[np.float32],
    policy: Callable[[Random], Policy],
    seeds: Sequence[int],
    limit: int | None = None,
) -> list[Outcome]:
    """A stream for each seed, which shuffles the rows and draws the policy's audits; of each only `limit` rows."""
    outcomes = []
    for seed in seeds:
        random = Random(seed)
        order = list(range(len(rows)))
        random.shuffle(order)
        outcomes.append(stream(rows, vectors, policy(random), order[:limit]))
    return outcomes


class Spread(NamedTuple):
    """A figure over seeds: mean, least and most, and an interval of 95% for the share in one stream, by Wilson."""

    mean: float
    least: float
    most: float
    low: float
    high: float


def spread(shares: Sequence[float], requests: int) -> Spread:
    """The spread of shares of so many requests each. Seeds shuffle the same rows: more of them narrow no interval."""
    mean = fmean(shares)
    return Spread(mean, min(shares), max(shares), *limits(mean, requests))


def _same(one: Row, two: Row) -> bool:
    return one.label is not None and one.label == two.label


def _no_embedding(text: str) -> NDArray[np.float32]:
    raise AssertionError("every row's vector is known")
