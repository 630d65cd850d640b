"""Microseconds that one record costs the event loop, as JSON: encode, redact, and `write` of each sink; and a scrape.

`python bench/telemetry.py`; best of five, a typical record of about 1.7 KB.
"""

import json
import tempfile
import timeit
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from prometheus_client import CollectorRegistry, Histogram

from llmctl.clock import SystemClock
from llmctl.config.schema import RecordsConfig
from llmctl.config.schema_telemetry import TelemetryConfig
from llmctl.model.record import Attempt, Decision, Record, StageTime
from llmctl.model.usage import Cost, Usage
from llmctl.telemetry.metrics import MetricsSink
from llmctl.telemetry.otlp import SpanSink
from llmctl.telemetry.redact import Redactor
from llmctl.telemetry.request_log import request_log
from llmctl.telemetry.sampling import Sampler
from llmctl.telemetry.semconv import DURATION_BUCKETS
from llmctl.telemetry.store import RecordStore

SECRETS = [f"known-upstream-credential-{i:04d}" for i in range(20)]
REQUEST = json.dumps({"model": "fast", "messages": [{"role": "user", "content": "Why is the task risk-free? " * 8}]})
ANSWER = json.dumps({"choices": [{"index": 0, "message": {"role": "assistant", "content": "Because of it. " * 10}}]})
MODELS = [f"model-{i}" for i in range(10)]


def record(model: str = "model-0") -> Record:
    return Record(
        id="req_0123456789abcdefABCDEF",
        started=1_764_000_000.123,
        duration_us=412_345,
        state="ok",
        http_status=200,
        trace_id="4bf92f3577b34da6a3ce929d0e0e4736",
        span_id="00f067aa0ba902b7",
        tenant="search",
        key="aB3dE5gH7jK9",
        policy="3f1c9d2e7b6a",
        dialect="openai",
        operation="chat",
        requested_model="fast",
        model=model,
        provider="upstream",
        served_model="small-2026-01",
        decision=Decision(model, "weighted", "weight 0.9", 0.9),
        attempts=[Attempt("upstream", model, 310, 411_500, 120_000, 200, None, "b7ad6b7169203331")],
        stages=[StageTime(n, i * 90, 80) for i, n in enumerate(("auth", "limits", "route", "upstream", "settle"))],
        usage=Usage(input=120, cached_read=30, output=85, source="provider"),
        cost=Cost(0.000432, "exact", "2026-01"),
        overhead_us=845,
        finish_reason="stop",
        request=msgspec.Raw(REQUEST.encode()),
        response=msgspec.Raw(ANSWER.encode()),
    )


def us(function: Callable[[], Any], number: int = 20_000) -> float:
    return round(min(timeit.repeat(function, number=number, repeat=5)) / number * 1e6, 2)


def sink() -> MetricsSink:
    made = MetricsSink(CollectorRegistry(), version="0", semconv_version="gen_ai/1")
    made.configure(models=MODELS, providers=["upstream"], policy="p")
    return made


class Nowhere:
    """A collector's stand-in that takes all there is."""

    def configure(self, providers: Mapping[str, str]) -> None:
        """Nothing to know."""

    def send(self, batch: Sequence[tuple[str, Record]]) -> str:
        """Taken."""
        return ""

    def close(self) -> None:
        """Nothing is open."""


def others(folder: Path, redactor: Redactor, typical: Record) -> dict[str, Any]:
    """The request log, and spans of records that are chosen and that are not."""
    clock = SystemClock()
    lines = request_log(TelemetryConfig(request_log=str(folder / "requests.log")), redactor, clock, print)
    assert lines is not None
    never, always = (
        SpanSink(Nowhere(), Sampler(share, 10.0, 10**6, clock), redactor, clock, print, where="nowhere", interval=0.01)
        for share in (0.0, 1.0)
    )
    found: dict[str, Any] = {
        "request_log_write_us_while_its_thread_writes": us(lambda: lines.write(typical), 2_000),
        "request_log_dropped": sum(lines.dropped.values()),
        "spans_write_us_not_chosen": us(lambda: never.write(typical)),
        "spans_write_us_chosen": us(lambda: always.write(typical), 300),
        "spans_dropped": sum(always.dropped.values()),
    }
    for each in (lines, never, always):
        each.close()
    return found


def main() -> None:
    typical, redactor, metrics = record(), Redactor(SECRETS), sink()
    streamed = msgspec.structs.replace(typical, stream=True, ttft_us=120_000)
    encode = msgspec.json.Encoder().encode
    line = encode(typical)
    leaking = line.replace(b"Because", b"sk-" + b"a1" * 24)
    theirs = Histogram("x", "x", ["model"], buckets=DURATION_BUCKETS, registry=None).labels("small")
    result: dict[str, Any] = {
        "line_bytes": len(line),
        "encode_us": us(lambda: encode(typical)),
        "redact_clean_us": us(lambda: redactor.redact(line)),
        "redact_one_secret_us": us(lambda: redactor.redact(leaking)),
        "metrics_write_us": us(lambda: metrics.write(typical)),
        "metrics_write_stream_us": us(lambda: metrics.write(streamed)),
        "prometheus_client_histogram_observe_us": us(lambda: theirs.observe(0.41)),
    }
    with tempfile.TemporaryDirectory() as folder:
        store = RecordStore(RecordsConfig(dir=folder, queue_bytes=4 * 1024**3), redactor, SystemClock(), print)
        result["store_write_us_while_its_thread_writes"] = us(lambda: store.write(typical), 10_000)
        store.close()
        result["store_dropped"] = sum(store.dropped.values())
        result |= others(Path(folder), redactor, typical)
    for model in MODELS:
        for status in (200, 429, 502):
            metrics.write(msgspec.structs.replace(record(model), http_status=status))
    result["scrape_bytes"] = len(metrics.render("")[0])
    result["scrape_ms"] = round(us(lambda: metrics.render(""), 5) / 1000, 2)
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
