"""The order of steps and of their undoing, also where some fail."""

import asyncio
from typing import Any, cast

import pytest

from llmctl.chaos import method as playing
from llmctl.chaos.actions import Undo
from llmctl.chaos.experiment import ActionConfig, StepConfig
from llmctl.chaos.method import Method, detail
from llmctl.chaos.world import World
from llmctl.clock import SystemClock

KINDS: dict[str, dict[str, Any]] = {
    "refuse": {"provider": "a"},
    "unresolvable": {"provider": "b"},
    "clock": {"jump": 5},
    "kill": {},
}


class _Nothing:
    """A world that is not there."""

    clock = SystemClock()


def step(action: str, at: float, **more: Any) -> StepConfig:
    return StepConfig.model_validate({"action": action, "at": at, **KINDS[action], **more})


def last(action: str) -> ActionConfig:
    return ActionConfig.model_validate({"action": action, **KINDS[action]})


@pytest.fixture(name="told")
def _told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was done and undone, in its order. `kill` fails; undoing `unresolvable` does."""
    told: list[str] = []

    async def act(world: World, one: ActionConfig) -> Undo | None:
        told.append(one.action)
        if one.action == "kill":
            raise OSError("no such process")

        async def undo() -> None:
            told.append(f"-{one.action}")
            if one.action == "unresolvable":
                raise OSError("cannot")

        return undo

    monkeypatch.setattr(playing, "act", act)
    return told


def made(steps: list[StepConfig], rollback: list[ActionConfig]) -> Method:
    return Method(cast(World, _Nothing()), steps, rollback)


async def test_that_steps_come_at_their_time_and_are_undone_the_last_one_first(told: list[str]) -> None:
    method = made([step("clock", 0.02), step("refuse", 0.0)], [last("unresolvable")])
    await method.play()
    await method.undo()
    assert told == ["refuse", "clock", "-clock", "-refuse", "unresolvable"]
    assert [done.undone for done in method.run] == [True, True]
    assert method.failed == []


async def test_that_what_lasts_a_while_is_undone_in_time_and_once(told: list[str]) -> None:
    method = made([step("refuse", 0.0, **{"for": 0.01}), step("clock", 0.03)], [])
    await method.play()
    assert told == ["refuse", "-refuse", "clock"]
    await method.undo()
    assert told == ["refuse", "-refuse", "clock", "-clock"]


async def test_that_a_failed_step_ends_the_method_and_all_is_undone_all_the_same(told: list[str]) -> None:
    steps = [step("refuse", 0.0), step("unresolvable", 0.0), step("kill", 0.01), step("clock", 0.02)]
    method = made(steps, [last("kill"), last("clock")])
    await method.play()
    await method.undo()
    assert told == ["refuse", "unresolvable", "kill", "-unresolvable", "-refuse", "kill", "clock"]
    assert [(done.action, done.error) for done in method.failed] == [
        ("kill", "no such process"),
        ("undo unresolvable", "cannot"),
        ("kill", "no such process"),
    ]


async def test_that_an_undoing_which_is_interrupted_is_begun_anew(
    told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    undoing = asyncio.Event()

    async def act(world: World, one: ActionConfig) -> Undo:
        async def undo() -> None:
            told.append("begun")
            if not undoing.is_set():
                undoing.set()
                await asyncio.Event().wait()
            told.append("undone")

        return undo

    monkeypatch.setattr(playing, "act", act)
    method = made([step("refuse", 0.0, **{"for": 0.001})], [])
    task = asyncio.create_task(method.play())
    await undoing.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await method.undo()
    assert told == ["begun", "begun", "undone"]
    assert method.run[0].undone


def test_that_a_step_is_told_in_words() -> None:
    assert detail(step("refuse", 0)) == "a"
    assert detail(step("clock", 0)) == "+5 s"
    assert detail(ActionConfig.model_validate({"action": "reload", "set": {"a.b": 1}})) == "a.b=1"
