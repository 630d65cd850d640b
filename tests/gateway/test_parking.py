"""Who is parked, what it lets go of while it waits, and what it then costs."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from llmctl.clock import SystemClock
from llmctl.config.schema_cost import BatchesConfig
from llmctl.errors import ConfigError
from llmctl.gateway.build import build
from llmctl.gateway.gateway import Gateway
from llmctl.gateway.parking import Patient
from llmctl.model.json import JsonObject
from llmctl.model.record import Record
from llmctl.net.transport import Request, Transport
from llmctl.providers.openai import BatchApi
from llmctl.testing.asking import whole
from llmctl.testing.config import loaded
from llmctl.testing.gateway import (
    CollectingClient,
    PlayedResponse,
    PlayedTransport,
    Remember,
    exchange,
    surroundings,
)

CONFIG = """
providers:
  up: {kind: openai, base_url: "http://127.0.0.1:9/v1", batch: true}
  other: {kind: openai, base_url: "http://127.0.0.1:9/v1"}
models: {m: {provider: up, model: real}, n: {provider: other}}
prices: {models: {m: {input: 2, output: 4, batch: 0.5}}}
batches: {}
resilience: {retry: {attempts: 3, backoff: 0}}
"""
LIMIT = "{kind: rate_limit, on_error: block, options: {concurrency: 1}}"
PLAIN = "guardrails: {preset: none}\n"


class Patience(CollectingClient):
    """A client that is told when its request waits."""

    def __init__(self, payload: JsonObject) -> None:
        super().__init__(payload)
        self.waits: list[str] = []

    @asynccontextmanager
    async def parked(self) -> AsyncIterator[None]:
        self.waits.append("begins")
        yield
        self.waits.append("ends")


class Park:
    """Makes transports that answer once they are released."""

    def __init__(self, status: int = 200) -> None:
        self.released = asyncio.Event()
        self.requests: list[Request] = []
        self.models: list[tuple[str, str]] = []
        self._status = status

    def transport(self, provider: str, api: BatchApi, model: str) -> Transport:
        self.models.append((provider, model))
        return self

    async def send(self, request: Request) -> PlayedResponse:
        self.requests.append(request)
        await self.released.wait()
        return PlayedResponse(self._status, {}, [whole("parked")], _at_once)

    async def close(self) -> None:
        """Nothing to stop."""


async def _at_once() -> None:
    await asyncio.sleep(0)


class World:
    def __init__(self, folder: Path, more: str = PLAIN, status: int = 200) -> None:
        self.park, self.sink = Park(status), Remember()
        answered = lambda _: PlayedResponse(200, {}, [whole("now")], _at_once)  # noqa: E731
        around = replace(surroundings(PlayedTransport(answered), self.sink), parker=self.park)
        self.gateway: Gateway = build(loaded(CONFIG + more, folder), around)

    def ask(self, batch: str = "batch_1", *, client: type[CollectingClient] = Patience, **rest: Any) -> Any:
        payload = {"model": "m", "messages": [{"role": "user", "content": "hi"}], **rest}
        asked, asking = exchange(SystemClock()), client(payload)
        asked.batch = batch
        return asking, asyncio.create_task(self.gateway.run(asked, asking))

    async def waiting(self, count: int = 1) -> None:
        async with asyncio.timeout(5):
            while len(self.park.requests) < count:
                await asyncio.sleep(0.001)

    @property
    def record(self) -> Record:
        return self.sink.records[-1]


async def test_a_line_of_a_batch_waits_and_costs_what_batches_do(tmp_path: Path) -> None:
    world = World(tmp_path)
    client, task = world.ask()
    await world.waiting()
    assert (world.park.models, client.waits, world.gateway.in_flight) == ([("up", "real")], ["begins"], 1)
    world.park.released.set()
    await task
    assert (client.text, client.waits) == ("parked", ["begins", "ends"])
    record = world.record
    assert (record.state, record.model, len(record.attempts)) == ("ok", "m", 1)
    assert record.cost.usd == pytest.approx((7 * 2 + 5 * 4) / 2 / 1e6)


@pytest.mark.parametrize(
    "rest", [{"batch": ""}, {"model": "n"}, {"client": CollectingClient}], ids=["no batch", "no api", "in a hurry"]
)
async def test_all_others_are_asked_at_once(tmp_path: Path, rest: dict[str, Any]) -> None:
    world = World(tmp_path)
    client, task = world.ask(**rest)
    await task
    assert (client.text, world.park.requests) == ("now", [])
    assert world.record.cost.usd == (None if "model" in rest else pytest.approx((7 * 2 + 5 * 4) / 1e6))


def test_who_is_patient() -> None:
    assert isinstance(Patience({}), Patient)
    assert not isinstance(CollectingClient({}), Patient)


async def test_a_failure_is_told_once_and_no_model_looks_ill(tmp_path: Path) -> None:
    world = World(tmp_path, status=500)
    world.park.released.set()
    for _ in range(30):
        client, task = world.ask()
        await task
        assert client.failure.http_status == 500
        assert len(world.record.attempts) == 1
    assert len(world.park.requests) == 30
    assert world.gateway.breakers_open() == {"m": 0.0, "n": 0.0}


async def test_who_waits_keeps_nobody_out(tmp_path: Path) -> None:
    world = World(tmp_path, f"guardrails: {{preset: none, policies: {{slow: {LIMIT}}}}}\n")
    tasks = [world.ask()[1] for _ in range(3)]
    await world.waiting(3)
    client, now = world.ask("")
    await now
    assert client.text == "now"
    world.park.released.set()
    await asyncio.gather(*tasks)
    assert {one.state for one in world.sink.records} == {"ok"}


async def test_nobody_waits_for_an_answer_that_is_parked(tmp_path: Path) -> None:
    world = World(tmp_path, PLAIN + "cache: {dir: null}\n")
    _, parked = world.ask()
    await world.waiting()
    client, now = world.ask("")
    await asyncio.wait_for(now, 5)
    assert client.text == "now"
    world.park.released.set()
    await parked


async def test_a_gateway_that_retires_waits_for_what_is_parked(tmp_path: Path) -> None:
    world = World(tmp_path)
    _, task = world.ask()
    await world.waiting()
    await world.gateway.start()
    closing = asyncio.create_task(world.gateway.close(0.0))
    await asyncio.sleep(0.1)
    assert not closing.done()
    world.park.released.set()
    await task
    await asyncio.wait_for(closing, 5)


def test_batch_needs_batches(tmp_path: Path) -> None:
    assert BatchesConfig().parked == 5000
    with pytest.raises(ConfigError, match=r"gateway.yaml:3: providers.up.batch: .*add `batches: \{\}`"):
        build(loaded(CONFIG.replace("batches: {}\n", "") + PLAIN, tmp_path), surroundings(Park(), Remember()))


@pytest.mark.parametrize(
    ("option", "why"),
    [("api_version: v1", "drop api_version"), ("headers: {Content-Type: x}", "drop content-type")],
)
def test_what_cannot_be_together(tmp_path: Path, option: str, why: str) -> None:
    text = CONFIG.replace("batch: true", f"batch: true, {option}") + PLAIN
    with pytest.raises(ConfigError, match=why):
        build(loaded(text, tmp_path), surroundings(Park(), Remember()))
