"""What a provider's batch brought for each of its requests, as the answer that the request would have got alone."""

from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path

import msgspec
from msgspec import Raw, Struct

from llmctl.batches.remote import Found, said
from llmctl.errors import UpstreamProtocolError
from llmctl.model.json import UNDECODABLE

JSON = {b"content-type": b"application/json"}
FULL = frozenset({"token_limit_exceeded", "rate_limit_exceeded", "too_many_batches", "batch_queue_full"})
"""Codes of batches that failed as others are in their way: they are taken later."""


class Answered:
    """A `Response` that is complete."""

    def __init__(self, status: int, body: bytes, headers: Mapping[bytes, bytes] = JSON) -> None:
        self.status = status
        self.headers = dict(headers)
        self.body = body

    async def read(self) -> bytes:
        """The body."""
        return self.body

    async def stream(self) -> AsyncIterator[bytes]:
        """The body, in one piece."""
        yield self.body

    def close(self) -> None:
        """There is nothing to give back."""


class _Id(Struct, frozen=True):
    custom_id: str


class _Response(Struct, frozen=True):
    status_code: int
    body: Raw


class _Error(Struct, frozen=True):
    code: str | None = None
    message: str | None = None


class _Line(Struct, frozen=True):
    response: _Response | None = None
    error: _Error | None = None


_id = msgspec.json.Decoder(_Id)
_line = msgspec.json.Decoder(_Line)
Place = tuple[int, int]
"""Where a line begins, and its length in bytes."""


def index(path: Path) -> dict[str, Place]:
    """Where each request's line is in a file of results. Raises UpstreamProtocolError. Blocks."""
    places, at = {}, 0
    with path.open("rb") as file:
        for raw in file:
            if raw.strip():
                try:
                    places[_id.decode(raw).custom_id] = (at, len(raw))
                except UNDECODABLE as error:
                    raise UpstreamProtocolError(
                        f"a provider's file of results has a line that is none: {error}"
                    ) from None
            at += len(raw)
    return places


def read(path: Path, places: list[Place]) -> Iterator[bytes]:
    """Those lines. Blocks."""
    with path.open("rb") as file:
        for at, size in places:
            file.seek(at)
            yield file.read(size)


def answer(raw: bytes) -> Answered:
    """What a line of a file of results says."""
    try:
        line = _line.decode(raw)
    except UNDECODABLE as error:
        return failed(502, "batch_result_unreadable", f"the result of the provider's batch cannot be read: {error}")
    if line.response is not None and line.response.status_code:
        return Answered(line.response.status_code, bytes(line.response.body))
    told = line.error or _Error()
    code = told.code or "batch_request_failed"
    status = 504 if code == "batch_expired" else 502
    return failed(status, code, told.message or "the provider's batch did not say why")


def without(batch: Found, number: int) -> Answered:
    """For the request on line `number`, counted from 1, of which no file of results says anything."""
    if batch.status == "expired":
        return failed(504, "batch_expired", "the provider's batch expired before this request was asked")
    if batch.status == "cancelled":
        return failed(502, "batch_cancelled", "the provider's batch was cancelled, and not by this gateway")
    if batch.status != "failed":
        return failed(502, "batch_result_missing", "the provider's batch ended without a result of this request")
    troubles = batch.errors.data if batch.errors is not None else []
    own = [one for one in troubles if one.line == number]
    if not own and any(one.line is not None for one in troubles):
        return failed(503, "batch_failed", "the provider's batch failed as another request in it is wrong")
    told = (own or troubles)[:1]
    code = told[0].code or "batch_failed" if told else "batch_failed"
    why = told[0].message or code if told else "it did not say why"
    return failed(429 if code in FULL else 400, code, f"the provider's batch failed: {why}")


def lost() -> Answered:
    """For a request of a batch that the provider no longer knows: it is asked anew."""
    return failed(503, "batch_lost", "the provider does not know this batch any more")


def failed(status: int, code: str, message: str) -> Answered:
    """An error as OpenAI's API gives one."""
    kind = "invalid_request_error" if status == 400 else "server_error"
    return Answered(status, said({"message": message, "type": kind, "param": None, "code": code}))
