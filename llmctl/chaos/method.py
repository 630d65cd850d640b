"""Plays an experiment's method, and undoes it: always, the last step first, and going on where one cannot be undone."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from llmctl.chaos.actions import Undo, act
from llmctl.chaos.experiment import ActionConfig, StepConfig
from llmctl.chaos.world import World
from llmctl.errors import LlmctlError


@dataclass(slots=True)
class Done:
    """A step, or its undoing. Times are of the wall clock; `error` is why it failed."""

    action: str
    detail: str
    start: float
    end: float = 0.0
    error: str = ""
    undone: bool = False


class Method:
    """The steps of one run. `run` are those that were begun, `rollbacks` what was undone or done in the end."""

    def __init__(self, world: World, steps: Sequence[StepConfig], rollback: Sequence[ActionConfig]) -> None:
        self._world = world
        self._steps = sorted(steps, key=lambda step: step.at)
        self._rollback = rollback
        self._stack: list[tuple[ActionConfig, Done, Undo]] = []
        self.run: list[Done] = []
        self.rollbacks: list[Done] = []

    @property
    def failed(self) -> list[Done]:
        """Steps that could not be done, or not be undone."""
        return [done for done in (*self.run, *self.rollbacks) if done.error]

    async def play(self) -> None:
        """Do each step at its time from now, and undo those that last for a while. Stops at a step that fails."""
        begin = self._world.clock.monotonic()
        events: list[tuple[float, StepConfig, bool]] = [(step.at, step, True) for step in self._steps]
        events += [(step.at + step.for_, step, False) for step in self._steps if step.for_ is not None]
        for at, step, doing in sorted(events, key=lambda event: event[0]):
            await asyncio.sleep(max(0.0, begin + at - self._world.clock.monotonic()))
            if doing:
                if not await self._do(step, self.run):
                    return
            elif (entry := next((one for one in self._stack if one[0] is step), None)) is not None:
                await self._undo(entry)

    async def undo(self) -> None:
        """What stands is undone, the last step first; then the experiment's own rollback."""
        while self._stack:
            await self._undo(self._stack[-1])
        for step in self._rollback:
            await self._do(step, self.rollbacks)

    async def _do(self, step: ActionConfig, into: list[Done]) -> bool:
        done = Done(step.action, detail(step), self._world.clock.wall())
        into.append(done)
        try:
            if (undo := await act(self._world, step)) is not None and into is self.run:
                self._stack.append((step, done, undo))
        except (LlmctlError, OSError) as error:
            done.error = str(error) or type(error).__name__
        finally:
            done.end = self._world.clock.wall()
        return not done.error

    async def _undo(self, entry: tuple[ActionConfig, Done, Undo]) -> None:
        step, of, undo = entry
        done = Done(f"undo {step.action}", detail(step), self._world.clock.wall())
        self.rollbacks.append(done)
        try:
            await undo()
            of.undone = True
        except asyncio.CancelledError:
            done.error = "interrupted; begun anew"
            raise  # it stays on the stack
        except (LlmctlError, OSError) as error:
            done.error = str(error) or type(error).__name__
        finally:
            done.end = self._world.clock.wall()
        self._stack.remove(entry)


def detail(step: ActionConfig) -> str:
    """What a step is about, in words."""
    parts = [step.provider or "", ", ".join(fault.kind for fault in step.faults)]
    parts += [", ".join(f"{name}={value}" for name, value in step.set.items())]
    parts += [f"{step.fate}" if step.fate is not None else "", f"{step.jump:+g} s" if step.jump is not None else ""]
    return " ".join(part for part in parts if part)
