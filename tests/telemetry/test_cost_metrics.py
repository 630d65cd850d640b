"""What the cache and compression saved is counted by the name that was asked for."""

from collections.abc import Callable

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families as parse

from llmctl.model.record import CacheOutcome, Compression, Record
from llmctl.model.usage import Usage
from llmctl.telemetry.metrics import MetricsSink

MakeRecord = Callable[..., Record]


@pytest.fixture
def sink() -> MetricsSink:
    made = MetricsSink(CollectorRegistry(), version="1", semconv_version="gen_ai/1")
    made.configure(models=["fast", "small"], providers=["upstream"], policy="p")
    return made


def values(sink: MetricsSink, name: str) -> dict[tuple[str, ...], float]:
    samples = [one for family in parse(sink.render("")[0].decode()) for one in family.samples if one.name == name]
    return {tuple(value for _, value in sorted(one.labels.items())): one.value for one in samples}


def test_outcomes_and_saved_tokens_are_counted(sink: MetricsSink, record: MakeRecord) -> None:
    saved = Usage(input=10, output=5, source="provider")
    for cache in (
        CacheOutcome("miss"),
        CacheOutcome("exact", None, 3.0, saved),
        CacheOutcome("exact", saved=saved),
        None,
    ):
        sink.write(record(1, cache=cache))
    assert values(sink, "llmctl_cache_requests_total") == {("miss", "fast"): 1, ("exact", "fast"): 2}
    assert values(sink, "llmctl_cache_saved_tokens_total") == {("fast",): 30}


def test_what_compression_took_out_is_counted(sink: MetricsSink, record: MakeRecord) -> None:
    sink.write(record(1, compression=Compression(900, 300)))
    sink.write(record(2, compression=Compression(100, 90)))
    assert values(sink, "llmctl_compressed_tokens_total") == {("fast",): 610}


def test_no_client_can_add_a_route(sink: MetricsSink, record: MakeRecord) -> None:
    for n in range(20):
        sink.write(record(n, requested_model=f"m{n}", cache=CacheOutcome("miss")))
    assert values(sink, "llmctl_cache_requests_total") == {("miss", "other"): 20}
