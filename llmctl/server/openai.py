"""The OpenAI wire format, which is the inner one: requests are validated and pass, answers pass as they came."""

import re
from typing import Any

import msgspec

from llmctl.errors import InvalidRequest, LlmctlError
from llmctl.model.chat import Answer, ChatRequest, Chunk, CompletionRequest, EmbeddingRequest, Operation
from llmctl.model.exchange import Exchange
from llmctl.model.json import JsonObject, decode, encode
from llmctl.server.dialect import StreamEncoder

_AT = re.compile(r"^(?P<what>.*?)(?: - at `(?P<path>\$[^`]*)`)?$", re.DOTALL)
_MISSING = re.compile(r"Object missing required field `(?P<field>[^`]+)`")

# What access and guards rest on: some servers match names without regard to case, so no other spelling may pass.
CONTROLLED = frozenset({"model", "messages", "prompt", "input", "stream", "tools", "n"})
DONE = b"data: [DONE]\n\n"


def decode_json(body: bytes) -> Any:
    """The decoded body. Raises InvalidRequest on what is not JSON, not UTF-8, or nested too deeply."""
    try:
        return decode(body)
    except msgspec.DecodeError as error:
        what = "is empty" if not body else f"is not valid JSON: {error}"
    except UnicodeDecodeError as error:
        what = f"is not valid UTF-8 at byte {error.start}"
    except RecursionError:
        what = "is nested too deeply"
    raise InvalidRequest(f"the request body {what}", code="invalid_json")


def invalid(error: msgspec.ValidationError) -> InvalidRequest:
    """msgspec's finding as ours: the field as OpenAI writes paths, and what was expected there."""
    match = _AT.match(str(error))
    what, path = (match["what"], match["path"]) if match else (str(error), None)
    param = (path or "$").removeprefix("$").removeprefix(".")
    if missing := _MISSING.match(what):
        param = f"{param}.{missing['field']}".removeprefix(".")
        return InvalidRequest(f"`{param}` is required", param=param, code="missing_required_parameter")
    message = f"`{param}`: {what[:1].lower()}{what[1:]}" if param else f"the request body: {what}"
    return InvalidRequest(message, param=param or None)


class OpenAIDialect:
    """One of the three operations that have an OpenAI wire format."""

    def __init__(self, operation: Operation) -> None:
        kinds = {"chat": ChatRequest, "completion": CompletionRequest, "embedding": EmbeddingRequest}
        self._decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(kinds[operation])

    def parse(self, body: bytes) -> tuple[JsonObject, bytes | None]:
        """The body's own object, once its known fields are of the right types."""
        payload: JsonObject = decode_json(body)
        try:
            self._decoder.decode(body)
        except msgspec.ValidationError as error:
            raise invalid(error) from None
        for key in payload:
            if not key.islower() and key.lower() in CONTROLLED:
                raise InvalidRequest(f"`{key}` differs from `{key.lower()}` only in case; send one of them", param=key)
        # Named twice, upstream might read the one that we did not: then what we read is sent. Escapes can spell it too.
        return payload, body if body.count(b'"model"') == 1 and b"\\u006" not in body else None

    def answer(self, exchange: Exchange, answer: Answer) -> bytes:
        """As it came."""
        return answer.raw

    def encoder(self, exchange: Exchange) -> StreamEncoder:
        """Chunks as they came; token counts that only we asked for are withheld."""
        options = exchange.payload.get("stream_options") or {}
        return OpenAIEncoder(wants_usage=bool(options.get("include_usage")))

    def error(self, error: LlmctlError, request_id: str) -> bytes:
        """OpenAI's envelope, with real nulls."""
        return error_envelope(error)


def error_envelope(error: LlmctlError) -> bytes:
    """`{"error": {"message", "type", "param", "code"}}`."""
    detail = {"message": error.message, "type": error.type, "param": error.param, "code": error.code}
    return encode({"error": detail})


class OpenAIEncoder:
    """Frames chunks as events and ends with `[DONE]`."""

    def __init__(self, *, wants_usage: bool) -> None:
        self._wants_usage = wants_usage

    def feed(self, chunks: list[Chunk]) -> bytes:
        """One event per chunk."""
        if not self._wants_usage:
            chunks = [chunk for chunk in chunks if chunk.body.choices or chunk.body.usage is None]
            if not chunks:
                return b""
        return b"data: " + b"\n\ndata: ".join([chunk.raw for chunk in chunks]) + b"\n\n"

    def finish(self) -> bytes:
        """The end marker."""
        return DONE

    def error(self, error: LlmctlError, request_id: str) -> bytes:
        """An error event, which the official client raises as APIError; no `[DONE]` follows."""
        return b"data: %b\n\n" % error_envelope(error)
