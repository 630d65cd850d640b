"""A gateway with a cache before models whose answer is a function of the request, with keys of two tenants."""

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from llmctl.cache.store import Store
from llmctl.clock import Clock, SystemClock
from llmctl.config.keys import new_key
from llmctl.gateway.build import Surroundings, build
from llmctl.gateway.caching import Cache
from llmctl.gateway.leases import Leases
from llmctl.model.chat import Operation
from llmctl.model.exchange import Exchange
from llmctl.model.json import JsonObject, encode
from llmctl.model.record import Record
from llmctl.net.transport import Request
from llmctl.testing.asking import Client, stream, whole
from llmctl.testing.config import loaded
from llmctl.testing.gateway import PlayedResponse, PlayedTransport, Remember, exchange, surroundings

PROVIDERS = "providers: {up: {kind: openai, api_key: none}}\n"
MODELS = "models: {m: {provider: up}, n: {provider: up}}\nroutes: {r: {kind: fixed, model: m}}\n"
SMALL = "resilience: {retry: {backoff: 0, attempts_per_model: 1}, probe_every: null}\n"
MEMORY = "{dir: null}"
EVENTS = {b"content-type": b"text/event-stream"}
KEYS = {name: new_key() for name in ("ann", "bob", "eve", "few")}
TENANTS = {"ann": "acme", "bob": "acme", "eve": "evil", "few": "acme"}
KEYRING = "keys:\n" + "".join(
    f'  - {{id: {entry["id"]}, hash: "{entry["hash"]}", tenant: {TENANTS[name]}{", models: [n]" * (name == "few")}}}\n'
    for name, (_, entry) in KEYS.items()
)


def answer_to(body: JsonObject) -> str:
    """What every model says: nothing but the request decides it."""
    asked = {name: value for name, value in body.items() if name not in ("stream", "stream_options")}
    return f"{hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:12]} to {text_of(body)}"


def text_of(body: JsonObject) -> str:
    """The last message."""
    return str(body["messages"][-1]["content"]) if "messages" in body else str(body.get("input"))


@dataclass
class Voices:
    """How models behave. `parts` and `says` make an answer of the request; `step` is awaited before each piece."""

    says: Callable[[JsonObject], str] = answer_to
    parts: Callable[[JsonObject], bytes | list[bytes | Exception] | None] = lambda body: None
    step: Callable[[], Awaitable[None]] = lambda: asyncio.sleep(0)
    failing: bool = False
    status: int = 500
    calls: list[JsonObject] = field(default_factory=list)

    def play(self, request: Request) -> PlayedResponse:
        body = json.loads(request.body)
        self.calls.append(body)
        if self.failing:
            return PlayedResponse(self.status, {}, [encode({"error": {"message": "broken"}})], self.step)
        played = self.parts(body)
        if played is None and "input" in body:
            data = [{"index": 0, "embedding": [1.0], "object": "embedding"}]
            played = encode({"object": "list", "data": data, "model": "m", "usage": {"prompt_tokens": 1}})
        if played is None:
            said = self.says(body)
            pieces = [said[at : at + 7] for at in range(0, len(said), 7)]
            played = stream(pieces) if body.get("stream") else whole(said)
        if isinstance(played, bytes):
            return PlayedResponse(200, {b"content-type": b"application/json"}, [played], self.step)
        return PlayedResponse(200, dict(EVENTS), played, self.step)

    def texts(self) -> list[str]:
        """The last message of each call."""
        return [text_of(body) for body in self.calls]


@dataclass
class Got:
    """What became of one request."""

    exchange: Exchange
    client: Client
    record: Record

    @property
    def kind(self) -> str | None:
        """What the cache said."""
        return self.record.cache.kind if self.record.cache is not None else None

    @property
    def text(self) -> str:
        return self.client.text


class Cached:
    """The gateway. `warned` is what it was told of troubles; `more` is further configuration."""

    def __init__(
        self,
        folder: Path,
        cache: str = MEMORY,
        *,
        guardrails: str = "{preset: none}",
        models: str = MODELS,
        more: str = "",
        clock: Clock | None = None,
        voices: Voices | None = None,
        leases: Leases | None = None,
    ) -> None:
        self.clock = clock or SystemClock()
        self.voices = voices or Voices()
        self.sink = Remember()
        self.bugs: list[BaseException] = []
        self.warned: list[str] = []
        self.transport = PlayedTransport(self.voices.play)
        around = surroundings(self.transport, self.sink, self.clock, self.bugs)
        self.around: Surroundings = replace(around, warn=self.warned.append, leases=leases or around.leases)
        section = f"cache: {cache}\n" if cache else ""
        text = f"guardrails: {guardrails}\n" + PROVIDERS + models + SMALL + KEYRING + section + more
        self.gateway = build(loaded(text, folder), self.around)
        self._asked = 0

    async def __aenter__(self) -> "Cached":
        await self.gateway.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.gateway.close()

    @property
    def cache(self) -> Cache:
        """The cache itself."""
        [found] = [one for made, one in self.gateway._resources.items() if made.kind == "cache"]
        assert isinstance(found, Cache)
        return found

    @property
    def store(self) -> Store:
        return self.cache.store

    @property
    def calls(self) -> int:
        """Calls that models got."""
        return len(self.voices.calls)

    @property
    def kept(self) -> int:
        """Answers in memory."""
        return len(self.store._memory)

    @property
    def copies(self) -> list[Record]:
        """Records of what no client asked for."""
        return [one for one in self.sink.records if one.shadow_of]

    def open(
        self,
        text: str = "hello",
        *,
        key: str = "ann",
        wish: str | None = None,
        model: str = "m",
        operation: Operation = "chat",
        within: float = 60.0,
        client: Client | None = None,
        **payload: Any,
    ) -> tuple[Exchange, Client]:
        """A request that has just arrived."""
        said: JsonObject = {"input": text} if operation == "embedding" else {"messages": [_user(text)]}
        found = client or Client({})
        found.payload = {"model": model, **said, **payload}
        asked = exchange(self.clock, operation, KEYS[key][0])
        self._asked += 1
        asked.id = f"req_{self._asked}"
        asked.deadline = asked.started + within
        if wish is not None:
            asked.headers = {b"x-llmctl-cache": wish.encode()}
        return asked, found

    async def ask(self, text: str = "hello", **rest: Any) -> Got:
        """Ask, and wait for the end of it."""
        return await self.run(*self.open(text, **rest))

    async def run(self, asked: Exchange, client: Client) -> Got:
        """Take it all the way."""
        await self.gateway.run(asked, client)
        return Got(asked, client, self.record(asked.id))

    def record(self, request_id: str) -> Record:
        """Its only record."""
        [found] = [one for one in self.sink.records if one.id == request_id]
        return found

    async def quiet(self) -> None:
        """Until nothing is done beside the path any more."""
        await soon(lambda: not self.cache._tasks and not any(len(one) for one in _copies(self)))


def _copies(cached: Cached) -> list[Any]:
    return [one for one in cached.gateway._beside.copies if hasattr(one, "start")]


def _user(text: str) -> JsonObject:
    return {"role": "user", "content": text}


async def soon(condition: Callable[[], bool]) -> None:
    """Wait until it holds, two seconds at most."""
    for _ in range(1000):
        if condition():
            return
        await asyncio.sleep(0.002)
    raise AssertionError("it did not come to pass")
