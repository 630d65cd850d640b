"""What providers that speak HTTP share: where to send, with which headers, and how to read a refusal."""

import math
import re
import ssl
from contextlib import suppress
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field

from llmctl.config.units import parse_bytes, parse_seconds
from llmctl.errors import UpstreamStatus
from llmctl.model.json import UNDECODABLE, decode
from llmctl.net.transport import Origin, Request, Timeouts, Transport
from llmctl.providers.base import Call, ProviderOptions

Seconds = Annotated[float, BeforeValidator(parse_seconds), Field(gt=0, le=86400 * 30, allow_inf_nan=False)]
Bytes = Annotated[int, BeforeValidator(parse_bytes), Field(gt=0)]

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HOST = re.compile(r"[A-Za-z0-9._-]+|[0-9A-Fa-f:.]+")
FRAMING = frozenset({"content-length", "transfer-encoding", "connection", "te", "trailer", "upgrade", "expect"})
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")


class HttpOptions(ProviderOptions):
    """Options every HTTP provider has."""

    headers: dict[str, str] = Field(default_factory=dict, description="Further headers to send with every call.")
    connect_timeout: Seconds = Field(5.0, description="A connection must be made within this.")
    first_byte_timeout: Seconds = Field(120.0, description="An answer must begin within this.")
    idle_timeout: Seconds = Field(60.0, description="An answer that has begun must not pause for longer than this.")
    max_response: Bytes = Field(64 * 1024**2, description="Largest answer that is not a stream.")
    ca_file: str | None = Field(None, description="PEM file with the certificates to trust instead of the system's.")

    @property
    def timeouts(self) -> Timeouts:
        """The timeouts as the transport takes them."""
        return Timeouts(self.connect_timeout, self.first_byte_timeout, self.idle_timeout)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An upstream's address and its fixed headers, checked and encoded once."""

    origin: Origin
    prefix: bytes
    head: bytes
    timeouts: Timeouts
    max_response: int

    @classmethod
    def of(cls, base_url: str, headers: dict[str, str], options: HttpOptions) -> "Endpoint":
        """Raises ValueError, saying what to do, on a URL or header that cannot be sent."""
        url = urlsplit(base_url)
        if url.scheme not in ("http", "https") or not url.hostname:
            raise ValueError(f"base_url {base_url!r} is not an http(s) URL; write https://host/v1")
        if url.username or url.password or url.query or url.fragment:
            raise ValueError("base_url takes no credentials, query or fragment; use api_key and headers")
        if not _HOST.fullmatch(url.hostname):
            raise ValueError(f"base_url host {url.hostname!r} has characters that no host name has; write punycode")
        if url.port == 0:
            raise ValueError("base_url names port 0, which nothing listens on")
        if not re.fullmatch(r"[\x21-\x7e]*", url.path):
            raise ValueError(f"base_url path {url.path!r} has characters that must be percent-encoded")
        port = url.port or (443 if url.scheme == "https" else 80)
        tls = ssl.create_default_context(cafile=options.ca_file) if url.scheme == "https" else None
        host = f"[{url.hostname}]" if ":" in url.hostname else url.hostname
        default = port == (443 if tls else 80)
        if refused := sorted(FRAMING.intersection(map(str.lower, options.headers))):
            raise ValueError(f"headers: {', '.join(refused)} is set by the connection; leave it out")
        usual = {
            "host": host if default else f"{host}:{port}",
            "accept-encoding": "identity",
            "content-type": "application/json",
        }
        # Names know no case, so one given twice must not be sent twice.
        lines = {name.lower(): value for given in (usual, headers, options.headers) for name, value in given.items()}
        head = b"".join(_line(name, value) for name, value in lines.items())
        origin = Origin(url.hostname, port, tls)
        prefix = url.path.rstrip("/").encode("ascii")
        return cls(origin, prefix, head, options.timeouts, options.max_response)

    def request(self, path: bytes, body: bytes, call: Call) -> Request:
        """A POST of `body` to `path` below the base URL."""
        return Request(
            self.origin,
            self.prefix + path,
            self.head + call.headers,
            body,
            self.timeouts,
            call.deadline,
            max_body=self.max_response,
        )

    def at(self, port: int) -> "Endpoint":
        """The same endpoint on another port."""
        return replace(self, origin=replace(self.origin, port=port))


def _line(name: str, value: str) -> bytes:
    if not _TOKEN.fullmatch(name):
        raise ValueError(f"header name {name!r} has characters that headers cannot have")
    if not _VALUE.fullmatch(value):
        raise ValueError(
            f"the value of header {name!r} has characters that headers cannot have (line breaks, controls)"
        )
    return f"{name.lower()}: {value.strip()}\r\n".encode("latin-1")


class Stateless:
    """The part of `Provider` that is empty for a plain remote API."""

    @property
    def transport(self) -> Transport | None:
        """The gateway's pool."""
        return None

    async def start(self) -> None:
        """Nothing to start."""

    async def close(self) -> None:
        """Nothing to stop."""

    def unready(self) -> str | None:
        """Always ready: whether it answers shows when it is asked."""
        return None


def retry_after(headers: dict[bytes, bytes]) -> float | None:
    """Seconds the upstream asks us to wait: `retry-after-ms`, else `retry-after` as seconds or HTTP date."""
    with suppress(ValueError):
        if math.isfinite(after := float(headers.get(b"retry-after-ms", b"")) / 1000):
            return max(0.0, after)
    try:
        if (value := headers.get(b"retry-after")) is None:
            return None
        text = value.decode("ascii").strip()
        if text.replace(".", "", 1).isdigit():
            return after if math.isfinite(after := float(text)) else None
        # A date is meant on the sender's clock, which its own Date header tells.
        sent = parsedate_to_datetime(headers[b"date"].decode("ascii"))
        return max(0.0, (parsedate_to_datetime(text) - sent).total_seconds())
    except (ValueError, KeyError, TypeError, OverflowError):
        return None


def status_error(name: str, status: int, headers: dict[bytes, bytes], body: bytes) -> UpstreamStatus:
    """What an error answer in one of the usual JSON shapes means; a refusal of our credentials is not quoted."""
    detail = _detail(body)
    message = detail.get("message")
    if status in (401, 403, 407):
        text = f"provider {name} refused our credentials (HTTP {status}); check its api_key and what it may use"
        return UpstreamStatus(text, status=status)
    said = f": {message[:2000]}" if isinstance(message, str) and message else ""
    return UpstreamStatus(
        f"provider {name} answered HTTP {status}{said}",
        status=status,
        code=_text(detail.get("code")),
        param=_text(detail.get("param")),
        error_type=_text(detail.get("type")),
        retry_after=retry_after(headers),
    )


def _detail(body: bytes) -> dict[str, Any]:
    try:
        found = decode(body)
    except UNDECODABLE:
        return {}
    if isinstance(found, list) and found:  # Gemini wraps errors of its streaming method in a list
        found = found[0]
    if not isinstance(found, dict):
        return {}
    error = found.get("error", found)
    if isinstance(error, str):
        return {"message": error}
    if isinstance(error, dict):
        return error if "message" in error else {"message": error.get("detail")}
    return {}


def _text(value: object) -> str | None:
    return value[:100] if isinstance(value, str) and value else None
