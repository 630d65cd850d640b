"""What providers that speak HTTP share: their options, and how to read a refusal. Addresses: `net/endpoint.py`."""

import math
from contextlib import suppress
from email.utils import parsedate_to_datetime
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from llmctl.config.units import parse_bytes, parse_seconds
from llmctl.errors import UpstreamStatus
from llmctl.model.json import UNDECODABLE, decode
from llmctl.net.transport import Request, Timeouts, Transport
from llmctl.providers.base import ProviderOptions

Seconds = Annotated[float, BeforeValidator(parse_seconds), Field(gt=0, le=86400 * 30, allow_inf_nan=False)]
Bytes = Annotated[int, BeforeValidator(parse_bytes), Field(gt=0)]


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


class Stateless:
    """The part of `Provider` that is empty for a plain remote API."""

    def probe(self, deadline: float) -> Request | None:
        """None is known."""
        return None

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
