"""The world of an experiment: its gateway, what is done to it, what it comes to, and its end."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from llmctl.chaos.actions import act
from llmctl.chaos.client import Crowd
from llmctl.chaos.experiment import ActionConfig
from llmctl.chaos.process import WorldFailed
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


async def ask(world: World, number: int = 1) -> Answered:
    crowd = Crowd(world.gateway.port, world.keys, CLOCK, 5)
    found = await crowd.ask(
        Question(f"tenant0-test-{number}", "tenant0", f"what {number}?", "chain", stream=True), CLOCK.monotonic()
    )
    crowd.close()
    return found


async def test_that_a_configuration_the_gateway_does_not_take_is_told(world: World) -> None:
    with pytest.raises(WorldFailed, match="does not take the configuration"):
        await act(world, action(action="reload", set={"routes.chain.kind": "nonsense"}))
    assert (await ask(world)).right


async def test_that_nobody_answers_for_one_that_has_ended(world: World) -> None:
    status, body = await world.get("/metrics")
    assert status == 200
    assert b"llmctl_requests_total" in body
    await world.gateway.end()
    assert await world.get("/metrics") == (0, b"")


async def test_that_its_end_is_whole_though_it_is_cancelled(tmp_path: Path) -> None:
    made = asyncio.Event()
    worlds = []

    async def living() -> None:
        async with World(experiment(tmp_path), CLOCK) as world:
            worlds.append(world)
            made.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(living())
    await made.wait()
    task.cancel()
    await asyncio.sleep(0.01)
    task.cancel()
    assert isinstance((await asyncio.gather(task, return_exceptions=True))[0], asyncio.CancelledError)
    assert not worlds[0].gateway.running
    assert not worlds[0].folder.exists()
