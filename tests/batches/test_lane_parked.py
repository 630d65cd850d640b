"""Lines that wait in batches of their provider's: how many, beside whom, and how they end."""

import asyncio
import json

from llmctl.batches.objects import WINDOW
from llmctl.net.transport import Request, Transport
from llmctl.providers.openai import BatchApi
from llmctl.testing.asking import whole
from llmctl.testing.gateway import PlayedResponse
from tests.batches.conftest import Tracks, answer, at_once, jsonl, line

TEXT = """
guardrails: {preset: none}
batches: {}
"""
MODELS = """
providers:
  up: {kind: openai, base_url: "http://127.0.0.1:9/v1", batch: true}
  now: {kind: openai, base_url: "http://127.0.0.1:9/v1"}
models: {m: {provider: up}, n: {provider: now}}
"""


class Park:
    """Answers what it is asked once it is released; counts who waits."""

    def __init__(self) -> None:
        self.released = asyncio.Event()
        self.asked: list[str] = []
        self.ids: list[bytes] = []
        self.now = self.most = self.closed = 0

    def transport(self, provider: str, api: BatchApi, model: str) -> Transport:
        return self

    async def send(self, request: Request) -> PlayedResponse:
        self.asked.append(json.loads(request.body)["messages"][0]["content"])
        self.ids.append(request.headers.split(b"x-request-id: ")[1].split(b"\r")[0])
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            await self.released.wait()
        finally:
            self.now -= 1
        return PlayedResponse(200, {}, [whole("parked")], at_once)

    async def close(self) -> None:
        self.closed += 1

    async def waiting(self, count: int) -> None:
        async with asyncio.timeout(10):
            while self.now < count:
                await asyncio.sleep(0.002)


async def test_many_wait_while_few_have_their_turn(track: Tracks) -> None:
    park = Park()
    async with track(lambda _: answer(), TEXT, models=MODELS, parker=park, concurrency=2, parked=30) as running:
        batches = [running.submit(*(f"{b}-{n}" for n in range(25))) for b in range(2)]
        await park.waiting(30)
        direct = line("now", body={"model": "n", "messages": [{"role": "user", "content": "now"}]})
        at_once_ = await running.until(running.submit(data=jsonl(direct)), "completed")
        assert (at_once_.completed, running.asked) == (1, ["now"])
        park.released.set()
        for batch in batches:
            done = await running.until(batch, "completed")
            assert (done.completed, done.tokens.input, done.tokens.output) == (25, 25 * 7, 25 * 5)
            assert done.shown()["usage"]["total_tokens"] == 25 * 12
        assert park.most == 30
        assert running.bugs == []
    assert park.closed == 1


async def test_a_cancelled_batch_ends_at_once(track: Tracks) -> None:
    park = Park()
    async with track(lambda _: answer(), TEXT, models=MODELS, parker=park, concurrency=2, parked=3) as running:
        batch = running.submit(*"abcdefgh")
        await park.waiting(3)
        running.store.shelf("default").cancel(batch.id)
        done = await running.until(batch, "cancelled")
        assert (done.completed, done.failed, park.now) == (0, 0, 0)
        park.released.set()  # all turns and places are back
        assert (await running.until(running.submit(*"uvwxyz"), "completed")).completed == 6


async def test_what_waits_when_the_window_ends_has_expired(track: Tracks) -> None:
    park = Park()
    async with track(lambda _: answer(), TEXT, models=MODELS, parker=park) as running:
        batch = running.submit("a", "b")
        await park.waiting(2)
        running.clock.advance(WINDOW)
        done = await running.until(batch, "expired")
        bad = running.results(done, done.error_file_id)
        assert {one["error"]["code"] for one in bad.values()} == {"batch_expired"}
        assert set(bad) == {"a", "b"}


async def test_a_stop_does_not_wait_and_lines_come_back_as_who_they_were(track: Tracks) -> None:
    park = Park()
    async with track(lambda _: answer(), TEXT, models=MODELS, parker=park) as running:
        batch = running.submit("a", "b", metadata={"job": "x"})
        await park.waiting(2)
        running.lane.stop()
        await asyncio.wait_for(running.lane.settled(), 5)
        assert {(one.state, one.tags["job"]) for one in running.sink.records} == {("failed", "x")}
    again = Park()
    again.released.set()
    async with track(lambda _: answer(), TEXT, models=MODELS, clock=running.clock, parker=again) as running:
        assert (await running.until(batch, "completed")).completed == 2
    assert sorted(again.ids) == sorted(park.ids)
    assert len(set(park.ids)) == 2


async def test_tokens_are_counted_over_restarts(track: Tracks) -> None:
    park = Park()
    lines = jsonl(*(line(one, body={"model": "n", "messages": [{"role": "user", "content": one}]}) for one in "ab"),
                  line("c"))  # fmt: skip
    async with track(lambda _: answer(), TEXT, models=MODELS, parker=park) as running:
        batch = running.submit(data=lines)
        await park.waiting(1)
        while running.store.shelf("default").batch(batch.id).completed < 2:
            running.lane.wake()
            await asyncio.sleep(0.005)
    park.released.set()
    async with track(lambda _: answer(), TEXT, models=MODELS, clock=running.clock, parker=park) as running:
        done = await running.until(batch, "completed")
        assert (done.tokens.input, done.tokens.output) == (21, 15)
