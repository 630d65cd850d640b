"""A transport on which requests wait: gathered into batches of their provider's, and answered from their results.

`send` takes a request as any transport does, and returns when its result is there, which may be hours later. A request
is known by its id and what it asks: sent again, after a crash for example, it finds the batch that it is in already.
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from functools import partial
from hashlib import blake2b
from pathlib import Path

from msgspec import Raw

from llmctl.batches.ledger import STAYS, Kept, Ledger
from llmctl.batches.outcomes import Answered
from llmctl.batches.remote import Alone, Remote
from llmctl.batches.work import Log, Tools, Work
from llmctl.clock import Clock
from llmctl.errors import Unavailable, UpstreamTimeout
from llmctl.gateway.pipeline import STOPPING
from llmctl.model.json import compact, encode
from llmctl.net.transport import Request, Transport
from llmctl.providers.openai import BatchApi

MOST = 5000
MOST_BYTES = 90_000_000  # OpenAI takes 50,000 requests and 200 MB; others less
LAST_WORDS = 5.0  # seconds for telling providers of batches that nobody wants
DISK = 60.0  # seconds until a disk is tried again
ID = b"x-request-id: "


class Parked:
    """What is parked, of all providers. Its folder is opened with the first request, by the process with the lane."""

    def __init__(
        self,
        folder: Path,
        transport: Transport,
        clock: Clock,
        log: Log,
        *,
        most: int = MOST,
        most_bytes: int = MOST_BYTES,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        token: Callable[[int], str] = secrets.token_hex,
    ) -> None:
        """`most` requests and `most_bytes` go into one batch; `log` takes an event and its fields."""
        self._folder, self._transport, self._clock, self._log = folder, transport, clock, log
        self._most, self._most_bytes = most, most_bytes
        self._sleep, self._token = sleep, token
        self._opening = asyncio.Lock()
        self._tools: Tools | None = None
        self._works: dict[str, Work] = {}  # by the id of a request
        self._gathering: dict[tuple[str, str, str], Work] = {}
        self._running: set[Work] = set()

    def transport(self, provider: str, api: BatchApi, model: str) -> Transport:
        """Requests of different models do not share a batch: OpenAI does not take them."""
        return Door(self, provider, api, model)

    async def close(self) -> None:
        """Stop looking after batches; they run on, and who asks again finds them."""
        given_up = [work.task for work in self._running if work.alone.is_set() and work.task is not None]
        if given_up:
            await asyncio.wait(given_up, timeout=LAST_WORDS)
        tasks = [work.task for work in self._running if work.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._works.clear()
        self._gathering.clear()
        if self._tools is not None:
            await asyncio.to_thread(self._tools.ledger.close)
            self._tools = None

    async def send(self, door: "Door", request: Request) -> Answered:
        """The request's result, in time. Raises UpstreamTimeout, StoreError, or Unavailable where the disk fails."""
        ident, url, line = door.line(request)
        try:
            tools = await self._opened()
            work = self._works.get(ident) or self._gather(tools, door, url, ident, line)
            if work.done:
                return await work.result(ident)
        except OSError as error:
            message = f"batches.dir cannot be read or written: {error.strerror}; ask the operator"
            raise Unavailable(message, retry_after=DISK) from None
        future = work.wait(ident)
        if work.task is None:
            self._start(work, door)
        try:
            async with asyncio.timeout(max(0.0, request.deadline - self._clock.monotonic())):
                return await future
        except TimeoutError:
            work.gone(ident)
            message = f"the batch at provider {door.provider} did not end before the request had to"
            raise UpstreamTimeout(message, phase="total") from None
        except asyncio.CancelledError as cancelled:
            if cancelled.args == (STOPPING,):
                work.waiting.pop(ident, None)  # it comes back
            else:
                work.gone(ident)
            raise

    async def _opened(self) -> Tools:
        async with self._opening:
            if self._tools is None:
                ledger = await asyncio.to_thread(Ledger, self._folder, self._clock.wall(), self._token(8))
                self._tools = Tools(ledger, self._pause, self._log, self._forget)
                for kept in ledger.found.values():
                    work = Work(kept, self._tools, restored=True)
                    self._works.update(dict.fromkeys(kept.ids, work))
            return self._tools

    def _gather(self, tools: Tools, door: "Door", url: str, ident: str, line: bytes) -> Work:
        """Into the batch that gathers such requests now."""
        key = (door.provider, url, door.model)
        work = self._gathering.get(key)
        if work is not None and work.size + len(line) > self._most_bytes:
            work.full.set()
            work = None
        if work is None or not work.gathering or work.full.is_set():
            self._sweep()
            kept = Kept(self._token(8), self._clock.wall(), door.provider, url, [], set())
            work = self._gathering[key] = Work(kept, tools, restored=False)
        work.add(ident, line)
        self._works[ident] = work
        if len(work.kept.ids) >= self._most:
            work.full.set()
        return work

    def _start(self, work: Work, door: "Door") -> None:
        async def patience(seconds: float) -> None:
            await self._pause(work.alone, seconds)
            if work.alone.is_set():
                raise Alone("nobody waits for this batch any more")

        remote = Remote(door.api, self._transport, self._clock, patience)
        work.task = asyncio.create_task(work.run(remote))
        self._running.add(work)
        work.task.add_done_callback(partial(self._ended, work))

    def _ended(self, work: Work, task: asyncio.Task[None]) -> None:
        self._running.discard(work)
        for key in [key for key, one in self._gathering.items() if one is work]:
            del self._gathering[key]
        if not task.cancelled() and (bug := task.exception()) is not None:
            self._log("provider_batch_failed", provider=work.kept.provider, error=str(bug), exc_info=bug)

    def _sweep(self) -> None:
        """What nobody asks for any more is no longer known; its results go with the next start."""
        since = self._clock.wall() - STAYS
        old = {work for work in self._works.values() if work.kept.at < since and not work.waiting}
        for work in old:
            self._forget(work, set(work.kept.ids))

    def _forget(self, work: Work, idents: set[str]) -> None:
        work.kept.ids -= idents
        for ident in idents:
            if self._works.get(ident) is work:
                del self._works[ident]

    async def _pause(self, event: asyncio.Event, seconds: float) -> None:
        """So long, or until the event."""
        if event.is_set():
            return
        waits = [asyncio.ensure_future(event.wait()), asyncio.ensure_future(self._sleep(seconds))]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waits:
                each.cancel()


class Door:
    """The transport of one model of one provider."""

    def __init__(self, parked: Parked, provider: str, api: BatchApi, model: str) -> None:
        self._parked = parked
        self.provider, self.api, self.model = provider, api, model

    async def send(self, request: Request) -> Answered:
        """Returns when the result is there."""
        return await self._parked.send(self, request)

    def line(self, request: Request) -> tuple[str, str, bytes]:
        """The request's id in batches, its endpoint there, and its line.

        The id has both who asks and what: routing may choose anew.
        """
        start = request.headers.rindex(ID) + len(ID)
        asker = request.headers[start : request.headers.index(b"\r", start)].partition(b".")[0]
        url = "/v1" + request.target.removeprefix(self.api.plain.prefix).decode("ascii")
        body = compact(request.body)
        what = blake2b(b"\n".join((self.provider.encode(), url.encode(), body)), digest_size=8).hexdigest()
        ident = f"{asker.decode('ascii')}-{what}"
        line = {"custom_id": ident, "method": "POST", "url": url, "body": Raw(body)}
        return ident, url, encode(line) + b"\n"
