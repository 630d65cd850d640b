"""The OpenAI wire format: what is wrong with a request, how streams are framed, and errors with real nulls."""

import json
from typing import Any

import pytest

from llmctl import errors
from llmctl.errors import InvalidRequest, LlmctlError
from llmctl.model import chat
from llmctl.model.chat import Chunk, Operation
from llmctl.server.openai import DONE, OpenAIDialect, OpenAIEncoder, decode_json, error_envelope
from llmctl.testing.clock import ManualClock
from llmctl.testing.gateway import exchange

DIALECT = OpenAIDialect("chat")
TEXT = chat.chunk(b'{"choices":[{"index":0,"delta":{"content":"a"}}]}')
COUNTS = chat.chunk(b'{"choices":[],"usage":{"prompt_tokens":1}}')
LAST = chat.chunk(b'{"choices":[{"index":0,"finish_reason":"stop"}],"usage":{"prompt_tokens":1}}')
FILTER = chat.chunk(b'{"choices":[],"usage":null,"prompt_filter_results":[]}')


def test_a_valid_body_is_its_own_encoding() -> None:
    body = b'{ "model": "m", "messages": [{"role": "user", "name": "n"}], "unknown": [1, {"x": null}] }'
    payload, raw = DIALECT.parse(body)
    assert raw is body
    assert payload == json.loads(body)


@pytest.mark.parametrize(
    ("operation", "body", "param", "message"),
    [
        ("chat", b"{}", "model", "`model` is required"),
        ("chat", b'{"model": "m"}', "messages", "`messages` is required"),
        ("chat", b'{"model": 3}', "model", "`model`: expected `str`, got `int`"),
        ("chat", b'{"model": "m", "messages": [{"role": "user"}, {}]}', "messages[1].role", "is required"),
        ("chat", b'{"model": "m", "messages": [{"role": "user", "content": 1}]}', "messages[0].content", "expected"),
        ("chat", b'{"model": "m", "messages": [{"role": "user"}], "top_p": 2}', "top_p", "<= 1"),
        ("completion", b'{"model": "m"}', "prompt", "`prompt` is required"),
        ("embedding", b'{"model": "m", "input": []}', "input", "length >= 1"),
        ("chat", b"3", None, "the request body: Expected `object`"),
    ],
)
def test_what_is_wrong_is_named(operation: Operation, body: bytes, param: str | None, message: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        OpenAIDialect(operation).parse(body)
    assert caught.value.param == param
    assert message in caught.value.message


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "is empty"),
        (b"{", "is not valid JSON"),
        (b'{"a": 1} x', "is not valid JSON"),
        (b'{"a": NaN}', "is not valid JSON"),
        (b'{"a": "\\ud800"}', "is not valid"),
        (b'{"a": "\xff"}', "is not valid UTF-8 at byte"),
        (b"[" * 100_000, "is nested too deeply"),
    ],
)
def test_what_is_not_json(body: bytes, message: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        decode_json(body)
    assert message in caught.value.message
    assert caught.value.code == "invalid_json"


@pytest.mark.parametrize(
    ("wants", "batch", "sent"),
    [
        (False, [], []),
        (False, [TEXT], [TEXT]),
        (False, [TEXT, COUNTS], [TEXT]),
        (False, [COUNTS], []),
        (False, [LAST], [LAST]),
        (False, [FILTER, TEXT], [FILTER, TEXT]),
        (True, [TEXT, COUNTS], [TEXT, COUNTS]),
        (True, [COUNTS], [COUNTS]),
    ],
)
def test_counts_are_for_those_who_asked(wants: bool, batch: list[Chunk], sent: list[Chunk]) -> None:
    encoder = OpenAIEncoder(wants_usage=wants)
    assert encoder.feed(batch) == b"".join(b"data: %b\n\n" % chunk.raw for chunk in sent)


@pytest.mark.parametrize(
    ("options", "wants"),
    [(None, False), ({}, False), ({"include_usage": None}, False), ({"include_usage": True}, True)],
)
def test_the_request_says_who_asked(options: dict[str, Any] | None, wants: bool) -> None:
    asked = exchange(ManualClock())
    asked.payload = {"stream_options": options}
    assert bool(DIALECT.encoder(asked).feed([COUNTS])) is wants


def test_a_stream_ends_with_done_or_with_an_error_and_never_both() -> None:
    encoder = OpenAIEncoder(wants_usage=False)
    assert encoder.finish() == DONE
    error = encoder.error(errors.UpstreamLost("cut"), "r")
    assert error.startswith(b"data: {")
    assert error.endswith(b"}\n\n")
    assert b"DONE" not in error


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (errors.Unauthorized("m"), {"type": "authentication_error", "param": None, "code": "invalid_api_key"}),
        (
            errors.InvalidRequest("m", param="n"),
            {"type": "invalid_request_error", "param": "n", "code": "invalid_request"},
        ),
        (errors.UpstreamStatus("m", status=401), {"type": "upstream_error", "param": None, "code": "upstream_error"}),
        (errors.UpstreamStatus("m", status=429), {"type": "rate_limit_error", "param": None, "code": "upstream_error"}),
        (LlmctlError("m"), {"type": "api_error", "param": None, "code": "internal_error"}),
    ],
)
def test_the_envelope_has_all_its_fields(error: LlmctlError, expected: dict[str, Any]) -> None:
    assert json.loads(error_envelope(error)) == {"error": {"message": "m", **expected}}
    assert DIALECT.error(error, "r") == error_envelope(error)


@pytest.mark.parametrize("key", ["Model", "MESSAGES", "Stream"])
def test_control_fields_in_another_case_are_refused(key: str) -> None:
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": "x"}], key: "y"}).encode()
    with pytest.raises(InvalidRequest, match="only in case"):
        OpenAIDialect("chat").parse(body)


@pytest.mark.parametrize("name", [b"model", b"mod\\u0065l"])
def test_a_field_named_twice_is_sent_as_it_was_read(name: bytes) -> None:
    body = b'{"model":"a","%b":"b","messages":[{"role":"user","content":"x"}]}' % name
    payload, raw = OpenAIDialect("chat").parse(body)
    assert (payload["model"], raw) == ("b", None)
