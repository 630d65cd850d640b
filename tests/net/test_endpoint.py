"""Where requests go, and with which headers."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from llmctl.net.endpoint import Endpoint
from llmctl.net.transport import Timeouts


@dataclass(frozen=True)
class Given:
    headers: dict[str, str] = field(default_factory=dict)
    timeouts: Timeouts = field(default_factory=Timeouts)
    max_response: int = 1024
    ca_file: str | None = None


def endpoint(base_url: str, own: dict[str, str] | None = None, **options: Any) -> Endpoint:
    return Endpoint.of(base_url, own or {}, Given(**options))


@pytest.mark.parametrize(
    ("url", "host", "port", "line", "prefix"),
    [
        ("http://h", "h", 80, b"h", b""),
        ("http://h/", "h", 80, b"h", b""),
        ("http://h:80/v1/", "h", 80, b"h", b"/v1"),
        ("http://h:8000/a/v1", "h", 8000, b"h:8000", b"/a/v1"),
        ("https://h/v1", "h", 443, b"h", b"/v1"),
        ("https://h:80/v1", "h", 80, b"h:80", b"/v1"),
        ("http://h:443/v1", "h", 443, b"h:443", b"/v1"),
        ("HTTP://EXAMPLE.com/V1", "example.com", 80, b"example.com", b"/V1"),
        ("http://[::1]:8000/v1", "::1", 8000, b"[::1]:8000", b"/v1"),
        ("http://[2001:db8::1]/v1", "2001:db8::1", 80, b"[2001:db8::1]", b"/v1"),
        ("http://h/a%20b", "h", 80, b"h", b"/a%20b"),
    ],
)
def test_base_urls(url: str, host: str, port: int, line: bytes, prefix: bytes) -> None:
    found = endpoint(url)
    assert (found.origin.host, found.origin.port, found.prefix) == (host, port, prefix)
    assert (found.origin.tls is not None) is url.lower().startswith("https")
    assert found.head.startswith(b"host: %b\r\n" % line)


@pytest.mark.parametrize(
    "url",
    ["", "h", "h:80", "//h/v1", "ftp://h", "http://", "http:///v1", "http://u:p@h", "http://u@h", "http://h?a=1",
     "http://h/v1#f", "http://h/a b", "http://h/ä", "http://h:99999", "http://h:x", "http://[::1", "http://日本/v1"],
)  # fmt: skip
def test_urls_that_cannot_be(url: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        endpoint(url)


@pytest.mark.parametrize("url", ["http://a b/v1", "http://münchen/v1", 'http://a"b/v1'])
def test_hosts_that_cannot_be(url: str) -> None:
    with pytest.raises(ValueError, match="base_url"):
        endpoint(url)


@pytest.mark.parametrize(
    ("name", "value"),
    [("", "v"), ("a b", "v"), ("a:", "v"), ("a\r\nb", "v"), ("ä", "v"), ("a", "v\r\nb: c"), ("a", "v\n"), ("a", "v\0"),
     ("a", "v\x7f"), ("a", "日本")],
)  # fmt: skip
def test_headers_that_cannot_be(name: str, value: str) -> None:
    for headers, options in (({name: value}, {}), ({}, {name: value})):
        with pytest.raises(ValueError, match="header"):
            endpoint("http://h", headers, headers=options)


def test_a_request_is_put_together_in_order() -> None:
    found = endpoint(
        "http://h/v1", {"authorization": "k"}, headers={"X-A": " b "}, max_response=1024, timeouts=Timeouts(1, 2, 7)
    )
    request = found.request(b"/chat", b"{}", deadline=9.0, headers=b"x-request-id: r\r\n")
    assert (request.target, request.body, request.max_body, request.deadline) == (b"/v1/chat", b"{}", 1024, 9.0)
    assert request.timeouts.idle == 7
    assert request.headers == (
        b"host: h\r\naccept-encoding: identity\r\ncontent-type: application/json\r\n"
        b"authorization: k\r\nx-a: b\r\nx-request-id: r\r\n"
    )


@pytest.mark.parametrize("name", ["Host", "Authorization", "content-type", "Accept-Encoding"])
def test_a_configured_header_replaces_ours(name: str) -> None:
    head = endpoint("http://h", {"authorization": "k"}, headers={name: "mine"}).head
    assert head.count(name.lower().encode() + b": ") == 1


@pytest.mark.parametrize("name", ["Content-Length", "Transfer-Encoding"])
def test_framing_is_the_transports(name: str) -> None:
    with pytest.raises(ValueError, match="header"):
        endpoint("http://h", headers={name: "1"})


def test_a_get_is_for_a_path_below_the_base_url_and_has_no_body() -> None:
    asked = endpoint("http://h/v1", {"authorization": "Bearer k"}).get(b"/models", deadline=9.0)
    assert (asked.method, asked.target, asked.body, asked.deadline) == (b"GET", b"/v1/models", b"", 9.0)
    assert b"authorization: Bearer k\r\n" in asked.headers
    assert asked.max_body == 1024
