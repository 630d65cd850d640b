"""The lines of a batch's input file, and those of what comes out of it.

Source: https://platform.openai.com/docs/guides/batch.
"""

import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Raw, Struct

from llmctl.batches.objects import Tokens, Trouble
from llmctl.model.json import UNDECODABLE, compact, encode

MOST_TROUBLES = 100
AROUND_BODY = 4096  # bytes of a line beside its body


class Line(Struct, frozen=True):
    """One request; `number` counts the file's lines from 1, and `body` is JSON text."""

    number: int
    custom_id: str
    body: bytes


class Checked(Struct, frozen=True):
    """What is known of a file that has been read through: with `troubles` it is no use."""

    total: int
    model: str | None
    troubles: list[Trouble]


class _Input(Struct, frozen=True):
    custom_id: Annotated[str, Meta(min_length=1, max_length=256)]
    method: Literal["POST"]
    url: str
    body: Raw


class _Model(Struct, frozen=True):
    model: str | None = None


class _Done(Struct, frozen=True):
    custom_id: str


class _Details(Struct, frozen=True):
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None


class _Usage(Struct, frozen=True):
    """Chat's, completions' and embeddings' names, and those of responses."""

    prompt_tokens: int | None = None
    input_tokens: int | None = None
    completion_tokens: int | None = None
    output_tokens: int | None = None
    prompt_tokens_details: _Details | None = None
    input_tokens_details: _Details | None = None
    completion_tokens_details: _Details | None = None
    output_tokens_details: _Details | None = None


class _Body(Struct, frozen=True):
    usage: _Usage | None = None


class _Response(Struct, frozen=True):
    body: Raw


class _Result(Struct, frozen=True):
    response: _Response | None = None


_input = msgspec.json.Decoder(_Input)
_model = msgspec.json.Decoder(_Model)
_done = msgspec.json.Decoder(_Done)
_body = msgspec.json.Decoder(_Body)
_result = msgspec.json.Decoder(_Result)


class Check:
    """Reads a file through before any of it is asked, in steps, so that nobody has to wait for all of it."""

    def __init__(self, path: Path, endpoint: str, *, max_requests: int, max_body: int) -> None:
        self._lines = _raw(path, max_body + AROUND_BODY)
        self._endpoint, self._max_requests, self._max_body = endpoint, max_requests, max_body
        self._seen: set[str] = set()
        self._models: set[str | None] = set()
        self._troubles: list[Trouble] = []

    def step(self, lines: int = 64) -> bool:
        """Look at some more lines; whether there may be others. Raises FileNotFoundError. Blocks."""
        number = 0
        for number, raw in islice(self._lines, lines):
            if (trouble := self._wrong(number, raw)) is not None:
                self._troubles.append(trouble)
        if len(self._seen) > self._max_requests:
            most = f"more than {self._max_requests:,} requests (batches.max_requests); split the file"
            self._troubles.append(Trouble("too_many_requests", most))
            return False
        return bool(number) and len(self._troubles) < MOST_TROUBLES

    def found(self) -> Checked:
        """What was found, after the last step."""
        if not self._seen and not self._troubles:
            self._troubles.append(Trouble("empty_file", "the input file has no requests"))
        only = next(iter(self._models)) if len(self._models) == 1 else None
        return Checked(len(self._seen), only, self._troubles[:MOST_TROUBLES])

    def _wrong(self, number: int, raw: bytes) -> Trouble | None:
        """What is wrong with a line; else its id and model are added to those seen."""
        if len(raw) > self._max_body + AROUND_BODY:
            most = f"the request is over {self._max_body:,} bytes (server.max_body)"
            return Trouble("line_too_long", most, number)
        try:
            line = _input.decode(raw)
            body = _model.decode(line.body)
        except msgspec.ValidationError as error:
            return Trouble("invalid_request", f"not a request of a batch: {error}", number)
        except UNDECODABLE:
            return Trouble("invalid_json_line", "not a JSON object; write one request a line", number)
        if line.url != self._endpoint:
            return Trouble("url_mismatch", f"the batch is for {self._endpoint}, this request is not", number, "url")
        if line.custom_id in self._seen:
            return Trouble("duplicate_custom_id", "another line has the same custom_id", number, "custom_id")
        self._seen.add(line.custom_id)
        self._models.add(body.model)
        return None


def read(path: Path) -> Iterator[Line]:
    """The requests of a file that has been checked. Blocks."""
    for number, raw in _raw(path, sys.maxsize - 2):
        found = _input.decode(raw)
        yield Line(number, found.custom_id, bytes(found.body))


def answered(path: Path) -> Iterator[str]:
    """The `custom_id`s in a file of results, of which the last line may be torn. Blocks."""
    if path.exists():
        with path.open("rb") as file:
            for raw in file:
                if raw.endswith(b"\n"):
                    yield _done.decode(raw).custom_id


def tokens(body: bytes) -> Tokens:
    """What an answer says it used; nothing where it says nothing."""
    try:
        usage = _body.decode(body).usage
    except UNDECODABLE:
        return Tokens()
    if usage is None:
        return Tokens()
    read, made = usage.prompt_tokens_details or usage.input_tokens_details, usage.completion_tokens_details
    made = made or usage.output_tokens_details
    return Tokens(
        usage.prompt_tokens or usage.input_tokens or 0,
        (read.cached_tokens or 0) if read is not None else 0,
        usage.completion_tokens or usage.output_tokens or 0,
        (made.reasoning_tokens or 0) if made is not None else 0,
    )


def spent(path: Path) -> Tokens:
    """What all answers in a file of results say. Blocks."""
    total = Tokens()
    if path.exists():
        with path.open("rb") as file:
            for raw in file:
                if raw.endswith(b"\n") and (response := _result.decode(raw).response) is not None:
                    total += tokens(bytes(response.body))
    return total


def result(ident: str, custom_id: str, status: int, request_id: str, body: bytes) -> bytes:
    """A line of the output file, or of the error file where `status` is none of success. `body` is JSON text."""
    response = {"status_code": status, "request_id": request_id, "body": Raw(compact(body))}
    return encode({"id": ident, "custom_id": custom_id, "response": response, "error": None}) + b"\n"


def unasked(ident: str, custom_id: str, code: str, message: str) -> bytes:
    """A line of the error file for a request that was not made."""
    error = {"code": code, "message": message}
    return encode({"id": ident, "custom_id": custom_id, "response": None, "error": error}) + b"\n"


def _raw(path: Path, longest: int) -> Iterator[tuple[int, bytes]]:
    """Numbered lines that are not blank; one over `longest` bytes comes cut, and its rest is passed over."""
    number = 0
    with path.open("rb") as file:
        while raw := file.readline(longest + 2):
            number += 1
            rest = raw
            while not rest.endswith(b"\n") and (rest := file.readline(longest)):
                pass
            if raw.strip():
                yield number, raw
