"""What every provider in the table keeps to. A new kind is checked by giving it its smallest options here."""

import re
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from llmctl.errors import UpstreamError, UpstreamProtocolError, UpstreamStatus
from llmctl.model.json import encode
from llmctl.net.transport import Request
from llmctl.providers import TABLE
from llmctl.providers.base import Call, Provider, ProviderOptions
from llmctl.providers.local import Local

KINDS = sorted(TABLE)
MINIMAL: dict[str, dict[str, Any]] = {"openai": {}, "anthropic": {}, "gemini": {}, "local": {}, "scripted": {}}
KEYED = [kind for kind in KINDS if "api_key" in TABLE[kind].Options.model_fields]
SPEAKS_OPENAI = [kind for kind in KINDS if kind not in ("anthropic", "gemini")]
SECRET = "sk-very-secret-0123456789"
LINE = re.compile(rb"[!#$%&'*+.^_`|~0-9a-z-]+: [\t\x20-\x7e\x80-\xff]*")


def made(kind: str, **options: Any) -> Provider:
    provider: Provider = TABLE[kind]("up", TABLE[kind].Options(**MINIMAL[kind], **options))
    if isinstance(provider, Local):
        provider.child.reason = None  # as though its model were loaded: nothing is sent here
    return provider


PROVIDERS = {kind: made(kind) for kind in KINDS}


def chat(*, stream: bool = False, model: str = "m") -> Call:
    payload = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "stream": stream}
    if stream:
        payload["stream_options"] = {"include_usage": True}
    line = b"x-request-id: r\r\n"
    return Call("chat", payload, model, stream, 60.0, encode(payload) + b" ", line)


def head(request: Request) -> dict[bytes, list[bytes]]:
    """Names to values; every line is one that HTTP allows."""
    assert request.headers.endswith(b"\r\n")
    lines: dict[bytes, list[bytes]] = {}
    for line in request.headers.removesuffix(b"\r\n").split(b"\r\n"):
        assert LINE.fullmatch(line), line
        name, _, value = line.partition(b": ")
        lines.setdefault(name, []).append(value)
    return lines


def test_every_kind_has_its_smallest_options() -> None:
    assert sorted(MINIMAL) == KINDS


@pytest.mark.parametrize("kind", KINDS)
def test_options_are_described_strict_and_frozen(kind: str) -> None:
    options = TABLE[kind].Options
    assert issubclass(options, ProviderOptions)
    assert [name for name, field in options.model_fields.items() if not field.description] == []
    with pytest.raises(ValidationError, match="extra"):
        options(**MINIMAL[kind], nonsense=1)
    with pytest.raises(ValidationError, match="frozen"):
        options(**MINIMAL[kind]).headers = {}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_a_chat_becomes_one_http_request(kind: str, stream: bool) -> None:
    request = PROVIDERS[kind].request(chat(stream=stream))
    lines = head(request)
    assert lines[b"host"]
    assert lines[b"content-type"] == [b"application/json"]
    assert lines[b"x-request-id"] == [b"r"]
    assert not {b"content-length", b"transfer-encoding"} & set(lines)
    assert all(len(values) == 1 for values in lines.values())
    assert re.fullmatch(rb"/[\x21-\x7e]*", request.target)
    assert (request.method, request.deadline) == (b"POST", 60.0)
    assert b"hi" in request.body


@pytest.mark.parametrize("kind", KINDS)
def test_configured_headers_are_sent(kind: str) -> None:
    assert head(made(kind, headers={"X-Team": "search"}).request(chat()))[b"x-team"] == [b"search"]


@pytest.mark.parametrize("value", ["a\r\nx: y", "a\nb", "a\0b"])
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "local"])
def test_no_header_is_smuggled_in(kind: str, value: str) -> None:
    with pytest.raises(ValueError, match="header"):
        made(kind, headers={"x-team": value})


@pytest.mark.parametrize("model", ["a/b", "a b", "ä?x=1", "a\r\nhost: evil", "../../x"])
@pytest.mark.parametrize("kind", KINDS)
def test_no_models_name_breaks_the_request_line(kind: str, model: str) -> None:
    assert re.fullmatch(rb"/[\x21-\x7e]*", PROVIDERS[kind].request(chat(model=model)).target)


@pytest.mark.parametrize("kind", SPEAKS_OPENAI)
@pytest.mark.parametrize("stream", [False, True])
def test_a_body_in_which_nothing_changes_passes_untouched(kind: str, stream: bool) -> None:
    call = chat(stream=stream)
    assert PROVIDERS[kind].request(call).body is call.raw


@pytest.mark.parametrize("kind", KEYED)
def test_a_key_is_sent_and_shown_nowhere(kind: str) -> None:
    provider = made(kind, api_key=SECRET)
    assert SECRET.encode() in provider.request(chat()).headers
    options = TABLE[kind].Options(api_key=SECRET)
    shown = repr(provider) + str(provider) + repr(options) + str(options) + options.model_dump_json()
    for status in (401, 403, 407):
        refusal = encode({"error": {"message": f"no such key {SECRET}", "code": SECRET, "type": SECRET}})
        error = provider.error(status, {}, refusal)
        shown += f"{error!r} {error.message} {error.code} {error.type} {error.param}"
    assert SECRET not in shown


@pytest.mark.parametrize("kind", KEYED)
def test_a_key_with_a_line_break_is_refused_without_being_shown(kind: str) -> None:
    with pytest.raises(ValueError, match="header") as caught:
        made(kind, api_key=f"{SECRET}\nx: y")
    assert SECRET not in str(caught.value)


BODIES = [
    b"",
    b"{",
    b"null",
    b"[]",
    b"[1]",
    b'"text"',
    b"<html>busy</html>",
    b'{"error": "text"}',
    b'{"error": null}',
    b'{"error": {"message": 3, "code": 4, "type": []}}',
    b'[{"error": {"message": "in a list"}}]',
    b'{"detail": "elsewhere"}',
    b'{"error": {"message": "' + b"x" * 100_000 + b'"}}',
]


@pytest.mark.parametrize(
    ("status", "told", "retryable"),
    [
        (301, 502, False),
        (400, 400, False),
        (401, 502, False),
        (402, 502, False),
        (403, 502, False),
        (404, 404, False),
        (408, 408, True),
        (409, 409, True),
        (422, 422, False),
        (429, 429, True),
        (500, 500, True),
        (503, 503, True),
        (529, 529, True),
    ],
)
@pytest.mark.parametrize("kind", KINDS)
def test_error_answers(kind: str, status: int, told: int, retryable: bool) -> None:
    for body in BODIES:
        error = PROVIDERS[kind].error(status, {}, body)
        assert isinstance(error, UpstreamStatus)
        assert (error.status, error.http_status, error.retryable) == (status, told, retryable)
        assert "up" in error.message
        assert len(error.message) < 5_000


DEEP = b"[" * 5_000
GARBAGE = [b"", b"{", b"null", b"[]", b"{}", b"<html>", b"\xff\xfe", b'{"choices": "no"}', b'{"candidates": 3}']


@pytest.mark.parametrize("body", GARBAGE)
@pytest.mark.parametrize("kind", KINDS)
def test_garbage_in_a_200(kind: str, body: bytes) -> None:
    with pytest.raises(UpstreamProtocolError, match="up"):
        PROVIDERS[kind].answer(chat(), body)


@pytest.mark.parametrize("kind", KINDS)
def test_nesting_without_end(kind: str) -> None:
    for body in (b'{"x":' + DEEP, b'{"error":' + DEEP):
        with pytest.raises(UpstreamProtocolError):
            PROVIDERS[kind].answer(chat(), body)
        with pytest.raises(UpstreamError):
            PROVIDERS[kind].decoder(chat(stream=True)).feed(b"data: %b\n\n" % body)
        PROVIDERS[kind].error(500, {}, body)


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_that_is_not_utf_8(kind: str) -> None:
    assert PROVIDERS[kind].error(500, {}, b'{"error": {"message": "caf\xe9"}}').status == 500


WORDS = [b"data:", b"event:", b"\n", b"\r\n", b"\n\n", b" ", b"[DONE]", b'{"choices":', b'{"type":', b'"error"', b":",
         b'"message_start"', b'"content_block_delta"', b'{"candidates":', b"[{", b"}]}", b"}", b"null", b"1", b'"\xff"',
         b'data: {"error": {"message": "x"}}\n\n', b'data: {"type": "message_stop"}\n\n', b"\xef\xbb\xbf"]  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.lists(st.lists(st.sampled_from(WORDS) | st.binary(max_size=6), max_size=12).map(b"".join), max_size=6))
@pytest.mark.parametrize("kind", KINDS)
def test_no_stream_trips_a_decoder(kind: str, pieces: list[bytes]) -> None:
    decoder = PROVIDERS[kind].decoder(chat(stream=True))
    with suppress(UpstreamError):
        for piece in pieces:
            decoder.feed(piece)


@pytest.mark.parametrize("kind", KINDS)
async def test_what_is_built_but_never_started_can_be_closed(kind: str) -> None:
    await made(kind).close()


@pytest.mark.parametrize("kind", KINDS)
def test_a_probe_costs_nothing(kind: str) -> None:
    probe = PROVIDERS[kind].probe(30.0)
    if probe is not None:
        assert (probe.method, probe.body, probe.deadline) == (b"GET", b"", 30.0)
        assert probe.target.endswith(b"/models")
        assert head(probe)
