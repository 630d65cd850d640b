"""Each metric says what its records say, and no client can add a series."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from llmctl.model.record import Attempt, Failure, Record
from llmctl.model.usage import Cost, Usage
from llmctl.routing import TABLE as STRATEGIES
from llmctl.telemetry import metrics
from llmctl.telemetry.metrics import MetricsSink
from llmctl.telemetry.shared_metrics import SharedMetrics

MakeRecord = Callable[..., Record]
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"


def make(shared: SharedMetrics | None = None) -> MetricsSink:
    sink = MetricsSink(CollectorRegistry(), version="1.2.3", semconv_version="gen_ai/1", shared=shared)
    sink.configure(models=["fast", "small", "big"], providers=["upstream"], policy="3f1c")
    return sink


def values(sink: MetricsSink, name: str) -> dict[tuple[str, ...], float]:
    """Samples of `name` by their labels' values, in order of the labels' names."""
    body, _ = sink.render("")
    return {
        tuple(v for _, v in sorted(s.labels.items())): s.value
        for family in parse_text(body.decode())
        for s in family.samples
        if s.name == name
    }


def test_counts_requests_under_both_names(record: MakeRecord) -> None:
    sink = make()
    sink.write(record(1))
    sink.write(record(2, dialect="anthropic"))
    sink.write(record(3, state="failed", failure=Failure("upstream_timeout", "late", 504)))
    primary = {("openai", "small", "200"): 1, ("anthropic", "small", "200"): 1, ("openai", "small", "504"): 1}
    assert values(sink, "llmctl_requests_total") == primary
    assert values(sink, "llm_requests_total") == {("small", "200"): 2, ("small", "504"): 1}


def test_histograms_and_their_alias(record: MakeRecord) -> None:
    sink = make()
    sink.write(record(1))  # 0.412345 s
    sink.write(record(2, duration_us=20_000, operation="embedding"))
    sink.write(record(3, duration_us=10**9))
    name = "gen_ai_server_request_duration_seconds"
    assert values(sink, f"{name}_count") == {("chat", "upstream", "small"): 2, ("embeddings", "upstream", "small"): 1}
    buckets = values(sink, "llm_latency_seconds_bucket")
    assert buckets["0.01", "small"] == 0
    assert buckets["0.02", "small"] == 1
    assert buckets["0.32", "small"] == 1
    assert buckets["0.64", "small"] == 2
    assert buckets["81.92", "small"] == 2
    assert buckets["+Inf", "small"] == 3
    assert values(sink, "llm_latency_seconds_sum")[("small",)] == pytest.approx(1000.432345)
    assert values(sink, "llmctl_overhead_seconds_bucket")[("0.0008",)] == 0
    assert values(sink, "llmctl_overhead_seconds_bucket")[("0.0016",)] == 3


def test_tokens_and_costs(record: MakeRecord) -> None:
    sink = make()
    sink.write(record(1, usage=Usage(10, 20, 30, 40, 50, "provider"), cost=Cost(0.25, "exact")))
    sink.write(record(2, usage=Usage(), cost=Cost()))
    tokens = {"input": 10, "cached_read": 20, "cached_write": 30, "output": 40, "reasoning": 50}
    assert values(sink, "llmctl_tokens_total") == {(bucket, "small"): n for bucket, n in tokens.items()}
    assert values(sink, "gen_ai_client_token_usage_sum") == {
        ("chat", "upstream", "small", "input"): 60,
        ("chat", "upstream", "small", "output"): 90,
    }
    assert set(values(sink, "gen_ai_client_token_usage_count").values()) == {1}
    assert values(sink, "llm_cost_dollars") == values(sink, "llmctl_cost_dollars_total") == {("small",): 0.25}


def test_streams_show_first_and_further_tokens(record: MakeRecord) -> None:
    sink = make()
    sink.write(record(1, ttft_us=200_000, duration_us=1_200_000, usage=Usage(output=101, source="provider")))
    sink.write(record(2))
    assert values(sink, "gen_ai_server_time_to_first_token_seconds_sum") == {("chat", "upstream", "small"): 0.2}
    assert values(sink, "gen_ai_server_time_per_output_token_seconds_sum")[
        "chat", "upstream", "small"
    ] == pytest.approx(0.01)


@pytest.mark.parametrize(
    ("attempt", "outcome"),
    [
        ({"status": 200}, "ok"),
        ({"status": 429, "error": "rate_limit_exceeded"}, "rate_limited"),
        ({"status": 503, "error": "their own word"}, "5xx"),
        ({"status": 404, "error": "model_not_found"}, "4xx"),
        ({"error": "upstream_timeout"}, "upstream_timeout"),
        ({"status": 200, "error": "upstream_connection_lost"}, "upstream_connection_lost"),
        ({"error": "whatever"}, "error"),
    ],
)
def test_attempts_by_outcome(record: MakeRecord, attempt: dict[str, Any], outcome: str) -> None:
    sink = make()
    first = Attempt("upstream", "their-big", 0, 50_000, target="big", **attempt)
    sink.write(record(1, attempts=[first, Attempt("upstream", "theirs", 9, target="small", why="retry")]))
    assert values(sink, "llmctl_attempts_total") == {
        ("big", outcome, "upstream", "first"): 1,
        ("small", "ok", "upstream", "retry"): 1,
    }
    assert values(sink, "gen_ai_client_operation_duration_seconds_sum")["chat", "upstream", "big"] == 0.05


@given(st.lists(st.tuples(st.text(), st.text(), st.text(), st.text(), st.integers(), st.text()), max_size=8))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_nothing_a_client_or_provider_sends_becomes_a_label(record: MakeRecord, hostile: list[Any]) -> None:
    sink = make()
    for model, provider, operation, dialect, status, error in hostile:
        sink.write(
            record(
                1, model=model, requested_model=model, served_model=model, provider=provider, operation=operation,
                dialect=dialect, http_status=status, tenant=model, key=model, id=error,
                attempts=[Attempt(provider, model, 0, error=error or None, status=status, target=model, failure=error)],
            )
        )  # fmt: skip
    known = {"fast", "small", "big", "upstream", "none", "other", "ok", "error", "4xx", "5xx", "chat", "1.2.3", "3f1c"}
    known |= {"first", "2xx", "3xx", "input", "output", "cached_read", "cached_write", "reasoning", "rate_limited"}
    known |= {*metrics._OUTCOMES, *metrics._DIALECTS, *metrics._OPERATIONS.values(), *metrics._STATUSES.values()}
    known |= {*STRATEGIES}
    body, _ = sink.render("")
    for family in parse_text(body.decode()):
        for sample in family.samples:
            for label, value in sample.labels.items():
                assert label == "le" or value in known
    assert values(sink, "llmctl_metrics_errors_total") == {(): 0}
    assert sum(values(sink, "llmctl_requests_total").values()) == len(hostile)


def test_a_flood_of_names_adds_one_series(record: MakeRecord) -> None:
    sink = make()
    for i in range(1000):
        sink.write(record(i, model="", requested_model=f"m{i}", provider="", attempts=[], http_status=404))
    assert values(sink, "llmctl_requests_total") == {("openai", "other", "404"): 1000}


def test_a_record_nobody_expected_is_counted_as_such(record: MakeRecord) -> None:
    sink = make()
    sink.write(record(1, duration_us=None))
    assert values(sink, "llmctl_metrics_errors_total") == {(): 1}


def test_exemplars_go_to_those_who_understand_them(record: MakeRecord) -> None:
    sink = make()
    sink.write(record(1))
    sink.write(record(2, id="x" * 500, duration_us=10))
    sink.write(record(3, id="plain", trace_id="", duration_us=20_000))
    sink.write(record(3, id='quo"te\n', duration_us=40_000))
    body, content_type = sink.render(OPENMETRICS)
    assert content_type.startswith("application/openmetrics-text; version=1.0.0")
    families = {family.name: family for family in parse_openmetrics(body.decode())}  # type: ignore[no-untyped-call]
    trails = {s.labels["le"]: s.exemplar for s in families["llm_latency_seconds"].samples if s.exemplar}
    assert trails["0.64"].labels == {"request_id": record(1).id, "trace_id": record(1).trace_id}
    assert trails["0.64"].value == pytest.approx(0.412345)
    assert trails["0.02"].labels == {"request_id": "plain"}
    assert set(trails) == {"0.64", "0.02"}
    plain, content_type = sink.render("text/plain")
    assert content_type.startswith("text/plain")
    assert b"request_id" not in plain


def test_gauges_store_and_build(record: MakeRecord) -> None:
    class Store:
        written = 5
        dropped = {"disk_full": 2, "queue_full": 0}
        queued_bytes = 77
        lag_seconds = 0.25

    sink = make()
    sink.watch(Store())
    sink.gauge("llmctl_in_flight", "Requests in flight.", lambda: 3)
    assert values(sink, "llmctl_in_flight") == {(): 3}
    assert values(sink, "llmctl_records_written_total") == {(): 5}
    assert values(sink, "llmctl_records_dropped_total") == {("disk_full",): 2, ("queue_full",): 0}
    assert values(sink, "llmctl_records_queue_bytes") == {(): 77}
    assert values(sink, "llmctl_records_lag_seconds") == {(): 0.25}
    assert values(sink, "llmctl_build_info") == {("3f1c", "1.2.3"): 1}


def test_figures_from_elsewhere(record: MakeRecord) -> None:
    class Spans:
        def counts(self) -> dict[str, float]:
            return {"exported": 7, "queue_full": 2}

    def broken() -> float:
        raise OSError("too many open files")

    sink = make()
    sink.counter("cpu_seconds_total", "CPU.", lambda: 1.5)
    sink.gauge("left", "Left.", lambda: 0.5, over="least")
    sink.gauge("broken", "Broken.", broken)
    sink.gauges("depth", "Depth.", "model", lambda: {"small": 3.0}, over="peak")
    sink.counted("spans_total", "Spans.", "outcome", Spans())
    observe = sink.histogram("lag_seconds", "Lag.", (0.1, 1.0))
    observe(0.1)
    observe(7.0)
    assert values(sink, "cpu_seconds_total") == {(): 1.5}
    assert values(sink, "left") == {(): 0.5}
    assert values(sink, "depth") == {("small",): 3.0}
    assert values(sink, "spans_total") == {("exported",): 7, ("queue_full",): 2}
    assert values(sink, "lag_seconds_bucket") == {("0.1",): 1, ("1",): 1, ("+Inf",): 2}
    assert values(sink, "lag_seconds_sum") == {(): pytest.approx(7.1)}
    assert values(sink, "llmctl_metrics_errors_total")[()] >= 1  # and everything else is shown


def test_a_reload_keeps_counting(record: MakeRecord) -> None:
    sink = make()
    sink.write(record(1))
    sink.configure(models=["small", "new"], providers=["upstream"], policy="77aa")
    sink.write(record(2))
    sink.write(record(3, model="new"))
    assert values(sink, "llm_requests_total") == {("small", "200"): 2, ("new", "200"): 1}
    assert values(sink, "llmctl_build_info") == {("77aa", "1.2.3"): 1}


def test_an_unknown_version_of_the_names_is_refused() -> None:
    with pytest.raises(KeyError):
        MetricsSink(CollectorRegistry(), version="1", semconv_version="gen_ai/99")


def test_workers_show_their_sum(tmp_path: Path, record: MakeRecord, clock: Any) -> None:
    one, two = make(SharedMetrics(tmp_path, clock)), make(SharedMetrics(tmp_path, clock))
    for sink, in_flight in ((one, 3), (two, 4)):
        sink.gauge("llmctl_in_flight", "Requests in flight.", lambda n=in_flight: n)  # type: ignore[misc]
        sink.write(record(1))
    one.write(record(2))
    one.publish()
    assert values(two, "llm_requests_total") == {("small", "200"): 3}
    assert values(two, "llm_latency_seconds_bucket")["+Inf", "small"] == 3
    assert values(two, "llmctl_in_flight") == {(): 7}
    assert values(two, "llmctl_build_info") == {("3f1c", "1.2.3"): 1}
    assert values(one, "llm_requests_total") == values(two, "llm_requests_total")
