"""A gateway behind its real server whose clients and whose provider send anything at all, for tests of /metrics."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

from prometheus_client import CollectorRegistry

from llmctl.clock import SystemClock
from llmctl.config.keys import new_key
from llmctl.gateway.build_policies import effective
from llmctl.gateway.reload import Live
from llmctl.net.transport import Request
from llmctl.server.admin import admin_app
from llmctl.server.gauges import show
from llmctl.server.protocol import LimitsHolder
from llmctl.server.serve import Process, limits_of, listen
from llmctl.telemetry.metrics import MetricsSink
from llmctl.testing.config import loaded
from llmctl.testing.gateway import PlayedResponse, PlayedTransport, Remember, surroundings

KEY, ENTRY = new_key()
CONFIG = f"""
server: {{port: 0}}
keys: [{{id: {ENTRY["id"]}, hash: "{ENTRY["hash"]}", tenant: acme}}]
providers:
  up: {{kind: openai, base_url: "http://127.0.0.1:9/v1"}}
  mem: {{kind: scripted}}
models: {{m: {{provider: up}}, n: {{provider: mem}}, dear: {{provider: up, concurrency: 4}}}}
routes:
  any: {{kind: weighted, weights: {{m: 1, dear: 1}}, fallbacks: {{default: [n]}}}}
guardrails:
  preset: balanced
  policies: {{rpm: {{kind: rate_limit, on_error: block, options: {{requests_per_minute: 1000000}}}}}}
cache: {{dir: null}}
budgets: {{dir: budgets, limits: {{team: {{usd: 1000000}}}}}}
records: {{enabled: false}}
"""


@dataclass(frozen=True)
class Ask:
    """One request: bytes as they are sent, and what the provider will answer."""

    method: str
    path: bytes
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes
    status: int
    answer: bytes
    known: bool  # with our key

    def raw(self) -> bytes:
        """The request on the wire."""
        own: list[tuple[bytes, bytes]] = [(b"host", b"localhost"), (b"connection", b"close")]
        if self.known:
            own.append((b"authorization", b"Bearer " + KEY.encode()))
        own.append((b"content-length", b"%d" % len(self.body)))
        head = b"".join(b"%b: %b\r\n" % (name, value) for name, value in (*own, *self.headers))
        return b"%b %b HTTP/1.1\r\n%b\r\n%b" % (self.method.encode(), self.path, head, self.body)


class World:
    """The gateway; `ask` sends to it, `show` scrapes it."""

    def __init__(self, folder: Path) -> None:
        self.loaded = loaded(CONFIG, folder)
        self.bugs: list[BaseException] = []
        self.sink = Remember()
        config = self.loaded.config
        self.metrics = MetricsSink(CollectorRegistry(), version="1", semconv_version="gen_ai/1")
        guards = {policy.kind for policy in effective(config.guardrails).values()}
        self.guards = guards
        self.metrics.configure(
            models={*config.models, *config.routes}, providers=config.providers, policy="digest", guards=guards
        )
        self._playing = (200, b"{}")
        around = surroundings(PlayedTransport(self._play), self.sink, SystemClock(), self.bugs)
        around = replace(around, sinks=(self.sink, self.metrics), transition=self.metrics.transition)
        self._live = Live(lambda: self.loaded, around, lambda event, **_: None)
        self._ready = asyncio.Event()

    def _play(self, _: Request) -> PlayedResponse:
        status, body = self._playing
        return PlayedResponse(status, {b"content-type": b"application/json"}, [body], _at_once)

    async def start(self) -> None:
        """Serve."""
        await self._live.start(self.loaded)
        show(self.metrics, self._live, SystemClock())
        self._sock = listen(self.loaded.config.server)
        self.port = self._sock.getsockname()[1]
        admin = admin_app(self._live, self.metrics.render)
        self._process = Process(
            self._live, LimitsHolder(limits_of(self.loaded)), self._sock, admin, Random(1), lambda event, **_: None
        )
        self._task = asyncio.create_task(self._process.run(self._ready.set))
        await asyncio.wait_for(self._ready.wait(), 10)

    async def stop(self) -> None:
        """Drain and end."""
        self._process.stop()
        await asyncio.wait_for(self._task, 20)
        self._sock.close()

    async def ask(self, asked: Ask) -> bytes:
        """All that comes back."""
        self._playing = (asked.status, asked.answer)
        return await self.send(asked.raw())

    async def send(self, data: bytes) -> bytes:
        """Over a connection of its own."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(data)
            return await asyncio.wait_for(reader.read(), 10)
        finally:
            writer.close()

    async def scrape(self, accept: str) -> str:
        """The body of /metrics."""
        head = f"GET /metrics HTTP/1.1\r\nhost: localhost\r\naccept: {accept}\r\nconnection: close\r\n\r\n"
        head_, _, body = (await self.send(head.encode())).partition(b"\r\n\r\n")
        assert head_.startswith(b"HTTP/1.1 200")
        return body.decode()


@contextmanager
def world(folder: Path) -> Iterator[tuple[World, asyncio.Runner]]:
    """The gateway and the loop it runs on, which stands still in between."""
    with asyncio.Runner() as runner:

        async def make() -> World:
            made = World(folder)
            await made.start()
            return made

        made = runner.run(make())
        try:
            yield made, runner
        finally:
            runner.run(made.stop())


def chat(model: str, **rest: Any) -> bytes:
    """The body of a chat."""
    return json.dumps({"model": model, "messages": [{"role": "user", "content": "hello"}], **rest}).encode()


async def _at_once() -> None:
    await asyncio.sleep(0)
