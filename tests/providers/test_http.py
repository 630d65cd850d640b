"""How long to wait, and what a refusal says; shared by all providers that speak HTTP."""

import pytest
from pydantic import ValidationError

from llmctl.errors import UpstreamStatus
from llmctl.providers.http import HttpOptions, retry_after, status_error


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
