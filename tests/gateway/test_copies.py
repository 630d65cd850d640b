"""What no client waits for runs to its record, whenever it is stopped."""

import asyncio
from typing import Any

import pytest

from llmctl.gateway.client import Client
from llmctl.gateway.copies import LEAST, Copies, Nobody, copy_of
from llmctl.gateway.pipeline import Pipeline
from llmctl.gateway.replayed import answer_of, streamed
from llmctl.gateway.stages.record import WriteRecord
from llmctl.model.exchange import Exchange, Principal
from llmctl.model.record import CacheOutcome, Decision
from llmctl.testing.clock import ManualClock
from llmctl.testing.gateway import Remember, exchange


class Answering:
    """A stage that answers when it is let."""

    name = "answering"

    def __init__(self, *, go: bool = True) -> None:
        self.go = asyncio.Event()
        if go:
            self.go.set()

    async def run(self, exchange: Exchange, client: Client) -> None:
        await self.go.wait()
        answer = answer_of(exchange, "fine", "m")
        if exchange.stream:
            await client.stream(exchange, streamed(answer))
        else:
            await client.whole(exchange, answer)


def copies(stage: Any) -> tuple[Copies, Remember]:
    clock, sink = ManualClock(), Remember()
    record = WriteRecord("p", clock, [sink], keep_content=False, max_content=9)
    return Copies(Pipeline([stage], [record], clock, lambda name, error: None)), sink


def original(*, stream: bool = False) -> Exchange:
    made = exchange(ManualClock())
    made.stream, made.principal, made.tags = stream, Principal("k", "acme"), {"team": "x"}
    made.payload, made.requested_model, made.passages = {"model": "m"}, "m", ("p",)
    made.cache, made.cached, made.replayed = CacheOutcome("stale"), object(), True
    return made


def test_a_copy_has_the_request_and_nothing_of_its_answer() -> None:
    one = original()
    made = copy_of(one, "x", Decision("m", "s", "r"))
    assert (made.id, made.shadow_of, made.priority) == (f"{one.id}.x", one.id, LEAST)
    assert (made.payload, made.passages, made.principal, made.tags) == (one.payload, ("p",), one.principal, one.tags)
    assert (made.cache, made.cached, made.replayed, made.whole, made.chunks) == (None, None, False, None, None)
    assert made.attempts is not one.attempts


@pytest.mark.parametrize("stream", [False, True])
async def test_it_runs_beside(stream: bool) -> None:
    stage = Answering()
    made, sink = copies(stage)
    task = made.start(copy_of(original(stream=stream), "x", None))
    assert len(made) == 1
    await task
    await asyncio.sleep(0)
    assert len(made) == 0
    assert [record.state for record in sink.records] == ["ok"]


async def test_an_answer_can_be_waited_for() -> None:
    made, _ = copies(Answering())
    answer = await made.ask(copy_of(original(), "x", None))
    assert answer is not None
    assert b"fine" in answer.raw


@pytest.mark.parametrize("turns", [0, 1, 2])
async def test_each_leaves_a_record_whenever_it_is_stopped(turns: int) -> None:
    made, sink = copies(Answering(go=False))
    for _ in range(3):
        made.start(copy_of(original(), "x", None))
    for _ in range(turns):
        await asyncio.sleep(0)
    await made.close()
    assert [record.state for record in sink.records] == ["aborted"] * 3
    await made.close()


async def test_nobody_reads_what_has_been_read() -> None:
    one = original()
    await Nobody().read(one)
    assert one.payload == {"model": "m"}
