"""Counters at one moment, and percentiles between two."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmctl.server.console.snapshot import percentile, take
from llmctl.telemetry.semconv import DURATION_BUCKETS, VERSIONS
from llmctl.telemetry.series import Families, Family

NAMES = VERSIONS["gen_ai/1"]


def family(families: Families, name: str, labels: dict[str, str], value: float) -> None:
    one = families.setdefault(name, Family(name, "", "counter", tuple(labels)))
    one.cell(*labels.values()).value = value


def some() -> Families:
    families: Families = {}
    for model, status, count in (("a", "200", 8), ("a", "503", 2), ("a", "429", 1), ("b", "5xx", 4)):
        family(families, "llmctl_requests_total", {"model": model, "status": status, "dialect": "openai"}, count)
    for bucket, tokens in (("input", 5), ("cached_read", 6), ("output", 7), ("reasoning", 8)):
        family(families, "llmctl_tokens_total", {"model": "a", "bucket": bucket}, tokens)
    family(families, "llmctl_cost_dollars_total", {"model": "a"}, 0.25)
    family(families, "llmctl_in_flight", {}, 3)
    labels = (NAMES.operation, NAMES.provider, NAMES.model)
    durations = Family(NAMES.server_duration, "", "histogram", labels, DURATION_BUCKETS)
    for provider in ("x", "y"):
        durations.cell("chat", provider, "a").counts[2] = 5
    families[NAMES.server_duration] = durations
    return families


def test_counts_are_summed_by_model_and_over_all() -> None:
    snapshot = take(some(), NAMES, 1.0, 2.0)
    a, b = snapshot.models["a"], snapshot.models["b"]
    assert (a.requests, a.errors, a.refused, a.input_tokens, a.output_tokens, a.usd) == (11, 2, 1, 11, 15, 0.25)
    assert (b.requests, b.errors, b.usd) == (4, 4, None)
    assert (snapshot.total.requests, snapshot.total.errors, snapshot.total.usd) == (15, 6, 0.25)
    assert (snapshot.in_flight, snapshot.at, snapshot.t) == (3, 1.0, 2.0)
    assert sum(snapshot.total.duration) == sum(a.duration) == 10


def test_nothing_counted_yet_is_nothing() -> None:
    snapshot = take({}, NAMES, 1.0, 2.0)
    assert (snapshot.models, snapshot.total.requests, snapshot.total.usd, snapshot.bounds) == ({}, 0, None, ())
    assert percentile(0.5, snapshot.total.duration, (), snapshot.bounds) is None


@pytest.mark.parametrize(
    ("share", "now", "before", "expected"),
    [
        (0.5, (10, 0, 0), (), 500.0),  # half of the first bucket, 0 to 1 s
        (0.5, (0, 10, 0), (0, 0, 0), 2000.0),  # half of 1 to 3 s
        (0.9, (5, 5, 0), (), 2600.0),
        (0.5, (7, 10, 0), (7, 0, 0), 2000.0),  # what was counted before does not count
        (0.99, (0, 0, 4), (), 3000.0),  # beyond the last bound, that bound
        (0.5, (4, 4, 4), (4, 4, 4), None),
        (0.5, (1, 0, 0), (5, 0, 0), None),  # a counter that went back is no traffic
    ],
)
def test_percentiles(share: float, now: tuple[int, ...], before: tuple[int, ...], expected: float | None) -> None:
    found = percentile(share, now, before, (1.0, 3.0))
    assert found == (None if expected is None else pytest.approx(expected))


@given(st.lists(st.floats(0.001, 80), min_size=1, max_size=200), st.sampled_from([0.5, 0.95, 0.99]))
def test_a_percentile_is_in_the_bucket_of_the_true_one(seconds: list[float], share: float) -> None:
    counts = tuple(np.bincount(np.searchsorted(DURATION_BUCKETS, seconds), minlength=len(DURATION_BUCKETS) + 1))
    found = percentile(share, tuple(int(n) for n in counts), (), DURATION_BUCKETS)
    true = float(np.quantile(seconds, share, method="inverted_cdf"))
    place = int(np.searchsorted(DURATION_BUCKETS, true))
    low = 0.0 if place == 0 else DURATION_BUCKETS[place - 1]
    assert found is not None
    assert low <= found / 1000 + 1e-9
    assert found / 1000 <= DURATION_BUCKETS[min(place, len(DURATION_BUCKETS) - 1)] + 1e-9
