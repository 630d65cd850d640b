"""A lane without sockets: a store in a folder, a gateway whose upstream is played, a clock that is driven."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
from msgspec import structs

from llmctl.batches.lane import Lane
from llmctl.batches.objects import Batch
from llmctl.batches.store import Store
from llmctl.config.schema_cost import BatchesConfig
from llmctl.gateway.parking import Parker
from llmctl.gateway.reload import Live
from llmctl.model.json import JsonObject
from llmctl.net.transport import Request
from llmctl.server.asgi import endpoints
from llmctl.testing.asking import ONE_MODEL, whole
from llmctl.testing.clock import ManualClock
from llmctl.testing.config import loaded
from llmctl.testing.gateway import PlayedResponse, PlayedTransport, Remember, surroundings

CHAT = "/v1/chat/completions"
Play = Callable[[str], PlayedResponse | Exception]


def line(custom_id: str, **rest: Any) -> JsonObject:
    """A request that asks its own `custom_id`."""
    body = {"model": "m", "messages": [{"role": "user", "content": custom_id}]}
    return {"custom_id": custom_id, "method": "POST", "url": CHAT, "body": body} | rest


def jsonl(*lines: JsonObject) -> bytes:
    return b"".join(json.dumps(one).encode() + b"\n" for one in lines)


async def at_once() -> None:
    await asyncio.sleep(0)


def answer(status: int = 200, body: bytes = b"", **headers: str) -> PlayedResponse:
    """What the upstream says."""
    lines = {name.replace("_", "-").encode(): value.encode() for name, value in headers.items()}
    return PlayedResponse(status, {b"content-type": b"application/json", **lines}, [body or whole("yes")], at_once)


@dataclass
class Track:
    """A lane over a store, and what was asked through it."""

    lane: Lane
    store: Store
    clock: ManualClock
    live: Live
    sink: Remember
    asked: list[str]
    log: list[dict[str, Any]]
    bugs: list[BaseException]

    def submit(
        self, *ids: str, tenant: str = "default", key: str = "", data: bytes | None = None, **rest: Any
    ) -> Batch:
        """A batch whose lines ask their ids."""
        shelf = self.store.shelf(tenant)
        upload = shelf.upload()
        upload.write(jsonl(*map(line, ids)) if data is None else data)
        file = shelf.add(upload, "in.jsonl", None)
        upload.close()
        batch = shelf.new_batch(tenant, key, 0, CHAT, file.id)
        batch = structs.replace(batch, **rest)
        shelf.enqueue(batch)
        self.clock.advance(1e-3)  # ids sort by time
        self.lane.wake()
        return batch

    async def until(self, batch: Batch, *statuses: str) -> Batch:
        """Once the batch has one of these statuses; the lane looks again at once."""
        async with asyncio.timeout(10):
            while (now := self.store.shelf(batch.tenant).batch(batch.id)).status not in statuses:
                self.lane.wake()
                await asyncio.sleep(0.005)
        return now

    def results(self, batch: Batch, ident: str | None) -> dict[str, Any]:
        """By `custom_id`, the lines of a file of results."""
        assert ident is not None
        data = self.store.shelf(batch.tenant).data(ident).read_bytes()
        return {each["custom_id"]: each for each in map(json.loads, data.splitlines())}


Tracks = Callable[..., AbstractAsyncContextManager[Track]]


@pytest.fixture
def track(tmp_path: Path) -> Tracks:
    """Makes tracks, one after the other in the same folder. `play` answers what a line asks."""

    @asynccontextmanager
    async def make(
        play: Play,
        text: str = "",
        clock: ManualClock | None = None,
        parker: Parker | None = None,
        models: str = ONE_MODEL,
        **options: Any,
    ) -> AsyncIterator[Track]:
        clock, sink, asked = clock or ManualClock(), Remember(), list[str]()
        bugs, log = list[BaseException](), list[dict[str, Any]]()

        def played(request: Request) -> PlayedResponse | Exception:
            asked.append(json.loads(request.body)["messages"][0]["content"])
            return play(asked[-1])

        plain = "guardrails: {preset: none}\nresilience: {retry: {attempts_per_model: 1}}\n"
        config = loaded(models + (text or plain), tmp_path)
        around = replace(surroundings(PlayedTransport(played), sink, clock, bugs), parker=parker)
        live = Live(lambda: config, around, lambda event, **_: None)
        await live.start(config)
        settings = BatchesConfig(**options)
        store = Store(tmp_path / "batches", settings.keep, clock)
        store.open()
        keep = lambda event, **fields: log.append({"event": event, **fields})  # noqa: E731
        lane = Lane(live, store, settings, endpoints(), clock, Random(1), keep)
        task = asyncio.create_task(lane.run())
        try:
            yield Track(lane, store, clock, live, sink, asked, log, bugs)
        finally:
            lane.interrupt()
            await asyncio.wait_for(task, 10)
            await asyncio.wait_for(lane.settled(), 10)
            await live.close(0.0)

    return make
