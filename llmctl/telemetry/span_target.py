"""Where spans go, from the configuration and OpenTelemetry's environment variables.

Source: https://opentelemetry.io/docs/specs/otel/protocol/exporter/. The file goes before the environment.
"""

import re
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote

from llmctl.config.schema_telemetry import OtlpConfig, TelemetryConfig
from llmctl.config.secrets import Environment
from llmctl.errors import ConfigError

PATH = "/v1/traces"
CAPTURE = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
_YES = frozenset({"true", "1", "span_only", "span_and_event"})
_URL = re.compile(r"https?://[^\s/?#]+\S*")
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"(?:[!-~](?:[ -~]*[!-~])?)?")


@dataclass(frozen=True, slots=True)
class Target:
    """A collector's address and how to speak to it. `headers` may hold keys."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    timeout: float = 10.0
    content: bool = False
    certificate: str | None = None
    client_key: str | None = None
    client_certificate: str | None = None
    resource: Mapping[str, str] = field(default_factory=dict)


def target_of(config: TelemetryConfig, env: Environment) -> Target | None:
    """The collector to send to, or None where nobody named one or OTEL_SDK_DISABLED is true. Raises ConfigError."""
    if (env.get("OTEL_SDK_DISABLED") or "").strip().lower() == "true":
        return None
    otlp = config.otlp or OtlpConfig()
    if (url := _url(otlp, env)) is None:
        if config.otlp is None:
            return None
        message = "no collector is named; set `endpoint`, or OTEL_EXPORTER_OTLP_ENDPOINT, or take the section out"
        raise ConfigError([f"telemetry.otlp: {message}"])
    url, headers = _with_credentials(url, _headers(otlp, env))
    return Target(
        url,
        headers,
        otlp.timeout,
        otlp.content or (env.get(CAPTURE) or "").strip().lower() in _YES,
        _of(env, "CERTIFICATE"),
        _of(env, "CLIENT_KEY"),
        _of(env, "CLIENT_CERTIFICATE"),
        _pairs(env.get("OTEL_RESOURCE_ATTRIBUTES") or ""),
    )


def _of(env: Environment, name: str) -> str | None:
    """A variable of the exporter, the one for traces before the one for all signals."""
    return env.get(f"OTEL_EXPORTER_OTLP_TRACES_{name}") or env.get(f"OTEL_EXPORTER_OTLP_{name}") or None


def _url(otlp: OtlpConfig, env: Environment) -> str | None:
    if otlp.endpoint is not None:
        return _with_path(otlp.endpoint)
    for name, whole in (("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", True), ("OTEL_EXPORTER_OTLP_ENDPOINT", False)):
        if value := (env.get(name) or "").strip():
            if not _URL.fullmatch(value):
                message = "is no http or https URL, as of a collector that takes OTLP over HTTP (port 4318 usually)"
                raise ConfigError([f"{name}: {message}"])
            return value if whole else _with_path(value)
    return None


def _with_path(base: str) -> str:
    """`base` with the path for traces, unless somebody has written it already."""
    address, mark, query = base.partition("?")
    address = address.rstrip("/")
    return (address if address.endswith(PATH) else address + PATH) + mark + query


def _headers(otlp: OtlpConfig, env: Environment) -> dict[str, str]:
    """The file's headers, or the environment's. Raises ConfigError, which never shows a value."""
    where = "telemetry.otlp.headers" if otlp.headers else "OTEL_EXPORTER_OTLP_HEADERS"
    headers = otlp.headers or _pairs(_of(env, "HEADERS") or "")
    for name, value in headers.items():
        if not _NAME.fullmatch(name):
            raise ConfigError([f"{where}: {name!r} is no name of a header"])
        if not _VALUE.fullmatch(value):
            message = "is no value of a header; take out line breaks, spaces around it and what is not ASCII"
            raise ConfigError([f"{where}: what stands under {name!r} {message}"])
    return dict(headers)


def _with_credentials(url: str, headers: dict[str, str]) -> tuple[str, dict[str, str]]:
    """A name and password in the URL as the header they stand for (RFC 7617), unless there is one."""
    scheme, _, rest = url.partition("://")
    userinfo, at, address = rest.rpartition("@")
    if not at or "/" in userinfo:
        return url, headers
    if not any(name.lower() == "authorization" for name in headers):
        headers["Authorization"] = f"Basic {b64encode(unquote(userinfo).encode()).decode()}"
    return f"{scheme}://{address}", headers


def _pairs(text: str) -> dict[str, str]:
    """`a=1,b=2`, percent-encoded, as the specification writes lists. What is no pair is passed over."""
    found = (part.partition("=") for part in text.split(",") if "=" in part)
    return {unquote(name.strip()): unquote(value.strip()) for name, _, value in found if name.strip()}
