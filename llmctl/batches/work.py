"""One batch at a provider's, from the first of its requests to the last of its results."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from llmctl.batches import disk, outcomes
from llmctl.batches.ledger import Entry, Kept, Ledger
from llmctl.batches.outcomes import Answered, Place
from llmctl.batches.remote import Alone, Found, Refused, Remote
from llmctl.errors import LlmctlError, UpstreamError

SLOWEST = 30  # times `batch_poll`
AT_A_TIME = 64  # results read at once
AGAIN = 60.0  # seconds before results are fetched again that could not be
TOLD = 503  # what keeps the lane trying

Log = Callable[..., None]
Pause = Callable[[asyncio.Event, float], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Tools:
    """What all works share. `pause` ends early with its event; `forget` is told of requests to be asked anew."""

    ledger: Ledger
    pause: Pause
    log: Log
    forget: Callable[["Work", set[str]], None]


class Work:
    """`gathering` until its window ends or it is full. `waiting` are those who want their results."""

    def __init__(self, kept: Kept, tools: Tools, *, restored: bool) -> None:
        self.kept = kept
        self.gathering = not restored
        self.size = 0
        self.waiting: dict[str, asyncio.Future[Answered]] = {}
        self.full = asyncio.Event()
        self.alone = asyncio.Event()
        self.task: asyncio.Task[None] | None = None
        self._lines: dict[str, bytes] = {}
        self._left = set(kept.ids)  # who has not gone, as far as is known
        self._tools = tools
        self._before = restored
        self._found: Found | None = None
        self._places: dict[str, Place] = {}

    @property
    def done(self) -> bool:
        """Whether its results are here."""
        return self._found is not None

    def add(self, ident: str, line: bytes) -> None:
        """One more request, while it gathers."""
        self._lines[ident] = line
        self.kept.ids.add(ident)
        self._left.add(ident)
        self.size += len(line)

    def wait(self, ident: str) -> asyncio.Future[Answered]:
        """What brings the result."""
        self._left.add(ident)
        return self.waiting.setdefault(ident, asyncio.get_running_loop().create_future())

    def gone(self, ident: str) -> None:
        """Nobody wants this result any more. With the last of them the whole is given up."""
        self.waiting.pop(ident, None)
        self._left.discard(ident)
        if self.gathering:
            self.size -= len(self._lines.pop(ident, b""))
            self._tools.forget(self, {ident})
        if not self._left and not self.done:
            self._tools.forget(self, set(self.kept.ids))
            self.full.set()
            self.alone.set()

    async def run(self, remote: Remote) -> None:
        """Bring the results to who waits for them. Raises nothing but bugs, which they are told too."""
        try:
            if self.gathering:
                await self._tools.pause(self.full, remote.api.window)
                self.gathering = False
            await self._bring(remote)
        except Alone:
            await self._give_up(remote)
        except Refused as error:
            await self._fail(Answered(error.status, error.body, error.headers))
        except (LlmctlError, OSError) as error:
            why = error.message if isinstance(error, LlmctlError) else f"batches.dir: {error.strerror}"
            self._tools.log("provider_batch_failed", provider=self.kept.provider, error=why)
            await self._fail(outcomes.failed(TOLD, "batch_not_made", why))
        except Exception as bug:
            self._tools.forget(self, set(self.kept.ids))
            for future in self.waiting.values():
                if not future.done():
                    future.set_exception(bug)
            raise

    async def result(self, ident: str) -> Answered:
        """One result, once it is done."""
        [found] = await self._read([ident])
        return found

    # --- its course

    async def _bring(self, remote: Remote) -> None:
        kept, tools = self.kept, self._tools
        if not self.alone.is_set() and not kept.file:
            kept.lines = list(self._lines)
            kept.file = await remote.upload(kept.name, b"".join(self._lines.values()))
            self._lines = {}
            await tools.ledger.keep(kept.entry())
        if not self.alone.is_set() and not kept.batch:
            await self._create(remote)
        if self.alone.is_set():
            await self._give_up(remote)
            return
        found = await self._ended(remote)
        if found is None:
            await self._give_up(remote)
            return
        await self._fetch(remote, found)
        self._found = found
        counts = {"requests": len(kept.lines), "results": len(self._places)}
        tools.log("provider_batch_ended", provider=kept.provider, batch=kept.batch, status=found.status, **counts)
        idents = iter(list(self.waiting))
        while some := list(islice(idents, AT_A_TIME)):
            for ident, answered in zip(some, await self._read(some), strict=True):
                self._tell(ident, answered)

    async def _create(self, remote: Remote) -> None:
        """Until it is made, or nobody wants it: to forget one that may have been made would be to pay twice."""
        kept, tools = self.kept, self._tools
        while not kept.batch and not self.alone.is_set():
            before, self._before = self._before, True
            try:
                kept.batch = (await remote.create(kept.file, kept.url, before=before)).id
            except (UpstreamError, Refused) as error:
                if isinstance(error, Refused) and error.status < 500:
                    raise
                self._trouble(error)
        if kept.batch:
            tools.log("provider_batch", provider=kept.provider, batch=kept.batch, requests=len(kept.lines))
            try:
                await tools.ledger.keep(Entry(kept.name, batch=kept.batch))
            except OSError as error:  # it is found again by its file
                self._trouble(error)

    async def _ended(self, remote: Remote) -> Found | None:
        """Once it has; None where nobody waits any more."""
        wait, most = remote.api.poll, remote.api.poll * SLOWEST
        while not self.alone.is_set():
            try:
                found = await remote.look(self.kept.batch)
                if found.ended:
                    return found
            except (UpstreamError, Refused) as error:
                if isinstance(error, Refused) and error.status == 404:
                    if self._results.exists():
                        return Found(self.kept.batch, "completed")
                    raise _lost() from None
                self._trouble(error)
            await self._tools.pause(self.alone, wait)
            wait = min(wait * 1.5, most)
        return None

    async def _fetch(self, remote: Remote, found: Found) -> None:
        """Results on our disk, where they are found by request."""
        while not self._results.exists():
            try:
                await self._download(remote, found)
            except Refused as error:
                self._trouble(error)
                if not error.passing and error.status not in (401, 403):
                    return  # the files are gone: every request is told so
                await self._tools.pause(self.alone, AGAIN)
            except (OSError, UpstreamError) as error:
                self._trouble(error)
                await self._tools.pause(self.alone, AGAIN)
            if self.alone.is_set():
                return
        self._places = await asyncio.to_thread(outcomes.index, self._results)

    async def _download(self, remote: Remote, found: Found) -> None:
        part = self._results.with_name(f"{self._results.name}{disk.PART}")
        await asyncio.to_thread(part.unlink, missing_ok=True)
        descriptor = await asyncio.to_thread(disk.create, part)
        try:
            for file in (found.output_file_id, found.error_file_id):
                if file:
                    async for data in remote.content(file):
                        await asyncio.to_thread(disk.write_all, descriptor, data)
                    await asyncio.to_thread(disk.write_all, descriptor, b"\n")
        finally:
            await asyncio.to_thread(os.close, descriptor)
        await asyncio.to_thread(part.replace, self._results)

    async def _give_up(self, remote: Remote) -> None:
        """Nobody waits: the provider is told, so that no more is paid for."""
        kept = self.kept
        try:
            if kept.file and not kept.batch and self._before and (found := await remote.find(kept.file)) is not None:
                kept.batch = found.id
            if kept.batch:
                await remote.cancel(kept.batch)
                self._tools.log("provider_batch_cancelled", provider=kept.provider, batch=kept.batch)
        except (UpstreamError, Refused) as error:
            self._trouble(error)
        await self._over()

    # --- what becomes of requests

    async def _read(self, idents: list[str]) -> list[Answered]:
        """Results; those that are errors are forgotten, so that who asks again is asked anew."""
        found = self._found
        assert found is not None
        there = [ident for ident in idents if ident in self._places]
        places = [self._places[one] for one in there]
        raws = await asyncio.to_thread(lambda: [*outcomes.read(self._results, places)]) if places else []
        read = dict(zip(there, map(outcomes.answer, raws), strict=True))
        numbers = {one: number for number, one in enumerate(self.kept.lines, 1)} if len(read) < len(idents) else {}
        for ident in idents:
            if ident not in read:
                read[ident] = outcomes.without(found, numbers.get(ident, 0))
        wrong = {ident for ident in idents if not 200 <= read[ident].status < 300}
        if wrong:
            self._tools.forget(self, wrong)
            await self._tools.ledger.keep(Entry(self.kept.name, gone=sorted(wrong)))
        return [read[ident] for ident in idents]

    async def _fail(self, answered: Answered) -> None:
        """All of it is asked anew by who asks again."""
        waiting = list(self.waiting)
        await self._over()
        for ident in waiting:
            self._tell(ident, answered)

    async def _over(self) -> None:
        self._tools.forget(self, set(self.kept.ids))
        if self.kept.file:
            try:
                await self._tools.ledger.keep(Entry(self.kept.name, over=True))
            except OSError as error:
                self._trouble(error)

    def _tell(self, ident: str, answered: Answered) -> None:
        future = self.waiting.pop(ident, None)
        if future is not None and not future.done():
            future.set_result(answered)

    @property
    def _results(self) -> Path:
        return self._tools.ledger.results(self.kept.name)

    def _trouble(self, error: Exception) -> None:
        why = error.message if isinstance(error, LlmctlError) else str(error)
        self._tools.log("provider_batch_trouble", provider=self.kept.provider, batch=self.kept.batch, error=why)


def _lost() -> Refused:
    """The provider does not know it any more: its requests are asked anew."""
    answered = outcomes.lost()
    return Refused(answered.status, answered.headers, answered.body)
