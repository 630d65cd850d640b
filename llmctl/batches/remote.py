"""A provider's `/files` and `/batches`, as far as they are needed: upload, create, find again, look, fetch, cancel.

Source: https://platform.openai.com/docs/api-reference/batch and /files. What can be made twice without harm is tried
again here; whoever waits has hours.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeVar

import msgspec
from msgspec import Struct, field, structs

from llmctl.clock import Clock
from llmctl.errors import LlmctlError, UpstreamError, UpstreamProtocolError
from llmctl.model.json import UNDECODABLE, encode
from llmctl.net.transport import Request, Transport
from llmctl.providers.http import retry_after
from llmctl.providers.openai import BOUNDARY, BatchApi

CALL = 600.0  # seconds for one call; an upload may have 90 MB
TRIES = 10  # of an upload or a creation: about half an hour
LEAST_WAIT, MOST_WAIT = 2.0, 300.0
PAGES = 20  # of 100 batches each, when one is looked for
MOST_RESULT = 1024**3

T = TypeVar("T", bound=Struct)


class Refused(LlmctlError):
    """The provider did not take it; `status`, `headers` and `body` are what it said."""

    def __init__(self, status: int, headers: dict[bytes, bytes], body: bytes) -> None:
        super().__init__(f"the provider's batch API answered HTTP {status}")
        self.status, self.headers, self.body = status, headers, body

    @property
    def passing(self) -> bool:
        """Whether it may take it later."""
        return self.status in (408, 409, 425, 429) or self.status >= 500


class Alone(LlmctlError):
    """Nobody waits any more: there is nothing to try again."""


class Trouble(Struct, frozen=True):
    """Why a batch failed as a whole; `line` counts from 1."""

    code: str | None = None
    message: str | None = None
    line: int | None = None


class Troubles(Struct, frozen=True):
    """OpenAI's list of them."""

    data: list[Trouble] = field(default_factory=list)


class Found(Struct, frozen=True):
    """A batch at the provider's."""

    id: str
    status: str = ""
    input_file_id: str | None = None
    output_file_id: str | None = None
    error_file_id: str | None = None
    errors: Troubles | None = None

    @property
    def ended(self) -> bool:
        """Whether it stays as it is."""
        return self.status in ("completed", "failed", "expired", "cancelled")


class _File(Struct, frozen=True):
    id: str


class _Page(Struct, frozen=True):
    data: list[Found]
    has_more: bool = False


class Remote:
    """One provider's batch API over the real transport. `pause` sleeps, or raises Alone."""

    def __init__(
        self, api: BatchApi, transport: Transport, clock: Clock, pause: Callable[[float], Awaitable[None]]
    ) -> None:
        self.api = api
        self._transport = transport
        self._clock = clock
        self._pause = pause

    async def upload(self, name: str, data: bytes) -> str:
        """The id of the new file. Raises Refused or UpstreamError, after some tries."""
        body = _form(name, data)
        made = await self._tried(lambda: self._post(b"/files", body, form=True), _File)
        return made.id

    async def create(self, file: str, url: str, *, before: bool) -> Found:
        """The batch of that file. `before` says that it may have been made already. Raises as `upload` does.

        Making it twice would cost twice: after any failure that leaves it open, it is looked for first.
        """
        wish = encode({"input_file_id": file, "endpoint": url, "completion_window": "24h"})
        for tried in range(1, TRIES + 1):
            try:
                if before and (found := await self.find(file)) is not None:
                    return found
                before = False  # it is not there: only what goes wrong from here on leaves it open
                return await self._one(self._post(b"/batches", wish), Found)
            except (UpstreamError, Refused) as error:
                before = before or not isinstance(error, Refused) or error.status >= 500
                await self._wait(error, tried)
        raise AssertionError("the last try raises")

    async def find(self, file: str) -> Found | None:
        """The batch of that file, if there is one. Raises Refused or UpstreamError."""
        after = ""
        for _ in range(PAGES):
            page = await self._one(self._get(f"/batches?limit=100{after}"), _Page)
            for one in page.data:
                if one.input_file_id == file:
                    return one
            if not page.has_more or not page.data:
                return None
            after = f"&after={page.data[-1].id}"
        return None

    async def look(self, batch: str) -> Found:
        """How it is. Raises Refused or UpstreamError."""
        return await self._one(self._get(f"/batches/{batch}"), Found)

    async def cancel(self, batch: str) -> None:
        """End it; what it has done is paid for. Raises Refused or UpstreamError."""
        await self._one(self._post(f"/batches/{batch}/cancel".encode(), b""), Found)

    async def content(self, file: str) -> AsyncIterator[bytes]:
        """A file's content in pieces. Raises Refused or UpstreamError."""
        response = await self._transport.send(self._get(f"/files/{file}/content"))
        try:
            if response.status != 200:
                raise Refused(response.status, response.headers, await response.read())
            async for data in response.stream():
                yield data
        finally:
            response.close()

    def _post(self, path: bytes, body: bytes, *, form: bool = False) -> Request:
        endpoint = self.api.form if form else self.api.plain
        return endpoint.request(path, body, deadline=self._clock.monotonic() + CALL)

    def _get(self, path: str) -> Request:
        request = self.api.plain.get(path.encode("ascii"), deadline=self._clock.monotonic() + CALL)
        return structs.replace(request, max_body=MOST_RESULT)

    async def _one(self, request: Request, kind: type[T]) -> T:
        response = await self._transport.send(request)
        body = await response.read()
        if not 200 <= response.status < 300:
            raise Refused(response.status, response.headers, body)
        try:
            return msgspec.json.decode(body, type=kind)
        except UNDECODABLE as error:
            what = request.target.decode("latin-1")
            raise UpstreamProtocolError(
                f"the provider's {what} answered with what OpenAI's does not: {error}"
            ) from None

    async def _tried(self, request: Callable[[], Request], kind: type[T]) -> T:
        for tried in range(1, TRIES + 1):
            try:
                return await self._one(request(), kind)
            except (UpstreamError, Refused) as error:
                await self._wait(error, tried)
        raise AssertionError("the last try raises")

    async def _wait(self, error: UpstreamError | Refused, tried: int) -> None:
        """Before the next try. Raises `error` where there is none."""
        asked = 0.0
        if isinstance(error, Refused):
            if not error.passing:
                raise error
            asked = retry_after(error.headers) or 0.0
        if tried >= TRIES:
            raise error
        await self._pause(min(max(asked, LEAST_WAIT * 2.0 ** (tried - 1)), MOST_WAIT))


def _form(name: str, data: bytes) -> bytes:
    """An upload as multipart/form-data (RFC 7578)."""
    between = f"--{BOUNDARY}\r\n".encode()
    purpose = b'content-disposition: form-data; name="purpose"\r\n\r\nbatch\r\n'
    head = f'content-disposition: form-data; name="file"; filename="{name}.jsonl"\r\n'.encode()
    kind = b"content-type: application/jsonl\r\n\r\n"
    return b"".join((between, purpose, between, head, kind, data, f"\r\n--{BOUNDARY}--\r\n".encode()))


def said(body: Any) -> bytes:
    """An error as OpenAI's API gives one."""
    return encode({"error": body})
