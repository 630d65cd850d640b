"""The ASGI application: `/v1/*` straight to the gateway, everything else to the admin application."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from random import Random
from typing import Any

from llmctl.errors import Forbidden, LlmctlError, MethodNotAllowed, UnknownPath
from llmctl.gateway.gateway import Gateway
from llmctl.gateway.reload import Live
from llmctl.model import trace
from llmctl.model.chat import Operation
from llmctl.model.exchange import Dialect as DialectName
from llmctl.model.exchange import Exchange, Principal
from llmctl.model.json import encode
from llmctl.server.anthropic import AnthropicDialect
from llmctl.server.cycle import ANSWER
from llmctl.server.dialect import Dialect
from llmctl.server.http_client import HttpClient, Receive, Send
from llmctl.server.openai import OpenAIDialect
from llmctl.server.responses import ResponsesDialect

Scope = dict[str, Any]
Asgi = Callable[[Any, Any, Any], Awaitable[None]]

CALL = "llmctl.call"
"""In the scope of a request to the application of files and batches: its `Call`."""

_BATCHES = re.compile(r"/v1/(files|batches)(/.*)?", re.DOTALL)
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._:-]{1,128}")
_LOCAL = rb"(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d{1,5})?"
LOCAL_HOST = re.compile(_LOCAL, re.IGNORECASE)
_LOCAL_ORIGIN = re.compile(rb"https?://" + _LOCAL, re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A path under /v1 that starts an exchange."""

    operation: Operation
    name: DialectName
    dialect: Dialect


@dataclass(frozen=True, slots=True)
class Call:
    """Who asks, and under which request id. `refuse` answers with an error, which leaves a record."""

    principal: Principal
    request_id: str
    refuse: Callable[[LlmctlError, Receive, Send], Awaitable[None]]


def endpoints() -> dict[str, Endpoint]:
    """Path to what it does."""
    return {
        "/v1/chat/completions": Endpoint("chat", "openai", OpenAIDialect("chat")),
        "/v1/completions": Endpoint("completion", "openai", OpenAIDialect("completion")),
        "/v1/embeddings": Endpoint("embedding", "openai", OpenAIDialect("embedding")),
        "/v1/responses": Endpoint("chat", "responses", ResponsesDialect()),
        "/v1/messages": Endpoint("chat", "anthropic", AnthropicDialect()),
    }


class App:
    """One ASGI callable for the process. Each request is served by the gateway that is live when it arrives."""

    def __init__(self, live: Live, admin: Asgi, random: Random, batches: Asgi | None = None) -> None:
        """`batches` serves `/v1/files` and `/v1/batches`, where they are configured."""
        self._live = live
        self._admin = admin
        self._batches = batches
        self._random = random
        self._endpoints = endpoints()
        self._unknown = Endpoint("chat", "openai", OpenAIDialect("chat"))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; a client that hangs up cancels it."""
        path: str = scope["path"]
        endpoint = self._endpoints.get(path)
        try:
            if endpoint is not None and scope["method"] == "POST":
                await self._exchange(scope, receive, send, endpoint, None)
            elif path == "/v1/models" or path.startswith("/v1/models/"):
                await self._models(scope, receive, send)
            elif _BATCHES.fullmatch(path):
                await self._files_and_batches(scope, receive, send)
            elif endpoint is not None or path.startswith("/v1/"):
                near = endpoint or (
                    self._endpoints["/v1/messages"] if path.startswith("/v1/messages/") else self._unknown
                )
                await self._exchange(scope, receive, send, near, self._refusal(scope, endpoint))
            else:
                await self._admin(scope, receive, send)
        except asyncio.CancelledError:
            # The protocol cancels this task when its client has gone; there is nobody to answer.
            if (task := asyncio.current_task()) is not None:
                task.uncancel()

    def _refusal(self, scope: Scope, endpoint: Endpoint | None) -> LlmctlError:
        if endpoint is not None:
            return MethodNotAllowed(f"{scope['path']} takes POST, not {scope['method']}", allow="POST")
        more = ("/v1/files", "/v1/batches") if self._batches is not None else ()
        known = ", ".join((*self._endpoints, "/v1/models", *more))
        return UnknownPath(f"no endpoint {scope['path'][:200]!r} here; there are {known}")

    async def _exchange(
        self, scope: Scope, receive: Receive, send: Send, endpoint: Endpoint, refusal: LlmctlError | None
    ) -> None:
        gateway = self._live.gateway
        headers: dict[bytes, bytes] = dict(scope["headers"])
        exchange = self._open(scope, headers, gateway, endpoint)
        declared = int(headers.get(b"content-length", -1))
        policy, limit = gateway.policy.encode(), gateway.config.server.max_body
        client = HttpClient(endpoint.dialect, scope, receive, send, gateway.clock, policy, limit, declared)
        if refusal is None and gateway.open:
            refusal = _foreign(headers)
        if refusal is None:
            await gateway.run(exchange, client)
        else:
            await gateway.refuse(exchange, client, refusal)

    def _open(self, scope: Scope, headers: dict[bytes, bytes], gateway: Gateway, endpoint: Endpoint) -> Exchange:
        """An exchange as far as the head tells."""
        credential = _credential(headers)
        request_id, parent = headers.get(b"x-request-id"), headers.get(b"traceparent")
        if request_id is not None and not _REQUEST_ID.fullmatch(request_id):
            request_id = None
        state = _tracestate(scope["headers"]) if b"tracestate" in headers else ""
        clock = gateway.clock
        now, wall = clock.monotonic(), clock.wall()
        return Exchange(
            request_id.decode("ascii")
            if request_id is not None
            else f"req_{int(wall * 1000):011x}{self._random.getrandbits(64):016x}",
            endpoint.operation,
            endpoint.name,
            {},
            None,
            trace.start(parent.decode("latin-1") if parent is not None else None, self._random, state),
            now,
            wall,
            now + gateway.config.server.request_timeout,
            credential,
            headers=headers,
        )

    async def _models(self, scope: Scope, receive: Receive, send: Send) -> None:
        """`GET /v1/models` and `/v1/models/{name}`, in OpenAI's shape; a refusal is recorded like any other."""
        gateway = self._live.gateway
        headers: dict[bytes, bytes] = dict(scope["headers"])
        exchange = self._open(scope, headers, gateway, self._unknown)
        try:
            if scope["method"] != "GET":
                raise MethodNotAllowed(f"{scope['path'][:200]} takes GET, not {scope['method']}", allow="GET")
            if gateway.open and (foreign := _foreign(headers)):
                raise foreign
            names = gateway.models(gateway.principal(exchange.credential))
            wanted = scope["path"][len("/v1/models/") :]
            if wanted and wanted not in names:
                raise UnknownPath(f"no model {wanted[:200]!r} here", code="model_not_found")
        except LlmctlError as error:
            await self._refuse(gateway, exchange, scope, receive, send, error)
            return
        created = int(self._live.loaded_at)
        entries = [
            {"id": name, "object": "model", "created": created, "owned_by": "llmctl"}
            for name in ([wanted] if wanted else names)
        ]
        body = encode(entries[0] if wanted else {"object": "list", "data": entries})
        head = b"content-type: application/json\r\nx-request-id: %b\r\n" % exchange.id.encode("ascii")
        await send({"type": ANSWER, "status": 200, "head": head, "body": body, "more_body": False})

    async def _files_and_batches(self, scope: Scope, receive: Receive, send: Send) -> None:
        """`/v1/files` and `/v1/batches`, for callers that are known; a refusal is recorded like any other."""
        gateway = self._live.gateway
        headers: dict[bytes, bytes] = dict(scope["headers"])
        exchange = self._open(scope, headers, gateway, self._unknown)

        async def refuse(error: LlmctlError, receive: Receive, send: Send) -> None:
            await self._refuse(gateway, exchange, scope, receive, send, error)

        try:
            if self._batches is None:
                raise UnknownPath("there are no files and batches here: the configuration has no section `batches`")
            if gateway.open and (foreign := _foreign(headers)):
                raise foreign
            exchange.principal = gateway.principal(exchange.credential)
        except LlmctlError as error:
            await refuse(error, receive, send)
            return
        scope[CALL] = Call(exchange.principal, exchange.id, refuse)
        await self._batches(scope, receive, send)

    async def _refuse(
        self, gateway: Gateway, exchange: Exchange, scope: Scope, receive: Receive, send: Send, error: LlmctlError
    ) -> None:
        policy, limit = gateway.policy.encode(), gateway.config.server.max_body
        client = HttpClient(self._unknown.dialect, scope, receive, send, gateway.clock, policy, limit, -1)
        await gateway.refuse(exchange, client, error)


def _foreign(headers: dict[bytes, bytes]) -> Forbidden | None:
    """Without keys the port is for programs on this machine: not for a web page, whatever its browser lets it send."""
    if not LOCAL_HOST.fullmatch(headers.get(b"host", b"")):
        what = "the Host header names another"
    elif b"origin" in headers and not _LOCAL_ORIGIN.fullmatch(headers[b"origin"]):
        what = "a web page of another origin asks"
    elif headers.get(b"sec-fetch-site", b"none") not in (b"none", b"same-origin"):
        what = "a web page of another site asks"
    else:
        return None
    return Forbidden(f"without keys only programs on this machine are served, and {what}; add a key")


def _credential(headers: dict[bytes, bytes]) -> str | None:
    """The key of `Authorization: Bearer`, else of `x-api-key`."""
    if (value := headers.get(b"authorization")) is not None and value[:7].lower() == b"bearer ":
        return value[7:].strip().decode("latin-1")
    return value.decode("latin-1") if (value := headers.get(b"x-api-key")) is not None else None


def _tracestate(headers: list[tuple[bytes, bytes]]) -> str:
    """A `tracestate` fit to be sent on, its lines joined, or nothing."""
    text = b",".join(value for name, value in headers if name == b"tracestate").decode("latin-1")
    return text if len(text) <= 512 and text.isascii() and text.isprintable() else ""
