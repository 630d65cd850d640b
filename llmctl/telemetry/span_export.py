"""The SDK's own exporter, told everything it needs. Import it only where spans are sent: it brings the SDK."""

import logging
import socket
from collections.abc import Callable, Mapping, Sequence

import requests
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.sdk.version import __version__ as sdk_version

from llmctl.model.record import Record
from llmctl.telemetry.semconv import SPAN_VERSIONS
from llmctl.telemetry.span_attributes import Wording
from llmctl.telemetry.span_target import Target
from llmctl.telemetry.spans import SpanBuilder

_OF_HTTP = frozenset(
    {"accept", "accept-encoding", "connection", "content-encoding", "content-length", "content-type", "user-agent"}
)


class OtlpExport:
    """Builds spans of records and sends them, zipped, in one request. The exporter retries within `target.timeout`."""

    def __init__(self, target: Target, *, service: str, version: str, instance: str, semconv: str) -> None:
        """Raises KeyError for a version of the conventions that nobody wrote down."""
        resource = {
            **target.resource,
            "service.name": service,
            "service.version": version,
            "service.instance.id": instance,
            "telemetry.sdk.name": "opentelemetry",
            "telemetry.sdk.language": "python",
            "telemetry.sdk.version": sdk_version,
        }
        wording = Wording(SPAN_VERSIONS[semconv], content=target.content)
        self._builder = SpanBuilder(wording, Resource(resource), version)
        session = requests.Session()
        session.trust_env = False  # neither ~/.netrc nor proxies, which would get our headers, by surprise
        session.auth = _only(target.headers)
        self._log = _Said()
        logger = logging.getLogger("opentelemetry")
        logger.handlers, logger.propagate = [self._log], False
        self._exporter = OTLPSpanExporter(
            target.url,
            certificate_file=target.certificate,
            client_key_file=target.client_key,
            client_certificate_file=target.client_certificate,
            headers=dict(target.headers),
            timeout=target.timeout,
            compression=Compression.Gzip,
            session=session,
        )

    def configure(self, providers: Mapping[str, str]) -> None:
        """`providers` are kinds by name."""
        self._builder.configure(providers)

    def send(self, batch: Sequence[tuple[str, Record]]) -> str:
        """Send the spans of (why, record) pairs. Empty if the collector took them, else what went wrong."""
        self._log.last = ""
        spans = [span for why, record in batch for span in self._builder.spans(record, why)]
        if self._exporter.export(spans) is SpanExportResult.SUCCESS:
            return ""
        return self._log.last or "export failed"

    def close(self) -> None:
        """Stop; a retry that waits gives up."""
        self._exporter.shutdown()  # type: ignore[no-untyped-call]


def instance_id(pid: int) -> str:
    """Names one worker: host and process."""
    return f"{socket.gethostname()}:{pid}"


class _Said(logging.Handler):
    """Keeps the last thing the SDK complained about, for one warning of ours, instead of a line per request."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.last = ""

    def emit(self, record: logging.LogRecord) -> None:
        self.last = record.getMessage()


def _only(headers: Mapping[str, str]) -> Callable[[requests.PreparedRequest], requests.PreparedRequest]:
    """Takes out what the exporter has read from the environment by itself: a key meant for another collector."""
    ours = _OF_HTTP | {name.lower() for name in headers}

    def clean(request: requests.PreparedRequest) -> requests.PreparedRequest:
        for name in [name for name in request.headers if name.lower() not in ours]:
            del request.headers[name]
        return request

    return clean
