"""One batch from its file to its results: checked, asked line by line, and finished, however often it is begun anew.

A line is done once its result is on the disk. After a crash only lines that were under way are asked again.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from itertools import islice
from typing import Literal

from msgspec import structs

from llmctl.batches import lines
from llmctl.batches.asking import Apart, Entry, Reply
from llmctl.batches.disk import Journal
from llmctl.batches.lines import Line
from llmctl.batches.objects import Batch, Status, Trouble
from llmctl.batches.shelf import Shelf
from llmctl.clock import Clock
from llmctl.gateway.pipeline import STOPPING

READ_AHEAD = 64  # lines
READ_AHEAD_BYTES = 1024 * 1024
MOST_TRIES = 30  # of a line whose model is busy or down
MOST_WAIT = 60.0
EXPIRED = "This request could not be executed before the completion window expired."

End = Literal["cancelled", "expired", "unauthorized", "stopped"]
Ask = Callable[[Batch, Entry, Line, int, Apart], Awaitable[Reply]]
"""Asks a line, which was asked so often before; the last is open while it waits in a batch of its provider's."""


class Turn:
    """One of the lane's turns, which its holder may give up for a while."""

    def __init__(self, turns: asyncio.Semaphore) -> None:
        self._turns = turns
        self._held = False

    async def take(self) -> None:
        """Wait for it."""
        await self._turns.acquire()
        self._held = True

    def give_up(self) -> None:
        """Let another have it, if it is held."""
        if self._held:
            self._held = False
            self._turns.release()

    async def __aenter__(self) -> "Turn":
        await self.take()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.give_up()


class Run:
    """A batch under way."""

    def __init__(
        self,
        batch: Batch,
        shelf: Shelf,
        entry: Entry,
        ask: Ask,
        clock: Clock,
        *,
        turns: asyncio.Semaphore,
        places: asyncio.Semaphore,
        width: int,
        limits: tuple[int, int],
    ) -> None:
        """A line is asked in its turn among all batches'; `width` may wait at a time.

        Lines that wait in a batch of their provider's have one of `places` instead.

        `limits` are most requests, and most bytes of one.
        """
        self.batch = batch
        self._shelf = shelf
        self._entry = entry
        self._ask = ask
        self._clock = clock
        self._turns = turns
        self._places = places
        self._slots = asyncio.Semaphore(width)
        self._max_requests, self._max_body = limits
        self._folder = shelf.folder(batch.id)
        self._end: End | None = None
        self._ending = asyncio.Event()
        self._saving = asyncio.Lock()
        self._under_way: set[asyncio.Task[None]] = set()
        self._asking: set[asyncio.Task[None]] = set()
        self._parked: set[asyncio.Task[None]] = set()
        self._roomy: set[asyncio.Task[None]] = set()
        self._done: set[str] = set()
        self._saved = batch
        self._trouble: Trouble | None = None
        self._broken: BaseException | None = None

    def end(self, why: End) -> None:
        """Ask no more lines. Those under way still bring their results, but for those that wait for hours."""
        if self._end is None or why == "stopped":
            self._end = why
        self._ending.set()
        for task in self._parked:
            task.cancel(*((STOPPING,) if why == "stopped" else ()))

    def interrupt(self) -> None:
        """End lines under way too: they are asked again at the next start."""
        self.end("stopped")
        for task in self._asking:
            task.cancel(STOPPING)

    def requests(self) -> dict[str, int]:
        """Its requests by state: those that wait, are under way, or are parked with their provider."""
        parked = len(self._parked)
        under_way = len(self._under_way) - parked
        done = self.batch.completed + self.batch.failed
        waiting = self.batch.total - done - under_way - parked
        return {"waiting": max(waiting, 0), "under_way": max(under_way, 0), "parked": parked}

    async def run(self) -> None:
        """To its end, or until it is stopped. Raises OSError or StoreError where the disk fails: try later."""
        if self.batch.status == "validating":
            await self._check()
        if self.batch.ended:
            return
        if self.batch.status == "cancelling":
            self.end("cancelled")
        if self.batch.status != "finalizing":  # else it had been worked off when it was interrupted
            await self._journalled()
        if self._end != "stopped":
            async with self._saving:
                await asyncio.to_thread(self._finish)

    async def save(self) -> None:
        """Write how far it is, where that has changed."""
        async with self._saving:
            batch = self.batch
            if batch is not self._saved and batch.status == "in_progress":
                await asyncio.to_thread(self._shelf.save, batch)
                self._saved = batch

    # --- before

    async def _check(self) -> None:
        batch, now = self.batch, self._clock.wall
        path = self._shelf.data(batch.input_file_id)
        checking = lines.Check(path, batch.endpoint, max_requests=self._max_requests, max_body=self._max_body)
        try:
            while await asyncio.to_thread(checking.step):
                pass
            found = checking.found()
        except FileNotFoundError:
            found = lines.Checked(0, None, [Trouble("file_not_found", "the input file is gone")])
        if found.troubles:
            self.batch = batch.on("failed", now(), errors=found.troubles)
            await asyncio.to_thread(self._shelf.ended, self.batch)
            return
        self.batch = self._saved = batch.on("in_progress", now(), total=found.total, model=found.model)
        await asyncio.to_thread(self._shelf.save, self.batch)

    def _input(self) -> Iterator[Line]:
        return lines.read(self._shelf.data(self.batch.input_file_id))

    # --- during

    async def _journalled(self) -> None:
        self._output = await asyncio.to_thread(Journal, self._folder / "output.jsonl")
        try:
            self._errors = await asyncio.to_thread(Journal, self._folder / "errors.jsonl")
            try:
                await self._work()
            finally:
                self._errors.close()
        finally:
            self._output.close()

    async def _work(self) -> None:
        answered = await asyncio.to_thread(lambda: [*lines.answered(self._folder / "output.jsonl")])
        failed = await asyncio.to_thread(lambda: [*lines.answered(self._folder / "errors.jsonl")])
        self._done = {*answered, *failed}
        tokens = await asyncio.to_thread(lines.spent, self._folder / "output.jsonl")
        counts = {"completed": len(answered), "failed": len(failed)}
        self.batch = structs.replace(self.batch, **counts, tokens=tokens)
        source = self._input()
        try:
            while self._end is None and (some := await asyncio.to_thread(_some, source)):
                for line in some:
                    if line.custom_id not in self._done:
                        await self._start(line)
        finally:
            await self._settled()
        if self._broken is not None:
            raise self._broken
        if self._end == "expired":
            await self._expire()

    async def _start(self, line: Line) -> None:
        """Begin a line as soon as there is room for it."""
        await self._slots.acquire()
        if self._end is not None:
            self._slots.release()
            return
        task = asyncio.create_task(self._line(line))
        self._under_way.add(task)
        self._asking.add(task)
        task.add_done_callback(self._over)

    def _over(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        self._asking.discard(task)
        if task in self._roomy:
            self._roomy.discard(task)
        else:
            self._slots.release()
        if not task.cancelled() and (error := task.exception()) is not None:
            self._broken = error  # the disk's, or a bug: the batch is begun anew later
            self.end("stopped")

    async def _settled(self) -> None:
        while self._under_way:
            await asyncio.wait(self._under_way)

    async def _line(self, line: Line) -> None:
        reply = await self._final(line)
        if reply is not None:
            if (task := asyncio.current_task()) is not None:
                self._asking.discard(task)  # from here on it is not cancelled
            await self._keep(line, reply)

    async def _final(self, line: Line) -> Reply | None:
        """What is to be kept of a line, after as many tries as it takes; None: ask it another time."""
        tries = asked = 0  # a refusal by a limit of ours is no try of the model
        while True:
            async with Turn(self._turns) as turn:
                if self._end is not None:
                    return None
                reply = await self._ask(self.batch, self._entry, line, asked, partial(self._apart, turn))
            asked += 1
            if self._end == "stopped" and reply.failure is not None:
                return None  # perhaps it failed only because we stop
            if reply.unauthorized and reply.failure is not None:
                self._trouble = Trouble(reply.failure.code, reply.failure.message)
                self.end("unauthorized")
                return None
            wait = reply.limited
            if wait is None:
                tries += 1
                wait = reply.passing if tries < MOST_TRIES else None
            if wait is None:
                return reply
            if await self._ended_within(max(wait, min(2.0 ** min(asked - 1, 10), MOST_WAIT))):
                return None

    @asynccontextmanager
    async def _apart(self, turn: Turn) -> AsyncIterator[None]:
        """While a line waits in a batch of its provider's: others have its turn, and then its room to wait."""
        task = asyncio.current_task()
        assert task is not None
        turn.give_up()
        self._parked.add(task)
        try:
            if self._end is not None:
                self.end(self._end)  # it came after the others were told
            async with self._places:
                if task not in self._roomy:  # else it has been parked before
                    self._roomy.add(task)
                    self._slots.release()
                yield
        finally:
            self._parked.discard(task)
        await turn.take()

    async def _ended_within(self, seconds: float) -> bool:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._ending.wait()
        return self._end is not None

    async def _keep(self, line: Line, reply: Reply) -> None:
        ident = self._request_id()
        ok = reply.failure is None
        if not ok and self._clock.wall() >= self.batch.expires_at:
            data = lines.unasked(ident, line.custom_id, "batch_expired", EXPIRED)
        else:
            data = lines.result(ident, line.custom_id, reply.status, reply.request_id, reply.body)
        await (self._output if ok else self._errors).append(data)
        self._done.add(line.custom_id)
        counts = {"completed": self.batch.completed + ok, "failed": self.batch.failed + (not ok)}
        tokens = self.batch.tokens + lines.tokens(reply.body) if ok else self.batch.tokens
        self.batch = structs.replace(self.batch, **counts, tokens=tokens)

    def _request_id(self) -> str:
        return "batch_req_" + self._shelf.new_id("batch_").removeprefix("batch_")

    async def _expire(self) -> None:
        """What was not asked in time is said to have expired."""
        source = (line for line in self._input() if line.custom_id not in self._done)
        while some := await asyncio.to_thread(_some, source):
            late = [lines.unasked(self._request_id(), line.custom_id, "batch_expired", EXPIRED) for line in some]
            await self._errors.append(b"".join(late))
            self.batch = structs.replace(self.batch, failed=self.batch.failed + len(late))

    # --- after

    def _finish(self) -> None:
        """Make files of the results, then end. Each step may be done twice. Blocks."""
        shelf, now = self._shelf, self._clock.wall()
        if self.batch.status != "finalizing":
            self.batch = self._finalizing(now)
            shelf.save(self.batch)
        batch = self.batch
        for ident, name in ((batch.output_file_id, "output"), (batch.error_file_id, "errors")):
            if ident is not None:
                title = f"{batch.id}_{name.removesuffix('s')}.jsonl"
                shelf.adopt(self._folder / f"{name}.jsonl", ident, title, batch.output_keep)
        self.batch = batch.on(batch.ending or "completed", now)
        shelf.ended(self.batch)

    def _finalizing(self, now: float) -> Batch:
        batch, end = self.batch, self._end
        ends: dict[End | None, Status] = {"cancelled": "cancelled", "expired": "expired", "unauthorized": "failed"}
        return batch.on(
            "finalizing",
            now,
            ending=ends.get(end, "completed"),
            output_file_id=self._shelf.new_id("file-") if batch.completed else None,
            error_file_id=self._shelf.new_id("file-") if batch.failed else None,
            errors=[self._trouble] if self._trouble is not None else [],
            cancelling_at=batch.cancelling_at or int(now) if end == "cancelled" else None,
        )


def _some(source: Iterator[Line]) -> list[Line]:
    """A few of the next lines, or a single one that is long; none at the end. Blocks."""
    found, size = list[Line](), 0
    for line in islice(source, READ_AHEAD):
        found.append(line)
        size += len(line.body)
        if size >= READ_AHEAD_BYTES:
            break
    return found
