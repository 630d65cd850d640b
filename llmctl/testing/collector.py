"""An imitated OpenTelemetry collector: OTLP over HTTP with protobuf on a loopback port, which goes wrong as told.

async with FakeCollector() as collector:
    ...  # send to collector.url
    await collector.wait(1)
    collector.trace(record.trace_id)
"""

import asyncio
import gzip
from collections.abc import Iterable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Literal, Self

from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as wire
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1 import trace_pb2

from llmctl.providers.script_engine import Action, Hang, Head, Reset, Send, Wait, refuse
from llmctl.testing.scripted_connection import Connection, Received

PROTOBUF = {b"content-type": b"application/x-protobuf"}
PATH = b"/v1/traces"


@dataclass(frozen=True, slots=True)
class CollectedSpan:
    """A span as it came. Ids are lower-case hex, times nanoseconds since the epoch; `kind` is as OTLP spells it."""

    trace_id: str
    span_id: str
    parent_id: str
    name: str
    kind: str
    start: int
    end: int
    failed: bool
    message: str
    attributes: dict[str, Any]
    resource: dict[str, Any]


class FakeCollector:
    """Keeps spans. `fate` of requests from now on: taken, an error status, lost connections, or no answer at all.

    A taken one is answered after `delay` seconds. `requests` are all that came; nothing of a failed one is kept.
    """

    def __init__(self, *, fate: Literal["take", "hang", "lost"] | int = "take", delay: float = 0.0) -> None:
        self.fate = fate
        self.delay = delay
        self.spans: list[CollectedSpan] = []
        self.requests: list[Received] = []
        self._server: asyncio.Server | None = None
        self._connections: set[Connection] = set()
        self._came = asyncio.Event()

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: Connection(self.plan, self._connections), "127.0.0.1", 0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for connection in tuple(self._connections):
            connection.abort()
        await asyncio.sleep(0)

    @property
    def url(self) -> str:
        """What `telemetry.otlp.endpoint` is to be."""
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def trace(self, trace_id: str) -> list[CollectedSpan]:
        """The spans of a trace, in the order they came."""
        return [span for span in self.spans if span.trace_id == trace_id]

    async def wait(self, requests: int, within: float = 10.0) -> None:
        """Until so many requests have come. Raises TimeoutError."""
        async with asyncio.timeout(within):
            while len(self.requests) < requests:
                self._came.clear()
                await self._came.wait()

    def plan(self, received: Received) -> list[Action]:
        """The answer to a request."""
        self.requests.append(received)
        self._came.set()
        if received.method != b"POST" or received.target.partition(b"?")[0] != PATH:
            return refuse(404, f"only POST {PATH.decode()} is here")
        if self.fate == "hang":
            return [Hang()]
        if self.fate == "lost":
            return [Reset()]
        if isinstance(self.fate, int):
            return refuse(self.fate, "told to fail")
        try:
            self.spans += _decoded(received)
        except (OSError, EOFError, DecodeError, ValueError) as error:
            return refuse(400, f"no ExportTraceServiceRequest: {error}")
        body = wire.ExportTraceServiceResponse().SerializeToString()
        return [Wait(self.delay), Head(200, PROTOBUF, len(body)), Send(body)]


def _decoded(received: Received) -> list[CollectedSpan]:
    """The spans of a request. Raises OSError, EOFError, DecodeError or ValueError where it is not one."""
    if received.headers.get(b"content-type") != PROTOBUF[b"content-type"]:
        raise ValueError(f"content-type {received.headers.get(b'content-type')!r}")
    zipped = received.headers.get(b"content-encoding") == b"gzip"
    request = wire.ExportTraceServiceRequest.FromString(gzip.decompress(received.body) if zipped else received.body)
    return [
        _span(span, _plain(group.resource.attributes))
        for group in request.resource_spans
        for scope in group.scope_spans
        for span in scope.spans
    ]


def _span(span: trace_pb2.Span, resource: dict[str, Any]) -> CollectedSpan:
    return CollectedSpan(
        span.trace_id.hex(),
        span.span_id.hex(),
        span.parent_span_id.hex(),
        span.name,
        trace_pb2.Span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_"),
        span.start_time_unix_nano,
        span.end_time_unix_nano,
        span.status.code == trace_pb2.Status.STATUS_CODE_ERROR,
        span.status.message,
        _plain(span.attributes),
        resource,
    )


def _plain(attributes: Iterable[KeyValue]) -> dict[str, Any]:
    return {one.key: _value(one.value) for one in attributes}


def _value(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(one) for one in value.array_value.values]
    if kind == "kvlist_value":
        return _plain(value.kvlist_value.values)
    return getattr(value, kind) if kind else None
