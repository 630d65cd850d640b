"""Runs one experiment: steady state, method under load, rollback, steady state again; then the books are compared."""

import asyncio
import re
from collections.abc import Sequence

from llmctl.chaos.books import Books
from llmctl.chaos.client import Crowd
from llmctl.chaos.experiment import ProbeConfig
from llmctl.chaos.figures import figures, p95_ms, seen
from llmctl.chaos.invariants import INVARIANTS
from llmctl.chaos.launch import Launcher
from llmctl.chaos.load import Experiment
from llmctl.chaos.method import Method
from llmctl.chaos.outcome import Outcome, Probed
from llmctl.chaos.questions import Answered, questions
from llmctl.chaos.unhurried import unhurried
from llmctl.chaos.world import CRASHED_WITHIN, World
from llmctl.clock import Clock
from llmctl.errors import LlmctlError

STOPPED = "it was interrupted; everything was rolled back"
_COUNTED = re.compile(rb"^llmctl_requests_total(?:\{[^\n]*\})? ([0-9.e+]+)$", re.MULTILINE)


async def run(experiment: Experiment, clock: Clock, launch: Launcher | None = None) -> Outcome:
    """Everything that is begun is undone and ended, also where the task is cancelled; then `interrupted` is said.

    `launch` is the beginning of the gateway's command line, llmctl's own by default.
    """
    config = experiment.config
    outcome = Outcome(config.name, config.description, start=clock.wall(), bar=config.expect.answered)
    outcome.counts = not config.expect.refused
    try:
        async with World(experiment, clock, launch) as world:
            await _Drill(experiment, world, outcome).run()
    except asyncio.CancelledError:
        outcome.status, outcome.reason = "interrupted", STOPPED
        if (task := asyncio.current_task()) is not None:
            task.uncancel()
    except (LlmctlError, OSError) as error:
        outcome.status, outcome.reason = "aborted", str(error) or type(error).__name__
    finally:
        outcome.end = clock.wall()
    return outcome


class _Drill:
    """One run in its world."""

    def __init__(self, experiment: Experiment, world: World, outcome: Outcome) -> None:
        config = self._config = experiment.config
        self._world, self._outcome = world, outcome
        self._crowd = Crowd(world.gateway.port, world.keys, world.clock, config.load.patience)
        self._method = Method(world, config.method, config.rollback)
        self._answers: dict[str, list[Answered]] = {}

    async def run(self) -> None:
        outcome, steady = self._outcome, self._config.steady_state
        try:
            outcome.before = await self._probed("before", steady.seconds)
            if unmet := [one for one in outcome.before if not one.met]:
                outcome.status = "not_run"
                outcome.reason = f"not run: before anything was done {'; '.join(map(str, unmet))}"
                return
            try:
                await self._break()
            finally:
                outcome.run, outcome.rollbacks = self._method.run, self._method.rollbacks
                await unhurried(self._method.undo())
            await asyncio.sleep(steady.settle)
            outcome.after = await self._probed("after", steady.seconds)
            counted = await self._counted()
        finally:
            self._crowd.close()
        await self._world.gateway.end()
        await self._judge(counted)

    async def _break(self) -> None:
        """The method, under load."""
        load = asyncio.create_task(self._load("method", self._config.load.seconds))
        play = asyncio.create_task(self._method.play())
        try:
            await asyncio.gather(load, play)
        finally:
            for task in (load, play):
                task.cancel()
            await asyncio.gather(load, play, return_exceptions=True)

    async def _load(self, phase: str, seconds: float) -> None:
        told = self._answers.setdefault(phase, [])
        asked = questions(self._config.load, phase, seconds)
        await self._crowd.steadily(asked, self._config.load.rate, told.append)

    async def _probed(self, phase: str, seconds: float) -> list[Probed]:
        start, calls = self._world.clock.wall(), len(self._world.calls)
        await self._load(phase, seconds)
        answers = self._answers[phase]
        made = len(self._world.calls) - calls
        return [await self._probe(probe, answers, made, start) for probe in self._config.steady_state.probes]

    async def _probe(self, probe: ProbeConfig, answers: Sequence[Answered], made: int, start: float) -> Probed:
        match probe.probe:
            case "ready":
                status, _ = await self._world.get("/readyz")
                value = float(status == 200)
            case "answered":
                value = sum(answer.right for answer in answers) / max(len(answers), 1)
            case "p95_ms":
                value = p95_ms(answers)
            case "calls_per_request":
                value = made / max(len(answers), 1)
        return Probed(probe.probe, value, probe.at_least, probe.at_most, start)

    async def _counted(self) -> float | None:
        """How many requests /metrics has counted, where the gateway is still the first one."""
        await asyncio.sleep(0.1)  # a record is counted once its answer has been sent
        if self._world.gateway.starts > 1:
            return None
        _, body = await self._world.get("/metrics")
        return sum(float(value) for value in _COUNTED.findall(body))

    async def _judge(self, counted: float | None) -> None:
        world, outcome, expect = self._world, self._outcome, self._config.expect
        every = [answer for phase in self._answers.values() for answer in phase]
        records = await asyncio.to_thread(world.records)
        books = Books(every, records, world.calls, world.charged(), world.crashes, counted, CRASHED_WITHIN)
        asked = self._answers["method"]
        outcome.requests = len(asked)
        outcome.answered = sum(answer.right or (expect.refused and answer.refused) for answer in asked)
        outcome.broken = {name: found for name in expect.invariants if (found := INVARIANTS[name](books, expect))}
        outcome.figures = figures(asked, books, world.warned())
        outcome.missed = self._missed(asked, books)
        if bugs := world.bugs():
            outcome.missed.append(f"the gateway's log tells of {len(bugs)} bugs: {bugs[0]}")
        outcome.status = "failed" if outcome.missed or outcome.broken else "passed"

    def _missed(self, asked: Sequence[Answered], books: Books) -> list[str]:
        outcome, expect = self._outcome, self._config.expect
        found = []
        if outcome.share < expect.answered:
            wrong = next((str(a) for a in asked if not a.right and not (expect.refused and a.refused)), "")
            found.append(
                f"answered {outcome.share:.3%}, must be {expect.answered:.3%}; the first that was not: {wrong}"
            )
        if expect.p95_ms is not None and (p95 := outcome.figures["p95_ms"]) > expect.p95_ms:
            found.append(f"p95 is {p95:.0f} ms, must be at most {expect.p95_ms:.0f}")
        for name, least in expect.seen.items():
            if (value := seen(outcome.figures, name)) < least:
                found.append(f"{name} is {value:g}, must be at least {least:g}: what was to go wrong did not")
        calls = outcome.figures["calls_per_request"]
        if expect.calls_per_request is not None and calls > expect.calls_per_request:
            found.append(f"{calls:.3f} calls for each request, must be at most {expect.calls_per_request:g}")
        found += [f"afterwards {one}" for one in outcome.after if not one.met]
        found += [f"{done.action} {done.detail}: {done.error}" for done in self._method.failed]
        if len(self._method.run) < len(self._config.method):
            found.append(f"only {len(self._method.run)} of {len(self._config.method)} steps were begun")
        return found
