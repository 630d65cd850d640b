"""What a step does to the world, and how that is undone."""

import resource
import signal
from collections.abc import Awaitable, Callable
from typing import Any

from llmctl.chaos.experiment import ActionConfig, ActionKind
from llmctl.chaos.launch import jump
from llmctl.chaos.world import World

Undo = Callable[[], Awaitable[None]]
Do = Callable[[World, ActionConfig], Awaitable[Undo | None]]


async def act(world: World, step: ActionConfig) -> Undo | None:
    """Do it; what undoes it, or None where it was over at once. Raises WorldFailed or OSError."""
    return await ACTIONS[step.action](world, step)


async def _refuse(world: World, step: ActionConfig) -> Undo:
    provider = world.providers[step.provider or ""]
    await provider.close()
    return provider.start


async def _script(world: World, step: ActionConfig) -> Undo:
    provider = world.providers[step.provider or ""]
    before = provider.script
    if step.script is not None:
        provider.behave(step.script)
    else:
        provider.suffer(step.faults)

    async def undo() -> None:
        provider.behave(before)

    return undo


async def _unresolvable(world: World, step: ActionConfig) -> Undo:
    """RFC 6761: names under `.invalid` never resolve."""
    name = f"providers.{step.provider}.base_url"
    port = world.providers[step.provider or ""].port
    return await _changed(world, {name: f"http://{step.provider}.invalid:{port}/v1"}, signal=True)


async def _reload(world: World, step: ActionConfig) -> Undo:
    return await _changed(world, step.set, signal=step.action == "reload")


async def _changed(world: World, changes: dict[str, Any], *, signal: bool) -> Undo:
    await world.change(changes, signal=signal)

    async def undo() -> None:
        await world.unchange(changes, signal=signal)

    return undo


async def _kill(world: World, step: ActionConfig) -> None:
    begin = world.clock.monotonic()
    await world.gateway.end(signal.SIGKILL)
    world.crashes.append((begin, world.clock.monotonic()))
    await world.gateway.start()


async def _restart(world: World, step: ActionConfig) -> None:
    await world.gateway.end(signal.SIGTERM)
    await world.gateway.start()


async def _disk_full(world: World, step: ActionConfig) -> Undo:
    """A limit on the size of files needs no privilege, and does to the process what a full disk does: writes fail."""
    pid = world.gateway.pid
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, before[1]))

    async def undo() -> None:
        if world.gateway.running and world.gateway.pid == pid:
            resource.prlimit(pid, resource.RLIMIT_FSIZE, before)

    return undo


async def _collector(world: World, step: ActionConfig) -> Undo:
    collector = world.collector
    assert collector is not None
    assert step.fate is not None
    before, collector.fate = collector.fate, step.fate

    async def undo() -> None:
        collector.fate = before

    return undo


async def _clock(world: World, step: ActionConfig) -> Undo:
    jump(world.offset, step.jump or 0.0)

    async def undo() -> None:
        jump(world.offset, 0.0)

    return undo


ACTIONS: dict[ActionKind, Do] = {
    "refuse": _refuse,
    "fault": _script,
    "script": _script,
    "unresolvable": _unresolvable,
    "reload": _reload,
    "set": _reload,
    "kill": _kill,
    "restart": _restart,
    "disk_full": _disk_full,
    "collector": _collector,
    "clock": _clock,
}
