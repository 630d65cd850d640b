"""The lane: works off batches one line after another, beside the traffic, through the gateway that is live.

One process of all that share the folder runs it; the others take over when it ends.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from random import Random

from llmctl.batches.asking import Apart, Entry, Reply, ask
from llmctl.batches.lines import Line
from llmctl.batches.objects import Batch
from llmctl.batches.run import Run
from llmctl.batches.shelf import Shelf
from llmctl.batches.store import Store
from llmctl.clock import Clock
from llmctl.config.schema_cost import BatchesConfig
from llmctl.errors import LlmctlError
from llmctl.gateway.reload import Live

POLL = 1.0
SWEEP_EVERY = 600.0
REST = 60.0  # seconds before a batch is tried again that the disk, or a bug, has stopped
MOST_AT_A_TIME = 16


class Lane:
    """`run` until `stop`; then `settled` waits for lines under way, which `interrupt` ends."""

    def __init__(
        self,
        live: Live,
        store: Store,
        config: BatchesConfig,
        entries: Mapping[str, Entry],
        clock: Clock,
        random: Random,
        log: Callable[..., None],
    ) -> None:
        """`entries` are the endpoints that batches may be for, by path; `log` takes an event and its fields."""
        self._live, self._store, self._config, self._entries = live, store, config, entries
        self._clock, self._random, self._log = clock, random, log
        self._turns = asyncio.Semaphore(config.concurrency)
        self._places = asyncio.Semaphore(config.parked)
        self._woken = asyncio.Event()
        self._runs: dict[str, tuple[Run, str]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._resting: dict[str, float] = {}
        self._over: set[str] = set()
        self._swept = -SWEEP_EVERY
        self._waiting = 0  # batches, at the last look
        self._stopping = False

    def wake(self) -> None:
        """There is something new in the queue."""
        self._woken.set()

    def stop(self) -> None:
        """Start no more lines."""
        self._stopping = True
        for run, _ in self._runs.values():
            run.end("stopped")
        self.wake()

    def interrupt(self) -> None:
        """End lines under way; their results are lost, and they are asked again at the next start."""
        self.stop()
        for run, _ in self._runs.values():
            run.interrupt()

    def batches(self) -> dict[str, float]:
        """Batches by state: those that wait, and those that are worked off. None where another process has the lane."""
        return {"waiting": float(self._waiting), "running": float(len(self._runs))}

    def requests(self) -> dict[str, float]:
        """Requests of the batches that are worked off, by state: `parked` ones wait in a batch of their provider's."""
        found: Counter[str] = Counter(waiting=0, under_way=0, parked=0)
        for run, _ in list(self._runs.values()):
            found.update(run.requests())
        return {state: float(count) for state, count in found.items()}

    async def run(self) -> None:
        """Until it is stopped."""
        while not self._stopping:
            self._woken.clear()
            try:
                if await asyncio.to_thread(self._store.take_lane):
                    await self._turn()
            except Exception as error:  # whatever it was, the next turn may do better
                known = isinstance(error, OSError | LlmctlError)
                self._log("batches_failed", error=str(error), exc_info=None if known else error)
            with suppress(TimeoutError):
                async with asyncio.timeout(POLL):
                    await self._woken.wait()

    async def settled(self) -> None:
        """Once nothing is under way any more, the lane is another's to take."""
        if self._tasks:
            await asyncio.wait(self._tasks)
        if (parker := self._live.gateway.parker) is not None:
            await parker.close()
        self._store.release_lane()

    async def _turn(self) -> None:
        """Look at the queue; end, save and start what is due."""
        waiting: list[tuple[Batch, Shelf]] = []
        self._over.clear()
        for batch, shelf in await asyncio.to_thread(self._queued):
            if batch.id not in self._runs:
                waiting.append((batch, shelf))
                continue
            run = self._runs[batch.id][0]
            if batch.status == "cancelling":
                run.end("cancelled")
            elif self._clock.wall() >= batch.expires_at:
                run.end("expired")
            await run.save()
        # What has ended while the queue was read was read as it had been.
        self._start([one for one in waiting if one[0].id not in self._over])
        self._waiting = sum(batch.id not in self._runs for batch, _ in waiting)
        now = self._clock.monotonic()
        if now - self._swept >= SWEEP_EVERY:
            self._swept = now
            await asyncio.to_thread(self._store.sweep)

    def _queued(self) -> list[tuple[Batch, Shelf]]:
        """Batches that have not ended. Blocks."""
        found = []
        for ident, shelf in self._store.queue():
            try:
                batch = shelf.batch(ident)
            except LlmctlError as error:
                self._log("batch_unreadable", batch=ident, error=error.message)
                shelf.unqueue(ident)
                continue
            if batch.ended:  # it ended, and a crash kept it in the queue
                shelf.unqueue(ident)
            else:
                found.append((batch, shelf))
        return found

    def _start(self, waiting: list[tuple[Batch, Shelf]]) -> None:
        """Those that only have to be ended, then the oldest of the tenants that have the fewest under way."""
        now, wall = self._clock.monotonic(), self._clock.wall()
        waiting = [one for one in waiting if self._resting.get(one[0].id, now) <= now]
        while waiting and not self._stopping:
            busy = Counter(tenant for _, tenant in self._runs.values())
            batch, shelf = one = min(waiting, key=lambda one: (not _over(one[0], wall), busy[one[0].tenant], one[0].id))
            if len(self._runs) >= MOST_AT_A_TIME and not _over(batch, wall):
                return
            waiting.remove(one)
            run = self._run(batch, shelf)
            if wall >= batch.expires_at:
                run.end("expired")
            self._runs[batch.id] = (run, batch.tenant)
            task = asyncio.create_task(self._take(run))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _run(self, batch: Batch, shelf: Shelf) -> Run:
        config = self._config
        return Run(
            batch,
            shelf,
            self._entries[batch.endpoint],
            self._ask,
            self._clock,
            turns=self._turns,
            places=self._places,
            width=config.concurrency,
            limits=(config.max_requests, self._live.gateway.config.server.max_body),
        )

    async def _take(self, run: Run) -> None:
        ident = run.batch.id
        try:
            await run.run()
            self._resting.pop(ident, None)
        except Exception as error:
            self._resting[ident] = self._clock.monotonic() + REST
            known = isinstance(error, OSError | LlmctlError)
            self._log("batch_failed", batch=ident, error=str(error), exc_info=None if known else error)
        else:
            if run.batch.ended:
                self._log("batch_ended", batch=ident, status=run.batch.status, total=run.batch.total)
        finally:
            del self._runs[ident]
            self._over.add(ident)
            self.wake()

    async def _ask(self, batch: Batch, entry: Entry, line: Line, again: int, apart: Apart) -> Reply:
        gateway, priority = self._live.gateway, self._config.priority
        return await ask(gateway, self._random, batch, entry, line, priority, again=again, apart=apart)


def _over(batch: Batch, now: float) -> bool:
    """Whether nothing of it is to be asked any more."""
    return batch.status in ("cancelling", "finalizing") or now >= batch.expires_at
