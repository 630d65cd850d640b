"""The sections of gateway.yaml about what is told of exchanges: names, spans, the request log, alerts."""

from typing import Annotated, Literal

from pydantic import Field

from llmctl.config.section import Seconds, Section, Share

_Path = Annotated[str, Field(pattern=r"^[^\x00]+$")]


class OtlpConfig(Section):
    """Where spans go: any collector or service that takes OTLP over HTTP."""

    endpoint: Annotated[str, Field(pattern=r"^https?://[^\s/]+\S*$")] | None = Field(
        None, description="Base URL, to which /v1/traces is added. Default: OTEL_EXPORTER_OTLP_ENDPOINT."
    )
    headers: dict[str, str] = Field(
        default_factory=dict, description="Sent with each request, as an API key. Default: OTEL_EXPORTER_OTLP_HEADERS."
    )
    sample: Share = Field(
        0.01, description="Share of exchanges that are sent although they are neither failed, nor blocked, nor slow."
    )
    slow: Seconds = Field(10.0, gt=0, description="Exchanges that took at least this are all sent.")
    per_second: int = Field(100, ge=1, le=10000, description="Exchanges sent per second at most; the rest is counted.")
    content: bool = Field(
        False,
        description="Send requests and answers too. Default: OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT.",
    )
    timeout: Seconds = Field(10.0, gt=0, le=60, description="For one request to the collector.")


class TelemetryConfig(Section):
    """Names used towards metrics and traces, and where spans and request lines go."""

    semconv: Literal["gen_ai/1"] = Field("gen_ai/1", description="Version of the GenAI semantic conventions.")
    service: Annotated[str, Field(min_length=1, max_length=128)] | None = Field(
        None, description="Name of this gateway in spans. Default: OTEL_SERVICE_NAME, else llmctl."
    )
    request_log: _Path | None = Field(
        None, description="A JSON line per exchange, without content: `stdout`, or a file. Default: none."
    )
    otlp: OtlpConfig | None = Field(
        None, description="Spans by OTLP. Default: none, unless OTEL_EXPORTER_OTLP_ENDPOINT is set."
    )


class AlertsConfig(Section):
    """The gateway watches its own promises (SLOs), for those who run no Prometheus."""

    slos: _Path = Field(description="What is promised and who is told, as configs/slo.yaml; relative to this file.")
    every: Seconds = Field(15.0, ge=1, le=60, description="How often promises are looked at.")
    state: _Path = Field(
        ".llmctl/alerts", description="Folder for what is open and what was counted, so that a restart forgets nothing."
    )
