"""Where requests to one service go: its address and fixed headers, checked and encoded once."""

import re
import ssl
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlsplit

from llmctl.net.transport import Origin, Request, Timeouts

FRAMING = frozenset({"content-length", "transfer-encoding", "connection", "te", "trailer", "upgrade", "expect"})
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HOST = re.compile(r"[A-Za-z0-9._-]+|[0-9A-Fa-f:.]+")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")


class Settings(Protocol):
    """What an operator may set about a service beside its URL."""

    @property
    def headers(self) -> dict[str, str]:
        """Further headers to send with every request."""
        ...

    @property
    def timeouts(self) -> Timeouts:
        """How long to wait."""
        ...

    @property
    def max_response(self) -> int:
        """Bytes of the largest body to accept."""
        ...

    @property
    def ca_file(self) -> str | None:
        """PEM file with the certificates to trust instead of the system's."""
        ...


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A service's address and its fixed headers."""

    origin: Origin
    prefix: bytes
    head: bytes
    timeouts: Timeouts
    max_response: int

    @classmethod
    def of(cls, base_url: str, headers: dict[str, str], options: Settings) -> "Endpoint":
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

    def request(self, path: bytes, body: bytes, *, deadline: float, headers: bytes = b"") -> Request:
        """A POST of `body` to `path` below the base URL; `headers` are complete lines for this request alone."""
        return Request(
            self.origin,
            self.prefix + path,
            self.head + headers,
            body,
            self.timeouts,
            deadline,
            max_body=self.max_response,
        )

    def get(self, path: bytes, *, deadline: float) -> Request:
        """A GET of `path` below the base URL."""
        return Request(
            self.origin, self.prefix + path, self.head, b"", self.timeouts, deadline, b"GET", max_body=self.max_response
        )


def _line(name: str, value: str) -> bytes:
    if not _TOKEN.fullmatch(name):
        raise ValueError(f"header name {name!r} has characters that headers cannot have")
    if not _VALUE.fullmatch(value):
        raise ValueError(
            f"the value of header {name!r} has characters that headers cannot have (line breaks, controls)"
        )
    return f"{name.lower()}: {value.strip()}\r\n".encode("latin-1")
