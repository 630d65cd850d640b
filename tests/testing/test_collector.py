"""The imitated collector, sent to by the SDK's own tracer and exporter."""

import asyncio
from functools import partial
from typing import Any

import pytest
import requests
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.trace import SpanKind, Status, StatusCode

from llmctl.testing.collector import FakeCollector


def send(url: str, compression: Compression, timeout: float = 5.0) -> None:
    provider = TracerProvider(resource=Resource({"service.name": "theirs"}))
    exporter = OTLPSpanExporter(f"{url}/v1/traces", compression=compression, timeout=timeout)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("t")
    with tracer.start_as_current_span("outer", kind=SpanKind.CLIENT) as outer:
        outer.set_attributes({"n": 1, "x": 0.5, "yes": True, "all": ("a", "b"), "text": "é"})
        with tracer.start_as_current_span("inner") as inner:
            inner.set_status(Status(StatusCode.ERROR, "bad"))
    provider.shutdown()


@pytest.mark.parametrize("compression", [Compression.Gzip, Compression.NoCompression])
async def test_the_sdks_spans_are_decoded(compression: Compression) -> None:
    async with FakeCollector(delay=0.01) as collector:
        await asyncio.to_thread(send, collector.url, compression)
        await collector.wait(2)
    inner, outer = collector.trace(collector.spans[0].trace_id)
    assert (outer.name, outer.kind, outer.parent_id, outer.failed) == ("outer", "CLIENT", "", False)
    assert outer.attributes == {"n": 1, "x": 0.5, "yes": True, "all": ["a", "b"], "text": "é"}
    assert (inner.parent_id, inner.failed, inner.message) == (outer.span_id, True, "bad")
    assert outer.start <= inner.start <= inner.end <= outer.end
    assert inner.resource == {"service.name": "theirs"}
    assert collector.trace("0" * 32) == []


async def test_it_goes_wrong_as_told() -> None:
    async with FakeCollector(fate=503) as collector:
        post = partial(requests.post, f"{collector.url}/v1/traces", timeout=0.3)
        assert (await asyncio.to_thread(post)).status_code == 503
        collector.fate = "lost"
        with pytest.raises(requests.ConnectionError):
            await asyncio.to_thread(post)
        collector.fate = "hang"
        with pytest.raises(requests.ReadTimeout):
            await asyncio.to_thread(post)
        collector.fate = "take"
        protobuf = {"content-type": "application/x-protobuf"}
        plain = {"content-type": "text/plain"}
        wrong: tuple[dict[str, Any], ...] = ({"data": b"\xff", "headers": protobuf}, {"data": b"", "headers": plain})
        for bad in wrong:
            assert (await asyncio.to_thread(partial(post, **bad))).status_code == 400
        zipped = protobuf | {"content-encoding": "gzip"}
        assert (await asyncio.to_thread(partial(post, data=b"no", headers=zipped))).status_code == 400
        assert (await asyncio.to_thread(partial(requests.get, collector.url, timeout=1))).status_code == 404
        assert (len(collector.requests), collector.spans) == (7, [])
        with pytest.raises(TimeoutError):
            await collector.wait(8, within=0.01)
