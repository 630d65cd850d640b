"""An upstream that answers from a script, in memory and by seed: for tests, drills and load tests without a network.

The same engine listens on a socket in `llmctl.testing.scripted`.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import ClassVar

from llmctl.errors import UpstreamError, UpstreamLost, UpstreamProtocolError, UpstreamTimeout
from llmctl.net.transport import Request, Response, Transport
from llmctl.providers.base import ProviderOptions
from llmctl.providers.http import HttpOptions
from llmctl.providers.openai import OpenAI, OpenAIOptions
from llmctl.providers.script import Script
from llmctl.providers.script_engine import Action, Close, Engine, Hang, Head, Raw, Reset, Send, Wait


class ScriptedOptions(HttpOptions, Script):
    """Options of `scripted`: a script, and the timeouts that every HTTP provider has."""


class Scripted(OpenAI):
    """The OpenAI translation, over a transport that answers by itself."""

    Options: ClassVar[type[ProviderOptions]] = ScriptedOptions

    def __init__(self, name: str, options: ScriptedOptions) -> None:
        shared = {field: getattr(options, field) for field in HttpOptions.model_fields}
        super().__init__(name, OpenAIOptions(base_url="http://scripted.invalid/v1", **shared))
        self._transport = ScriptedTransport(options)

    def probe(self, deadline: float) -> Request | None:
        """None: it is always there."""
        return None

    @property
    def transport(self) -> Transport | None:
        """Its own, without sockets."""
        return self._transport


class ScriptedTransport:
    """A `Transport` that plays an engine's actions with real sleeps, under the request's timeouts and deadline."""

    def __init__(self, script: Script) -> None:
        self.engine = Engine(script)

    async def send(self, request: Request) -> Response:
        """Returns when the script has come to the answer's head."""
        playback = _Playback(self.engine.plan(request.target, request.body), request)
        await playback.begin()
        return playback


class _Playback:
    """One answer being played; a `Response`. Waits add up from the start, so that late wake-ups do not."""

    def __init__(self, actions: list[Action], request: Request) -> None:
        self.status = 0
        self.headers: dict[bytes, bytes] = {}
        self._actions = iter(actions)
        self._request = request
        self._loop = asyncio.get_running_loop()
        self._due = self._loop.time()
        self._phase, self._allowed = "first_byte", request.timeouts.first_byte
        self._heard = self._due
        self._length: int | None = None
        self._sent = 0
        self._closed = False

    async def begin(self) -> None:
        """Play up to the head."""
        if self._loop.time() >= self._request.deadline:
            raise self._late("total")
        await self._step()

    async def read(self) -> bytes:
        """The whole body."""
        parts = []
        async for part in self.stream():
            parts.append(part)
            if self._sent > self._request.max_body:
                limit = f"{self._request.max_body:,} bytes"
                raise UpstreamProtocolError(
                    f"upstream's answer is over {limit}; raise max_response if that is expected"
                )
        return b"".join(parts)

    async def stream(self) -> AsyncIterator[bytes]:
        """The body, what is sent at one time in one piece."""
        while not self._closed and (data := await self._step()) is not None:
            if data:
                yield data
        if not self._closed and self._length is not None and self._sent < self._length:
            raise self._lost()

    def close(self) -> None:
        """Play no further."""
        self._closed = True

    async def _step(self) -> bytes | None:
        """Play up to the head (empty), or to the next pause after a piece of the body, or to the end (None)."""
        pieces: list[bytes] = []
        for action in self._actions:
            match action:
                case Wait(seconds):
                    self._due += seconds
                    if pieces:
                        break
                    await self._pause()
                case Head():
                    self.status, self._length = action.status, action.length
                    self.headers = dict(action.headers)
                    if action.length is not None:
                        self.headers[b"content-length"] = b"%d" % action.length
                    self._phase, self._allowed = "idle", self._request.timeouts.idle
                    return b""
                case Send(data):
                    if not pieces:
                        await self._pause()
                    pieces.append(data)
                case _:
                    if pieces:
                        self._actions = iter((action,))
                        break
                    await self._fail(action)
        if not pieces:
            return None
        data = b"".join(pieces)
        self._sent += len(data)
        self._heard = self._loop.time()
        return data

    async def _pause(self) -> None:
        """Sleep until the script goes on; raise where a timeout or the deadline comes first."""
        limit, phase = self._heard + self._allowed, self._phase
        if self._request.deadline < limit:
            limit, phase = self._request.deadline, "total"
        now = self._loop.time()
        until = min(self._due, limit)
        if until > now:
            await asyncio.sleep(until - now)
        if self._due > limit:
            raise self._late(phase)

    async def _fail(self, action: Raw | Close | Reset | Hang) -> None:
        if isinstance(action, Hang):
            self._due = float("inf")
        await self._pause()
        if isinstance(action, Raw):
            raise UpstreamProtocolError(f"{self._request.origin} sent what is not HTTP/1.1")
        raise self._lost()

    def _lost(self) -> UpstreamError:
        return UpstreamLost(f"{self._request.origin} closed the connection before its answer was complete")

    def _late(self, phase: str) -> UpstreamTimeout:
        what = "the exchange's deadline passed" if phase == "total" else f"{phase} timeout"
        return UpstreamTimeout(f"{self._request.origin}: {what} before the answer was complete", phase=phase)
