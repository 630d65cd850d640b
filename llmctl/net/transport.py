"""The seam to upstreams: one method. The pool implements it, the scripted provider does, and so can a test."""

import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol

from msgspec import Struct


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds. `first_byte` runs from the request's last byte out; `idle` between two reads of the body."""

    connect: float = 5.0
    first_byte: float = 60.0
    idle: float = 30.0


@dataclass(frozen=True, slots=True)
class Origin:
    """Where to connect. `tls` None means plain HTTP."""

    host: str
    port: int
    tls: ssl.SSLContext | None = None

    def __str__(self) -> str:
        return f"{'https' if self.tls else 'http'}://{self.host}:{self.port}"


class Request(Struct, frozen=True, gc=False):
    """One HTTP/1.1 request.

    `headers` is a block of complete `name: value\\r\\n` lines made and checked when the provider was built,
    without content-length, which the transport adds. `deadline` is on the clock's monotonic scale; no phase
    may run past it.
    """

    origin: Origin
    target: bytes
    headers: bytes
    body: bytes
    timeouts: Timeouts
    deadline: float
    method: bytes = b"POST"
    max_body: int = 64 * 1024 * 1024


class Response(Protocol):
    """An answer whose head has come. Header names are lower case; repeated headers are joined with a comma."""

    status: int
    headers: dict[bytes, bytes]

    async def read(self) -> bytes:
        """The whole body. Raises UpstreamError."""
        ...

    def stream(self) -> AsyncIterator[bytes]:
        """The body as it arrives, in whatever pieces. Raises UpstreamError; ends only where the body is complete."""
        ...

    def close(self) -> None:
        """Give the connection back, or drop it if the body is not complete. May be called twice."""
        ...


class Transport(Protocol):
    """Sends requests. Raises UpstreamConnectError, UpstreamTimeout, UpstreamLost, UpstreamProtocolError."""

    async def send(self, request: Request) -> Response:
        """Returns as soon as the answer's head has come."""
        ...
