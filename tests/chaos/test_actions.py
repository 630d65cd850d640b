"""What can be done to a world, and how it is undone."""

import asyncio
import resource
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from llmctl.chaos.actions import act
from llmctl.chaos.client import Crowd
from llmctl.chaos.experiment import ActionConfig
from llmctl.chaos.questions import Answered, Question
from llmctl.chaos.world import World
from llmctl.clock import SystemClock
from tests.chaos.drills import experiment

CLOCK = SystemClock()


@pytest.fixture(name="world")
async def _world(tmp_path: Path) -> AsyncIterator[World]:
    async with World(experiment(tmp_path, {"world.collector": True}), CLOCK) as world:
        yield world


def action(**given: Any) -> ActionConfig:
    return ActionConfig.model_validate(given)


def fate(world: World) -> object:
    assert world.collector is not None
    return world.collector.fate


async def ask(world: World, number: int = 1) -> Answered:
    crowd = Crowd(world.gateway.port, world.keys, CLOCK, 5)
    found = await crowd.ask(
        Question(f"tenant0-test-{number}", "tenant0", f"what {number}?", "chain", stream=True), CLOCK.monotonic()
    )
    crowd.close()
    return found


async def test_what_is_done_to_providers_and_undone(world: World) -> None:
    assert (await ask(world)).right

    undo = await act(world, action(action="refuse", provider="a"))
    assert (await ask(world)).right
    assert [call.provider for call in world.calls] == ["a", "b"]
    assert undo is not None
    await undo()

    undo = await act(world, action(action="fault", provider="b", faults=[{"kind": "hang"}]))
    assert [fault.kind for fault in world.providers["b"].script.faults] == ["hang"]
    assert undo is not None
    await undo()
    assert world.providers["b"].script.faults == []

    undo = await act(world, action(action="script", provider="b", script={"latency": 3}))
    assert world.providers["b"].script.echo
    assert undo is not None
    await undo()

    undo = await act(world, action(action="unresolvable", provider="a"))
    assert "http://a.invalid:" in (world.folder / "gateway.yaml").read_text()
    assert (await ask(world)).right
    assert world.calls[-1].provider == "b"
    assert undo is not None
    await undo()
    assert "invalid" not in (world.folder / "gateway.yaml").read_text()


async def test_what_is_done_to_the_process_and_undone(world: World) -> None:
    undo = await act(world, action(action="disk_full"))
    assert resource.prlimit(world.gateway.pid, resource.RLIMIT_FSIZE)[0] == 0
    assert undo is not None
    await undo()
    assert resource.prlimit(world.gateway.pid, resource.RLIMIT_FSIZE)[0] != 0

    undo = await act(world, action(action="collector", fate="lost"))
    assert fate(world) == "lost"
    assert undo is not None
    await undo()
    assert fate(world) == "take"

    undo = await act(world, action(action="clock", jump=7200))
    assert (await ask(world, 7)).right
    assert undo is not None
    await undo()
    async with asyncio.timeout(5):
        while not any(record.id == "tenant0-test-7" for record in world.records()):
            await asyncio.sleep(0.01)  # the gateway is another process: its disk is all there is to look at

    before = world.gateway.pid
    assert await act(world, action(action="kill")) is None
    assert world.gateway.pid != before
    assert len(world.crashes) == 1
    assert (await ask(world, 8)).right
    await world.gateway.end()
    records = {record.id: record for record in world.records()}
    assert records["tenant0-test-7"].started > CLOCK.wall() + 7000
    assert {one.subject: one.spent > 0 for one in world.charged()} == {("tenant0",): True, ("tenant1",): False}
    assert world.bugs() == []
