"""`/v1/files` and `/v1/batches` as OpenAI has them.

Source: https://platform.openai.com/docs/api-reference/files and /batch. An application of its own behind `App`, which
knows the caller by then. Whatever it refuses leaves a record; what it does is not an exchange and leaves none.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any

from msgspec import structs
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from llmctl.batches.asking import Entry
from llmctl.batches.lane import Lane
from llmctl.batches.shelf import Shelf, Upload
from llmctl.batches.store import Store
from llmctl.config.schema_cost import BatchesConfig
from llmctl.errors import (
    BodyTooLarge,
    ClientGone,
    InvalidRequest,
    LlmctlError,
    MethodNotAllowed,
    StoreError,
    UnknownPath,
)
from llmctl.gateway.reload import Live
from llmctl.model.json import JsonObject
from llmctl.server.asgi import CALL, Call, Endpoint, endpoints
from llmctl.server.batches_form import MOST_FIELD, MOST_HEADERS, MOST_PARTS, Form, boundary
from llmctl.server.openai import decode_json
from llmctl.server.protocol import FAILURE

Handler = Callable[[Request], Awaitable[Response]]

MOST_JSON = 65536
AROUND_FILE = MOST_PARTS * (MOST_HEADERS + MOST_FIELD)  # bytes of a form beside the file
WRITE = 1024 * 1024  # bytes that are collected before a thread writes them
READ = 256 * 1024
SHORTEST, LONGEST = 3600, 2592000  # of `expires_after`, in seconds


def make_batches(live: Live, config: BatchesConfig, random: Random, log: Callable[..., None]) -> tuple[Lane, Starlette]:
    """The lane and the application, around the same folder. Raises StoreError where that cannot be made."""
    clock = live.gateway.clock
    store = Store(Path(config.dir), config.keep, clock)
    try:
        store.open()
    except OSError as error:
        why = error.strerror or error
        raise StoreError(f"batches.dir {config.dir}: {why}; name a folder that the gateway may write to") from None
    entries = batch_entries(endpoints())
    lane = Lane(live, store, config, entries, clock, random, log)
    return lane, batches_app(store, config, tuple(entries), lane.wake)


def batch_entries(all_: Mapping[str, Endpoint]) -> dict[str, Entry]:
    """Those endpoints that OpenAI's batches may be for."""
    return {path: entry for path, entry in all_.items() if entry.name != "anthropic"}


def batches_app(store: Store, config: BatchesConfig, paths: Sequence[str], wake: Callable[[], None]) -> Starlette:
    """The application. `paths` are the endpoints that batches may be for; `wake` tells the lane of something new."""
    files, batches = _Files(store, config), _Batches(store, paths, wake)
    routes = [
        _route("/v1/files", POST=files.upload, GET=files.index),
        _route("/v1/files/{id}", GET=files.show, DELETE=files.delete),
        _route("/v1/files/{id}/content", GET=files.content),
        _route("/v1/batches", POST=batches.create, GET=batches.index),
        _route("/v1/batches/{id}", GET=batches.show),
        _route("/v1/batches/{id}/cancel", POST=batches.cancel),
    ]
    told = {LlmctlError: _refused, OSError: _disk, Exception: _bug, 404: _missing, 405: _method}
    app = Starlette(routes=routes, exception_handlers=told)
    app.router.redirect_slashes = False
    return app


def _route(path: str, **handlers: Handler) -> Route:
    """One path and what each method does there."""

    async def handle(request: Request) -> Response:
        return await handlers["GET" if request.method == "HEAD" else request.method](request)

    return Route(path, handle, methods=list(handlers))


class _Files:
    def __init__(self, store: Store, config: BatchesConfig) -> None:
        self._store = store
        self._max_file = config.max_file

    async def upload(self, request: Request) -> Response:
        shelf = _shelf(self._store, request)
        if int(request.headers.get("content-length", "0")) > self._max_file + AROUND_FILE:
            raise self._too_large()
        limit = boundary(request.headers.get("content-type", ""))
        upload = await asyncio.to_thread(shelf.upload)
        try:
            form = await self._receive(request, upload, limit)
            purpose, stays = form.fields.get("purpose"), _expiry(form)
            if purpose != "batch":
                raise InvalidRequest("`purpose` must be `batch`: other files have no use here", param="purpose")
            if form.filename is None:
                raise InvalidRequest("the form has no `file`", param="file", code="missing_required_parameter")
            file = await asyncio.to_thread(shelf.add, upload, form.filename, stays)
        finally:
            await asyncio.to_thread(upload.close)
        return _json(request, file.shown())

    async def _receive(self, request: Request, upload: Upload, limit: bytes) -> Form:
        buffer = bytearray()
        size = 0

        async def keep(data: bytes) -> None:
            nonlocal size
            size += len(data)
            if size > self._max_file:
                raise self._too_large()
            buffer.extend(data)
            if len(buffer) >= WRITE:
                await asyncio.to_thread(upload.write, bytes(buffer))
                buffer.clear()

        form = Form(limit, keep)
        async for data in _body(request, self._max_file + AROUND_FILE):
            await form.feed(data)
        if not form.complete:
            raise InvalidRequest("the form has no end: its last boundary is missing")
        await asyncio.to_thread(upload.write, bytes(buffer))
        return form

    def _too_large(self) -> BodyTooLarge:
        return BodyTooLarge(f"the file is over {self._max_file:,} bytes (batches.max_file)")

    async def index(self, request: Request) -> Response:
        shelf, query = _shelf(self._store, request), request.query_params
        if (order := query.get("order", "desc")) not in ("asc", "desc"):
            raise InvalidRequest("`order` must be `asc` or `desc`", param="order")
        limit, rising, purpose = _limit(request, 10_000, 10_000), order == "asc", query.get("purpose")
        found, more = await asyncio.to_thread(
            lambda: shelf.files(query.get("after"), limit, rising=rising, purpose=purpose)
        )
        return _list(request, [(one.id, one.shown()) for one in found], more)

    async def show(self, request: Request) -> Response:
        shelf = _shelf(self._store, request)
        return _json(request, (await asyncio.to_thread(shelf.file, request.path_params["id"])).shown())

    async def content(self, request: Request) -> Response:
        shelf = _shelf(self._store, request)
        file = await asyncio.to_thread(shelf.file, request.path_params["id"])
        headers = {**_head(request), "content-length": str(file.bytes)}
        opened = await asyncio.to_thread(shelf.data(file.id).open, "rb")

        async def pieces() -> AsyncIterator[bytes]:
            try:
                while data := await asyncio.to_thread(opened.read, READ):
                    yield data
            finally:
                opened.close()

        return StreamingResponse(pieces(), headers=headers, media_type="application/octet-stream")

    async def delete(self, request: Request) -> Response:
        ident = request.path_params["id"]
        await asyncio.to_thread(_shelf(self._store, request).delete, ident)
        return _json(request, {"id": ident, "object": "file", "deleted": True})


class _Batches:
    def __init__(self, store: Store, paths: Sequence[str], wake: Callable[[], None]) -> None:
        self._store = store
        self._endpoints = paths
        self._wake = wake

    async def create(self, request: Request) -> Response:
        shelf, principal = _shelf(self._store, request), _call(request).principal
        wish = decode_json(b"".join([data async for data in _body(request, MOST_JSON)]))
        if not isinstance(wish, dict):
            raise InvalidRequest("the request body: expected an object")
        for name in ("input_file_id", "endpoint", "completion_window"):
            if not isinstance(wish.get(name), str):
                raise InvalidRequest(f"`{name}` is required", param=name, code="missing_required_parameter")
        if wish["completion_window"] != "24h":
            raise InvalidRequest("`completion_window` must be `24h`", param="completion_window")
        if wish["endpoint"] not in self._endpoints:
            there = ", ".join(self._endpoints)
            raise InvalidRequest(f"`endpoint` must be one of {there}", param="endpoint")
        metadata, stays = _metadata(wish.get("metadata")), _stays(wish.get("output_expires_after"))
        file = await asyncio.to_thread(_input_file, shelf, wish["input_file_id"])
        batch = shelf.new_batch(principal.tenant, principal.key, principal.priority, wish["endpoint"], file)
        batch = structs.replace(batch, metadata=metadata, output_keep=stays)
        await asyncio.to_thread(shelf.enqueue, batch)
        self._wake()
        return _json(request, batch.shown())

    async def index(self, request: Request) -> Response:
        shelf, limit = _shelf(self._store, request), _limit(request, 20, 100)
        found, more = await asyncio.to_thread(shelf.batches, request.query_params.get("after"), limit)
        return _list(request, [(one.id, one.shown()) for one in found], more)

    async def show(self, request: Request) -> Response:
        shelf = _shelf(self._store, request)
        return _json(request, (await asyncio.to_thread(shelf.batch, request.path_params["id"])).shown())

    async def cancel(self, request: Request) -> Response:
        shelf = _shelf(self._store, request)
        batch = await asyncio.to_thread(shelf.cancel, request.path_params["id"])
        self._wake()
        return _json(request, batch.shown())


# --- what a request says


def _call(request: Request) -> Call:
    call: Call = request.scope[CALL]
    return call


def _shelf(store: Store, request: Request) -> Shelf:
    return store.shelf(_call(request).principal.tenant)


async def _body(request: Request, most: int) -> AsyncIterator[bytes]:
    """The body as it comes. Raises ClientGone, BodyTooLarge, and whatever keeps it from being read."""
    size, more = 0, True
    while more:
        message = await request.receive()
        if (failure := request.scope.get(FAILURE)) is not None:
            raise failure
        if message["type"] == "http.disconnect":
            raise ClientGone("the client closed the connection before its request was complete")
        data = message.get("body", b"")
        size += len(data)
        if size > most:
            raise BodyTooLarge(f"the request body is over {most:,} bytes")
        yield data
        more = message.get("more_body", False)


def _limit(request: Request, default: int, most: int) -> int:
    text = request.query_params.get("limit", str(default))
    if not re.fullmatch(r"[0-9]{1,6}", text) or not 1 <= int(text) <= most:
        raise InvalidRequest(f"`limit` must be between 1 and {most:,}", param="limit")
    return int(text)


def _expiry(form: Form) -> int | None:
    """`expires_after`, whose two fields forms spell with brackets."""
    found = {name: form.fields.get(f"expires_after[{name}]") for name in ("anchor", "seconds")}
    if found["anchor"] is None and found["seconds"] is None:
        return None
    seconds = found["seconds"] or ""
    number = int(seconds) if re.fullmatch(r"[0-9]{1,9}", seconds) else None
    return _stays({"anchor": found["anchor"], "seconds": number}, "expires_after")


def _stays(wish: object, param: str = "output_expires_after") -> int | None:
    """Seconds that a file is to stay, if that is said. Raises InvalidRequest."""
    if wish is None:
        return None
    seconds = wish.get("seconds") if isinstance(wish, dict) and wish.get("anchor") == "created_at" else None
    if not isinstance(seconds, int) or isinstance(seconds, bool) or not SHORTEST <= seconds <= LONGEST:
        want = f"`anchor` must be `created_at`, and `seconds` between {SHORTEST:,} and {LONGEST:,}"
        raise InvalidRequest(f"`{param}`: {want}", param=param)
    return seconds


def _metadata(wish: object) -> dict[str, str] | None:
    """OpenAI's bounds: 16 pairs, keys of 64 characters, values of 512."""
    if wish is None:
        return None
    if isinstance(wish, dict) and len(wish) <= 16:
        strings = {key: value for key, value in wish.items() if isinstance(value, str)}
        if len(strings) == len(wish) and all(len(key) <= 64 and len(each) <= 512 for key, each in strings.items()):
            return strings
    most = "at most 16 strings of 512 characters, with keys of 64"
    raise InvalidRequest(f"`metadata` must be an object of {most}", param="metadata")


def _input_file(shelf: Shelf, ident: str) -> str:
    """The id of a file fit to be a batch's input. Raises UnknownPath or InvalidRequest."""
    file = shelf.file(ident)
    if file.purpose != "batch":
        raise InvalidRequest("the input file must have been uploaded with `purpose` `batch`", param="input_file_id")
    return file.id


# --- what is answered


def _head(request: Request) -> dict[str, str]:
    ident = _call(request).request_id
    return {"x-request-id": ident, "x-llmctl-request-id": ident}


def _json(request: Request, body: JsonObject) -> Response:
    return JSONResponse(body, headers=_head(request))


def _list(request: Request, found: list[tuple[str, JsonObject]], more: bool) -> Response:
    ids = [ident for ident, _ in found]
    ends = {"first_id": ids[0] if ids else None, "last_id": ids[-1] if ids else None}
    return _json(request, {"object": "list", "data": [one for _, one in found], **ends, "has_more": more})


class _Refusal(Response):
    """An error as every other endpoint tells it."""

    def __init__(self, call: Call, error: LlmctlError) -> None:
        super().__init__(status_code=error.http_status)
        self._call, self._error = call, error

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self._call.refuse(self._error, receive, send)


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, LlmctlError)
    return _Refusal(_call(request), error)


async def _disk(request: Request, error: Exception) -> Response:
    why = error.strerror if isinstance(error, OSError) else error
    return _Refusal(_call(request), StoreError(f"batches.dir cannot be read or written: {why}; ask the operator"))


async def _bug(request: Request, error: Exception) -> Response:
    """Starlette raises the error again behind this, so that the log has it."""
    call = _call(request)
    said = f"internal error in llmctl; the log has the details near request id {call.request_id}"
    return _Refusal(call, LlmctlError(said))


async def _missing(request: Request, error: Exception) -> Response:
    return _Refusal(_call(request), UnknownPath(f"no endpoint {request.url.path[:200]!r} here"))


async def _method(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    allowed = (error.headers or {}).get("Allow", "")
    what = f"{request.url.path[:200]} takes {allowed}, not {request.method}"
    return _Refusal(_call(request), MethodNotAllowed(what, allow=allowed))
