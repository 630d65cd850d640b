"""Running a suite: many slots at a time, each asked, kept, graded and written down, in that order.

Killing a run at any moment and going on gives the results of a run that was never killed, and nothing is paid twice:
an answer is on disk before anything is awaited after it, and a result is on disk before it counts. What cannot be
closed is the moment between the provider's charge and the arrival of its reply: such a call is made again.
"""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from llmctl.evals.answers import Answered, Answers, Kept
from llmctl.evals.asking import Patience, ask
from llmctl.evals.budget import Budget, Spent
from llmctl.evals.journal import Journal
from llmctl.evals.judge import Judges
from llmctl.evals.outcome import UNFIT, Outcomes
from llmctl.evals.slots import Plan, Slot
from llmctl.evals.targets import Asked
from llmctl.scoring.result import Result

SYNC = 1.0
"""Seconds between writes to the disk proper."""

Ended = Literal["complete", "spent", "unpriced", "decided", "stopped"]
OnResult = Callable[[Result], bool]
"""Sees every result once, those of before a crash first; True says that no more need be asked."""


@dataclass(slots=True)
class Course:
    """How a run goes, for those who watch: results so far, in this process and before, and how it ended."""

    done: int = 0
    errors: int = 0
    asked: int = 0
    ended: Ended = "complete"


class Runner:
    """One run of a plan. `on_result` is called in the order of completion, on the loop."""

    def __init__(
        self,
        plan: Plan,
        outcomes: Outcomes,
        answers: Answers,
        journal: Journal,
        budget: Budget,
        judges: Judges,
        patience: Patience,
        concurrency: int,
        cache: bool,
        on_result: OnResult = lambda result: False,
    ) -> None:
        self._plan, self._outcomes, self._answers, self._journal = plan, outcomes, answers, journal
        self._budget, self._judges, self._patience = budget, judges, patience
        self._concurrency, self._cache, self._on_result = concurrency, cache, on_result
        self._id = judges.run = f"{journal.run.digest}:{journal.run.started!r}"
        self._tags = {"eval": journal.run.suite}
        self._stopping = False
        self.course = Course()

    def stop(self) -> None:
        """Ask nothing more; what is under way is waited for."""
        self._end("stopped")

    def _end(self, why: Ended) -> None:
        if not self._stopping:
            self._stopping, self.course.ended = True, why

    async def run(self) -> Course:
        """Until all is done, or there is a reason to stop. Raises StoreError; what was paid is kept then too."""
        for result in self._journal.results():
            self._count(result)
        slots = (slot for slot in self._plan.slots() if slot.place not in self._journal)
        syncing = asyncio.create_task(self._sync())
        workers = [asyncio.create_task(self._work(slots)) for _ in range(self._concurrency)]
        try:
            await asyncio.wait(workers)
        finally:
            syncing.cancel()
            for worker in workers:
                worker.cancel()  # only where this very task was cancelled are there any
        for worker in workers:
            worker.result()
        return self.course

    async def _work(self, slots: Iterator[Slot]) -> None:
        """One of those who share the slots."""
        try:
            while not self._stopping and (slot := next(slots, None)) is not None:
                await self._do(slot)
        except Spent:
            self._end("spent")
        except BaseException:
            self._stopping = True  # the others end what they have begun, and keep it
            raise

    async def _do(self, slot: Slot) -> None:
        target = slot.variant.target
        kept = self._kept(target, slot) if isinstance(target, Asked) and not slot.trouble else None
        if self._budget.limit is None or not self._pays(slot, kept):
            await self._finish(slot, kept)
            return
        await self._budget.reserve()
        try:
            if not self._stopping:
                await self._finish(slot, kept)
        finally:
            self._budget.release()

    def _pays(self, slot: Slot, kept: Kept | None) -> bool:
        """Whether this may cost something."""
        return self._judges.used or (kept is None and isinstance(slot.variant.target, Asked) and not slot.trouble)

    async def _finish(self, slot: Slot, kept: Kept | None) -> None:
        target = slot.variant.target
        if slot.trouble:
            answer, cached = Answered(error=UNFIT, detail=slot.trouble, attempts=0), False
        elif not isinstance(target, Asked):
            answer, cached = target.answer(slot.item.sample.id, slot.repeat), True
        else:
            kept = kept or await self._ask(target, slot)
            answer, cached = kept.answer, kept.run != self._id
        result = await self._outcomes.result(slot, answer, cached=cached)
        self._journal.append(result)
        self._count(result)

    def _kept(self, target: Asked, slot: Slot) -> Kept | None:
        """An answer that need not be paid for (again)."""
        kept = self._answers.get(target.identity, slot.key)
        if kept is None or (kept.run != self._id and (not self._cache or kept.answer.error)):
            return None
        return kept

    async def _ask(self, target: Asked, slot: Slot) -> Kept:
        self.course.asked += 1
        answer = await ask(target, slot.payload, {**self._tags, "variant": slot.variant.name}, self._patience)
        # Nothing may be awaited before this: what is paid for must not get lost.
        kept = Kept(slot.key, self._id, answer)
        if not answer.error or answer.cost.usd:
            self._answers.put(target.identity, kept)
        return kept

    def _count(self, result: Result) -> None:
        self.course.done += 1
        self.course.errors += bool(result.error)
        self._budget.spend(result)
        if self._on_result(result):
            self._end("decided")
        if self._budget.limit is not None and self._budget.unpriced:
            self._end("unpriced")  # nobody could say when the limit is reached

    async def _sync(self) -> None:
        while True:
            await asyncio.sleep(SYNC)
            await asyncio.to_thread(self._answers.sync)
            await asyncio.to_thread(self._journal.sync)
