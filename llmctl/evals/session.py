"""A run from its beginning to its results file: folders, targets, scorers and the runner put together."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from random import Random

from llmctl.batches.disk import write_all
from llmctl.clock import Clock
from llmctl.errors import StoreError, UsageError
from llmctl.evals.answers import Answers, Write
from llmctl.evals.asking import Patience
from llmctl.evals.budget import Budget, Pace, Sleep
from llmctl.evals.journal import JOURNAL, RESULTS, Journal, Place, head
from llmctl.evals.judge import Judges
from llmctl.evals.outcome import Grading, Outcomes
from llmctl.evals.prepare import Prepared
from llmctl.evals.run import Course, OnResult, Runner
from llmctl.evals.slots import Posed
from llmctl.evals.targets import Asked, Looked
from llmctl.scoring.base import Tools
from llmctl.scoring.result import Run
from llmctl.scoring.vectors import Vectors

PRIVATE = ".answers"
"""Folder of a run's answers, beside its results, where runs to come shall not take them again."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How it is run. `answers` is where earlier runs' answers are, None to ask everything anew.

    `fresh` forgets what is there of the run; `retry_errors` asks again what ended in an error.
    """

    folder: Path
    answers: Path | None
    concurrency: int
    max_cost: float | None = None
    fresh: bool = False
    retry_errors: bool = False


@dataclass(frozen=True, slots=True)
class Around:
    """What tests replace. `on_start` is told the runner before it runs, so that it can be stopped."""

    clock: Clock
    random: Random
    sleep: Sleep = asyncio.sleep
    on_start: Callable[[Runner], None] = lambda runner: None
    grader: Callable[[Tools], Grading] | None = None
    write: Write = write_all


@dataclass(frozen=True, slots=True)
class Finished:
    """A run that ended: where its results are, how it went, what was spent. `before` results were there already.

    `seconds` it took, from its first question to the results file."""

    path: Path
    run: Run
    course: Course
    budget: Budget
    before: int
    seconds: float = 0.0


def unfinished(folder: Path) -> Run | None:
    """The run that a folder holds the journal of."""
    return head(folder / JOURNAL)


async def run_prepared(
    prepared: Prepared,
    settings: Settings,
    around: Around,
    on_result: OnResult = lambda result: False,
    items: Sequence[Posed] | None = None,
    budget: Budget | None = None,
) -> Finished:
    """Run, or go on with, what was prepared. `items` may be in another order. Raises LlmctlError."""
    answers = Answers(settings.answers or settings.folder / PRIVATE, around.write)
    budget = budget or Budget(settings.max_cost)
    patience = _patience(prepared, around)
    cache = settings.answers is not None
    asked = {name: one for name, one in prepared.targets.items() if isinstance(one, Asked)}
    judges = Judges(asked, answers, patience, cache=cache)
    tools = Tools(prepared.suite.folder, Random(prepared.suite.config.seed), judges.ask, Vectors().embed)
    outcomes = Outcomes((around.grader or prepared.grader)(tools), prepared.suite.config.threshold, judges.judging)
    journal = _journal(prepared, settings, around)
    before, plan = len(journal), prepared.plan(items)
    try:
        runner = Runner(
            plan, outcomes, answers, journal, budget, judges, patience, settings.concurrency, cache, on_result
        )
        around.on_start(runner)
        async with _started(prepared.targets):
            began = around.clock.monotonic()
            course = await runner.run()
        complete = course.ended == "complete"
        path = journal.finish(complete=complete)
    finally:
        answers.close()
        journal.close()
    if complete:
        _forget_answers(settings.folder)
    return Finished(path, journal.run, course, budget, before, around.clock.monotonic() - began)


def _patience(prepared: Prepared, around: Around) -> Patience:
    config = prepared.suite.config.run
    pace = Pace(config.requests_per_minute, around.clock, around.sleep)
    return Patience(config.timeout, config.retries, pace, around.clock, around.random, around.sleep)


def _journal(prepared: Prepared, settings: Settings, around: Around) -> Journal:
    """The one to write, with what may stay in it. Raises UsageError where it is another run's."""
    if settings.fresh:
        _forget(settings.folder)
    there = unfinished(settings.folder)
    if there is not None and there.digest != prepared.digest and _has_results(settings.folder):
        raise UsageError(
            f"{settings.folder / JOURNAL}: is of another run ({there.suite}: items, prompts, targets, scorers or seed "
            "were not these); give this one its own --out, or --fresh to forget that one"
        )
    if there is not None and there.digest != prepared.digest:
        _forget(settings.folder)  # it was begun, and no more
    journal = Journal(settings.folder, prepared.run(around.clock.wall()), around.write)
    if settings.retry_errors:
        for result in list(journal.results()):
            if result.error:
                journal.forget(Place(result.variant, result.number, result.repeat))
    return journal


def _forget(folder: Path) -> None:
    try:
        for name in (JOURNAL, RESULTS):
            (folder / name).unlink(missing_ok=True)
    except OSError as error:
        raise StoreError(f"{folder}: cannot be begun anew: {error.strerror or error}") from None
    _forget_answers(folder)


def _forget_answers(folder: Path) -> None:
    for path in (folder / PRIVATE).glob("*.jsonl"):
        path.unlink(missing_ok=True)
    with suppress(OSError):
        (folder / PRIVATE).rmdir()


def _has_results(folder: Path) -> bool:
    with (folder / JOURNAL).open("rb") as lines:
        return sum(1 for _ in islice(lines, 2)) > 1


@asynccontextmanager
async def _started(targets: Mapping[str, Asked | Looked]) -> AsyncIterator[None]:
    """All of them, ready; closed in the end."""
    try:
        await asyncio.gather(*(target.start() for target in targets.values()))
        yield
    finally:
        for target in targets.values():
            await target.close()
