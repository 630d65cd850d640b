"""A gateway with several models, each of which plays its own part: without sockets, or on real ones."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from llmctl.clock import Clock, SystemClock
from llmctl.gateway.build import build
from llmctl.gateway.target import Standing
from llmctl.model.chat import Operation
from llmctl.model.json import encode
from llmctl.model.record import Record
from llmctl.net.pool import Pool
from llmctl.net.transport import Request, Transport
from llmctl.testing.asking import Asked, Client, stream, whole
from llmctl.testing.config import loaded
from llmctl.testing.gateway import PlayedResponse, PlayedTransport, Remember, exchange, surroundings
from llmctl.testing.scripted import ScriptedServer, ServerScript

FALLBACKS = "kind: fixed, model: a, fallbacks: [b, c]"
MODELS = "a: {provider: up}, b: {provider: up}, c: {provider: up}"
AT_ONCE = "retry: {backoff: 0}, probe_every: null"
EVENTS = {b"content-type": b"text/event-stream"}


async def at_once() -> None:
    await asyncio.sleep(0)


async def for_ever() -> None:
    await asyncio.Event().wait()


@dataclass(frozen=True)
class Part:
    """One answer. `step` is awaited before the head and before each piece."""

    pieces: tuple[bytes | Exception, ...] = ()
    status: int = 200
    headers: dict[bytes, bytes] = field(default_factory=dict)
    step: Callable[[], Awaitable[None]] = at_once
    error: Exception | None = None


def says(text: str | None = "fine", **message: Any) -> Part:
    return Part((whole(text, **message),))


def streams(*pieces: str | dict[str, Any]) -> Part:
    return Part(tuple(stream(pieces)), headers=EVENTS)


def breaks(error: Exception, *pieces: str | dict[str, Any]) -> Part:
    """A stream that has begun and breaks off after these pieces."""
    begun = stream(pieces, usage=False)[:-2]
    return Part((*begun, error), headers=EVENTS)


def refuses(status: int, *, retry_after: float | None = None, code: str | None = None, why: str = "no") -> Part:
    headers = {} if retry_after is None else {b"retry-after": b"%g" % retry_after}
    return Part((encode({"error": {"message": why, "type": "t", "code": code}}),), status, headers)


def fails(error: Exception) -> Part:
    return Part(error=error)


def hangs() -> Part:
    return Part(step=for_ever)


class Troupe:
    """A gateway with the models `a`, `b` and `c`, and the route `r` between them."""

    def __init__(
        self,
        folder: Path,
        transport: Transport,
        route: str = FALLBACKS,
        *,
        models: str = MODELS,
        resilience: str = AT_ONCE,
        clock: Clock | None = None,
        base_url: str = "http://127.0.0.1:9/v1",
    ) -> None:
        config = (
            f'guardrails: {{preset: none}}\nproviders: {{up: {{kind: openai, base_url: "{base_url}"}}}}\n'
            f"models: {{{models}}}\nroutes: {{r: {{{route}}}}}\nresilience: {{{resilience}}}\n"
        )
        self.clock = clock or SystemClock()
        self.sink = Remember()
        self.bugs: list[BaseException] = []
        self.transport = transport
        self.around = surroundings(transport, self.sink, self.clock, self.bugs)
        self.gateway = build(loaded(config, folder), self.around)

    def standing(self, model: str) -> Standing:
        return self.gateway._targets[model].standing

    def quiet(self) -> bool:
        """Whether nothing is under way any more, as far as anybody counts."""
        standings = [target.standing for target in self.gateway._targets.values()]
        busy = sum(one.health.inflight + (one.slots.active + one.slots.depth if one.slots else 0) for one in standings)
        return not busy and not self.gateway.in_flight

    @property
    def records(self) -> list[Record]:
        return self.sink.records

    async def ask(
        self,
        model: str = "r",
        *,
        within: float = 60.0,
        client: Client | None = None,
        operation: Operation = "chat",
        **payload: Any,
    ) -> Asked:
        """Ask, and wait for the end of it; `within` seconds is the exchange's deadline."""
        said: dict[str, Any] = {"model": model, "messages": [{"role": "user", "content": "hello"}]}
        client = client or Client({})
        client.payload = {**said, **payload}
        asked = exchange(self.clock, operation)
        asked.deadline = self.clock.monotonic() + within
        await self.gateway.run(asked, client)
        return Asked(asked, client, self.records[-1], [])


class Played(Troupe):
    """Without sockets. `parts` are played in turn by the model's name, the last for good; `sent` is what each got."""

    def __init__(self, folder: Path, route: str = FALLBACKS, *, parts: dict[str, list[Part]], **rest: Any) -> None:
        self.parts = {name: list(own) for name, own in parts.items()}
        self.sent: list[tuple[str, dict[str, Any]]] = []
        self.played = PlayedTransport(self._play)
        super().__init__(folder, self.played, route, **rest)

    @property
    def called(self) -> list[str]:
        """Who was called, in order."""
        return [name for name, _ in self.sent]

    def _play(self, request: Request) -> PlayedResponse | Exception:
        if request.method == b"GET":
            name, body = "probe", {}
        else:
            body = json.loads(request.body)
            name = body["model"]
        self.sent.append((name, body))
        own = self.parts[name]
        part = own.pop(0) if len(own) > 1 else own[0]
        return part.error or PlayedResponse(part.status, dict(part.headers), part.pieces, part.step)


def play(folder: Path, route: str = FALLBACKS, /, rest: dict[str, Any] | None = None, **parts: list[Part]) -> Played:
    """`play(folder, route, a=[refuses(500)], b=[says()])`."""
    return Played(folder, route, parts=parts, **(rest or {}))


@dataclass
class Served:
    """A gateway before a real server."""

    troupe: Troupe
    server: ScriptedServer
    pool: Pool

    def called(self) -> list[str]:
        """Who was called, in order."""
        return [one.json["model"] for one in self.server.requests if one.method == b"POST"]


@asynccontextmanager
async def served(
    folder: Path, route: str = FALLBACKS, *, rest: dict[str, Any] | None = None, **scripts: dict[str, Any]
) -> AsyncIterator[Served]:
    """On real sockets; `scripts` by the model's name."""
    async with ScriptedServer(ServerScript.model_validate({"scripts": scripts})) as server:
        pool = Pool(SystemClock())
        try:
            yield Served(Troupe(folder, pool, route, base_url=server.base_url, **(rest or {})), server, pool)
        finally:
            pool.close()


def go_down(standing: Standing) -> None:
    """Its breaker opens, as after calls of which each one failed."""
    while standing.breaker.state == "closed":
        standing.breaker.record(False, 0.1)


async def soon(condition: Callable[[], bool], within: float = 1.0) -> None:
    """Wait until it holds."""
    loop = asyncio.get_running_loop()
    end = loop.time() + within
    while not condition():
        assert loop.time() < end, "it did not come to pass"
        await asyncio.sleep(0.002)
