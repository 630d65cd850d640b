"""Where requests go, how long to wait, and what a refusal says; shared by all providers that speak HTTP."""

import pytest
from pydantic import ValidationError

from llmctl.errors import UpstreamStatus
from llmctl.providers.base import Call
from llmctl.providers.http import Endpoint, HttpOptions, retry_after, status_error

CALL = Call("chat", {}, "m", False, 9.0, headers=b"x-request-id: r\r\n")


def endpoint(base_url: str, own: dict[str, str] | None = None, **options: object) -> Endpoint:
    return Endpoint.of(base_url, own or {}, HttpOptions.model_validate(options))


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
    found = endpoint("http://h/v1", {"authorization": "k"}, headers={"X-A": " b "}, max_response="1KiB", idle_timeout=7)
    request = found.request(b"/chat", b"{}", CALL)
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


def test_another_port_changes_nothing_else() -> None:
    found = endpoint("http://h/v1")
    assert found.at(9).origin.port == 9
    assert found.at(9).prefix == found.prefix
    assert found.origin.port == 80


@pytest.mark.parametrize(
    "options", [{"connect_timeout": 0}, {"idle_timeout": -1}, {"max_response": 0}, {"first_byte_timeout": "soon"}]
)
def test_options_that_cannot_be(options: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        HttpOptions.model_validate(options)


NOON, LATER = b"Sun, 06 Nov 1994 12:00:00 GMT", b"Sun, 06 Nov 1994 12:00:30 GMT"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({b"retry-after": b"7"}, 7.0),
        ({b"retry-after": b" 7 "}, 7.0),
        ({b"retry-after": b"1.5"}, 1.5),
        ({b"retry-after": b"0"}, 0.0),
        ({b"retry-after": b"-7"}, None),
        ({b"retry-after": b"soon"}, None),
        ({b"retry-after": b""}, None),
        ({b"retry-after": b"."}, None),
        ({b"retry-after": b"\xb2"}, None),
        ({b"retry-after-ms": b"250"}, 0.25),
        ({b"retry-after-ms": b"-250"}, 0.0),
        ({b"retry-after-ms": b"250", b"retry-after": b"7"}, 0.25),
        ({b"retry-after": LATER, b"date": NOON}, 30.0),
        ({b"retry-after": NOON, b"date": LATER}, 0.0),
        ({b"retry-after": LATER}, None),
        ({b"retry-after": LATER, b"date": b"today"}, None),
        ({b"retry-after": b"Sun, 99 Nov 1994 12:00:30 GMT", b"date": NOON}, None),
    ],
)
def test_when_to_come_back(headers: dict[bytes, bytes], seconds: float | None) -> None:
    assert retry_after(headers) == seconds


def test_a_bad_retry_after_ms_does_not_hide_retry_after() -> None:
    assert retry_after({b"retry-after-ms": b"soon", b"retry-after": b"7"}) == 7.0


@pytest.mark.parametrize("headers", [{b"retry-after-ms": b"inf"}, {b"retry-after": b"9" * 400}])
def test_nobody_waits_for_ever(headers: dict[bytes, bytes]) -> None:
    assert retry_after(headers) != float("inf")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"error": {"message": "m", "type": "t", "code": "c", "param": "p"}}', "provider up answered HTTP 400: m"),
        (b'{"error": "m"}', "provider up answered HTTP 400: m"),
        (b'{"message": "m"}', "provider up answered HTTP 400: m"),
        (b'{"detail": "m"}', "provider up answered HTTP 400: m"),
        (b'[{"error": {"message": "m"}}]', "provider up answered HTTP 400: m"),
        (b'{"error": {"message": ""}}', "provider up answered HTTP 400"),
        (b'{"detail": [{"loc": ["x"]}]}', "provider up answered HTTP 400"),
        (b"<html>", "provider up answered HTTP 400"),
        (b"", "provider up answered HTTP 400"),
    ],
)
def test_the_usual_shapes_of_errors(body: bytes, message: str) -> None:
    assert status_error("up", 400, {}, body).message == message


def test_the_clients_own_mistake_passes_with_its_details() -> None:
    body = b'{"error": {"message": "m", "type": "t", "code": "c", "param": "p"}}'
    error = status_error("up", 400, {}, body)
    assert (error.type, error.code, error.param) == ("t", "c", "p")
    broken = status_error("up", 502, {}, body)
    assert (broken.type, broken.code, broken.param) == ("upstream_error", "c", None)
    plain = status_error("up", 400, {}, b'{"error": {"message": "m", "code": 7, "type": null}}')
    assert (plain.type, plain.code, plain.param) == ("invalid_request_error", UpstreamStatus.code, None)


def test_a_refusal_of_our_credentials_says_what_to_check() -> None:
    error = status_error("up", 401, {b"retry-after": b"7"}, b'{"error": {"message": "sk-1 is wrong"}}')
    assert "api_key" in error.message
    assert "sk-1" not in error.message
    assert error.http_status == 502


def test_a_long_message_is_cut() -> None:
    assert len(status_error("up", 500, {}, b'{"error": "%b"}' % (b"x" * 9000)).message) < 2100
