"""Every version the configuration knows has its names, and they are legal in Prometheus."""

from dataclasses import asdict
from typing import get_args

import pytest

from llmctl.config.schema_telemetry import TelemetryConfig
from llmctl.telemetry import semconv


def test_every_version_that_can_be_configured_is_written_down() -> None:
    assert set(get_args(TelemetryConfig.model_fields["semconv"].annotation)) == set(semconv.VERSIONS)
    assert set(semconv.SPAN_VERSIONS) == set(semconv.VERSIONS)


@pytest.mark.parametrize("names", semconv.SPAN_VERSIONS.values(), ids=semconv.SPAN_VERSIONS)
def test_names_of_spans_are_distinct_and_in_the_conventions_spelling(names: semconv.SpanNames) -> None:
    values = list(asdict(names).values())
    assert len(set(values)) == len(values)
    assert all(value.replace(".", "").isidentifier() and value == value.lower() for value in values)


@pytest.mark.parametrize("names", semconv.VERSIONS.values(), ids=semconv.VERSIONS)
def test_names_are_legal_and_distinct(names: semconv.Names) -> None:
    values = list(asdict(names).values())
    assert len(set(values)) == len(values)
    assert all(value.isidentifier() and value.startswith("gen_ai_") for value in values)


def test_buckets_ascend() -> None:
    assert semconv.DURATION_BUCKETS[0] == 0.01
    assert semconv.DURATION_BUCKETS[-1] == 81.92
    for bounds in (semconv.TOKEN_BUCKETS, semconv.FIRST_TOKEN_BUCKETS, semconv.OUTPUT_TOKEN_BUCKETS):
        assert list(bounds) == sorted(set(bounds))
