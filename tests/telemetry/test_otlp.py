"""Spans reach a real collector, and one that is dead, slow or hanging takes nothing from the gateway but spans."""

import asyncio
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest

from llmctl import __version__
from llmctl.clock import SystemClock
from llmctl.config.schema_telemetry import TelemetryConfig
from llmctl.config.secrets import Environment
from llmctl.errors import ConfigError
from llmctl.model.record import Record
from llmctl.telemetry import otlp
from llmctl.telemetry.otlp import QUEUE_RECORDS, SLICE_RECORDS, SpanSink, span_sink
from llmctl.telemetry.redact import Redactor
from llmctl.telemetry.sampling import Sampler
from llmctl.testing.asking import Bench
from llmctl.testing.clock import ManualClock
from llmctl.testing.collector import FakeCollector

MakeRecord = Callable[..., Record]
TOKEN = "16C7e42F292c6912E7710c838347Ae178B4a"
KEY = "collector-key-0001"


class Taken:
    """An exporter that plays what it is told: troubles in turn, then none. `gate` holds it while it is not set."""

    def __init__(self, *troubles: str | Exception) -> None:
        self.troubles = list(troubles)
        self.batches: list[list[tuple[str, Record]]] = []
        self.gate = threading.Event()
        self.gate.set()
        self.closed = False

    def configure(self, providers: Mapping[str, str]) -> None:
        self.providers = dict(providers)

    def send(self, batch: Sequence[tuple[str, Record]]) -> str:
        self.batches.append(list(batch))
        self.gate.wait(10)
        trouble = self.troubles.pop(0) if self.troubles else ""
        if isinstance(trouble, Exception):
            raise trouble
        return trouble

    def close(self) -> None:
        self.closed = True


def asked_for(export: Taken, count: int) -> bool:
    return len(export.batches) == count


@pytest.fixture
def warnings() -> list[str]:
    return []


def make(export: Taken, warnings: list[str], **options: Any) -> SpanSink:
    clock = options.pop("clock", None) or SystemClock()
    sampler = Sampler(1.0, 10.0, 10**6, clock)
    options.setdefault("interval", 0.01)
    return SpanSink(
        export, sampler, Redactor(["known-secret-1"]), clock, warnings.append, where="http://c/v1/traces", **options
    )


def until(condition: Callable[[], bool], seconds: float = 5.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def lost(sink: SpanSink, count: int) -> bool:
    return sink.dropped["export_failed"] == count


def wired(url: str, warnings: list[str], **options: Any) -> SpanSink:
    config = TelemetryConfig.model_validate({"otlp": {"endpoint": url, "sample": 1.0, "timeout": 5, **options}})
    sink = span_sink(config, Environment({}), Redactor(["known-secret-1"]), SystemClock(), warnings.append)
    assert sink is not None
    sink._interval = 0.02
    return sink


async def test_a_gateways_record_arrives_as_decoded_spans(tmp_path: Path, warnings: list[str]) -> None:
    bench = Bench(tmp_path, "{preset: none}", records="{content: redacted}")
    asked = await bench.say("My key is known-secret-1, hello.")
    async with FakeCollector() as collector:
        sink = wired(collector.url, warnings, content=True, headers={"x-api-key": KEY})
        sink.configure({"up": "openai"})
        sink.write(asked.record)
        await collector.wait(1)
        await asyncio.to_thread(sink.close)
    [root, *below] = collector.trace(asked.record.trace_id)
    assert (root.name, root.kind, root.span_id) == ("chat m", "SERVER", asked.record.span_id)
    assert root.attributes["gen_ai.provider.name"] == "openai"
    assert root.attributes["llmctl.request.id"] == "req_test"
    assert root.resource["service.name"] == "llmctl"
    assert root.resource["service.version"] == __version__
    assert root.resource["service.instance.id"]
    [call] = [span for span in below if span.kind == "CLIENT"]
    sent = bench.transport.requests[0].headers.decode()
    assert f"traceparent: 00-{root.trace_id}-{call.span_id}-01\r\n" in sent
    stages = {span.name: span.span_id for span in below}
    assert call.parent_id == stages["upstream"]
    assert {span.parent_id for span in below} <= {root.span_id, *stages.values()}
    [said] = msgspec.json.decode(root.attributes["gen_ai.input.messages"])
    assert said["parts"][0]["content"] == "My key is [redacted], hello."
    [request] = collector.requests
    assert request.headers[b"content-encoding"] == b"gzip"
    assert request.headers[b"x-api-key"] == KEY.encode()
    assert (sink.exported, sum(sink.dropped.values()), warnings) == (1, 0, [])


async def test_a_blocked_request_leaves_a_guardrail_span(tmp_path: Path, warnings: list[str]) -> None:
    bench = Bench(
        tmp_path,
        "{preset: none, policies: {s: {kind: secrets, on_error: block, actions: {'*': block}}}}",
    )
    asked = await bench.say(f"Use ghp_{TOKEN} for it.")
    async with FakeCollector() as collector:
        sink = wired(collector.url, warnings, sample=0)
        sink.write(asked.record)
        await asyncio.to_thread(sink.close)
    [guard] = [span for span in collector.spans if span.name == "run_guardrail secrets"]
    assert guard.attributes["gen_ai.guardrail.verdict.type"] == "modify"
    assert (guard.attributes["gen_ai.guardrail.action.type"], guard.failed) == ("block", False)
    [root] = [span for span in collector.spans if span.kind == "SERVER"]
    assert (root.attributes["llmctl.sampled"], root.attributes["error.type"]) == ("blocked", "guardrail_blocked")
    assert not any(TOKEN in str(span) for span in collector.spans)
    assert not any("messages" in name for span in collector.spans for name in span.attributes)


async def test_nothing_of_the_environment_goes_to_a_collector_of_the_file(
    record: MakeRecord, warnings: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-other-key=of-another-collector")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password netrc-password\n")
    monkeypatch.setenv("NETRC", str(netrc))
    async with FakeCollector() as collector:
        sink = wired(collector.url, warnings, headers={"Authorization": "Bearer " + KEY})
        sink.write(record(failure=None, tags={"note": "known-secret-1"}))
        await asyncio.to_thread(sink.close)
    [request] = collector.requests
    assert b"x-other-key" not in request.headers
    assert request.headers[b"authorization"] == b"Bearer " + KEY.encode()
    assert collector.spans[0].attributes["llmctl.tag.note"] == "[redacted]"


async def test_a_hanging_collector_holds_up_neither_writing_nor_closing(
    record: MakeRecord, warnings: list[str]
) -> None:
    async with FakeCollector(fate="hang") as collector:
        sink = wired(collector.url, warnings)
        sink.write(record())
        await collector.wait(1)
        before = time.perf_counter()
        for number in range(QUEUE_RECORDS + 50):
            sink._sampler._tokens = 100.0
            sink.write(record(number))
        assert time.perf_counter() - before < 1.0
        assert sink.dropped["queue_full"] == 50
        before = time.perf_counter()
        await asyncio.to_thread(sink.close)
        assert time.perf_counter() - before < 2.2
        assert sink.exported == 0
        assert sink.dropped["shutdown"] == QUEUE_RECORDS + 1
        sink.write(record())
        assert sink.dropped["shutdown"] == QUEUE_RECORDS + 2


async def test_a_collector_that_is_gone_is_warned_about_once(record: MakeRecord, warnings: list[str]) -> None:
    async with FakeCollector() as collector:
        url = collector.url
    sink = wired(url, warnings, timeout=0.2)
    for number in range(2):
        sink.write(record(number))
        await asyncio.to_thread(until, partial(lost, sink, number + 1))
    before = time.perf_counter()
    await asyncio.to_thread(sink.close)
    assert time.perf_counter() - before < 2.2
    [warning] = warnings
    assert warning.startswith(f"spans: cannot send to {url}/v1/traces: ")
    assert warning.endswith("exchanges lost since start: 1")


async def test_a_collector_that_refuses_is_quoted_and_its_key_is_not(
    record: MakeRecord, warnings: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    async with FakeCollector(fate=401) as collector:
        sink = wired(f"{collector.url}?api_key={KEY}", warnings, headers={"x-api-key": KEY})
        sink.write(record())
        await asyncio.to_thread(until, lambda: sink.dropped["export_failed"] == 1)
        collector.fate = "take"
        sink.write(record(1))
        await asyncio.to_thread(sink.close)
    assert "401" in warnings[0]
    assert KEY not in warnings[0]
    assert (len(warnings), sink.exported) == (1, 1)
    assert "Failed to export" not in capfd.readouterr().err


async def test_a_collector_that_is_busy_is_asked_again(record: MakeRecord, warnings: list[str]) -> None:
    async with FakeCollector(fate=503) as collector:
        sink = wired(collector.url, warnings)
        sink.write(record())
        await collector.wait(1)
        collector.fate = "take"
        await asyncio.to_thread(until, lambda: sink.exported == 1)
        await asyncio.to_thread(sink.close)
    assert len(collector.requests) == 2
    assert warnings == []


def test_records_go_in_slices_and_in_order(record: MakeRecord, warnings: list[str]) -> None:
    export = Taken()
    export.gate.clear()
    sink = make(export, warnings)
    sink.write(record(0))
    until(lambda: len(export.batches) == 1)
    for number in range(1, 40):
        sink.write(record(number, request={"messages": []}))
    assert sink.queued_bytes > 20_000
    export.gate.set()
    sink.close()
    sent = [one.id for batch in export.batches for _, one in batch]
    assert sent == [record(number).id for number in range(40)]
    assert [len(batch) for batch in export.batches] == [1, *[SLICE_RECORDS] * 4, 39 - 4 * SLICE_RECORDS]
    assert all(one.request is None for batch in export.batches for _, one in batch)
    assert (sink.exported, sink.queued_bytes, export.closed) == (40, 0, True)


def test_where_many_wait_slices_are_larger(record: MakeRecord, warnings: list[str]) -> None:
    export = Taken()
    export.gate.clear()
    sink = make(export, warnings)
    sink.write(record(0))
    until(lambda: len(export.batches) == 1)
    for number in range(1, 101):
        sink.write(record(number))
    export.gate.set()
    sink.close()
    assert [len(batch) for batch in export.batches] == [1, 32, 32, 8, 8, 8, 8, 4]


def test_a_queue_of_large_records_is_bounded_by_bytes(
    record: MakeRecord, warnings: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(otlp, "QUEUE_BYTES", 100_000)
    export = Taken()
    export.gate.clear()
    sink = make(export, warnings, content=True)
    for number in range(5):
        sink.write(record(number, request={"messages": [{"role": "user", "content": "x" * 40_000}]}))
    assert sink.dropped["queue_full"] == 3
    export.gate.set()
    sink.close()
    assert sink.exported == 2


def test_after_failures_it_waits_longer_and_a_success_ends_that(record: MakeRecord, warnings: list[str]) -> None:
    export = Taken("no", RuntimeError("bug"), "no")
    sink = make(export, warnings, clock=ManualClock())
    started = time.perf_counter()
    for number in range(4):
        sink.write(record(number))
        until(partial(asked_for, export, number + 1))
    assert time.perf_counter() - started > 0.01 + 0.02 + 0.04 + 0.08
    until(lambda: sink.exported == 1)
    assert sink._failures == 0
    sink.close()
    assert sink.dropped["export_failed"] == 3
    assert warnings == ["spans: cannot send to http://c/v1/traces: no; exchanges lost since start: 1"]


def test_what_nobody_can_encode_is_counted_and_fails_nothing(record: MakeRecord, warnings: list[str]) -> None:
    export = Taken()
    sink = make(export, warnings, content=True)
    sink.write(record(request=object()))
    sink.write(record(request=msgspec.Raw(b"not json known-secret-1")))
    sink.write(record(1))
    sink.close()
    assert (sink.dropped["encode"], sink.dropped["redact"], sink.exported) == (1, 1, 1)
    assert {name: count for name, count in sink.counts().items() if count} == {"encode": 1, "redact": 1, "exported": 1}
    assert {"not_sampled", "over_rate", "queue_full", "export_failed", "shutdown"} < set(sink.counts())


def test_a_sink_that_was_never_written_to_has_no_thread(warnings: list[str]) -> None:
    before = threading.active_count()
    sink = make(Taken(), warnings)
    assert threading.active_count() == before
    sink.close()
    sink.close()
    assert sink.passed_over == {"not_sampled": 0, "over_rate": 0}


def factory(otlp: dict[str, Any] | None, warnings: list[str], **variables: str) -> SpanSink | None:
    config = TelemetryConfig.model_validate({"otlp": otlp})
    return span_sink(config, Environment(variables), Redactor(), ManualClock(), warnings.append)


def test_none_is_made_where_no_collector_is_named(warnings: list[str]) -> None:
    assert factory(None, warnings) is None


def test_its_keys_are_redacted_from_then_on(warnings: list[str]) -> None:
    redactor = Redactor()
    config = TelemetryConfig.model_validate({"otlp": {"endpoint": "http://c"}})
    env = Environment({"OTEL_EXPORTER_OTLP_HEADERS": f"dd-api-key={KEY},project=demo-project"})
    assert span_sink(config, env, redactor, ManualClock(), warnings.append) is not None
    assert redactor.redact(f'["{KEY} demo-project"]'.encode()) == b'["[redacted] demo-project"]'


def test_another_protocol_is_warned_about(warnings: list[str]) -> None:
    assert factory({"endpoint": "http://c"}, warnings, OTEL_EXPORTER_OTLP_PROTOCOL="grpc") is not None
    assert "'grpc'" in warnings[0]


def test_missing_packages_are_named(warnings: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "llmctl.telemetry.span_export", raising=False)
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    with pytest.raises(ConfigError, match="pip install opentelemetry-sdk"):
        factory({"endpoint": "http://c"}, warnings)
