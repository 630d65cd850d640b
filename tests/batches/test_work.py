"""One batch at a provider's, where our own disk fails it, and where it ends before its time."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from llmctl.batches.ledger import Entry, Kept, Ledger
from llmctl.batches.remote import Remote
from llmctl.batches.work import Tools, Work
from llmctl.clock import SystemClock
from llmctl.model.json import encode
from llmctl.net.pool import Pool
from llmctl.providers.openai import BatchApi, OpenAIOptions
from llmctl.testing.batch_provider import BatchProvider

URL = "/v1/chat/completions"


class Full(Ledger):
    """A ledger on a disk that takes nothing of what `refuses` says."""

    def __init__(self, folder: Path, refuses: str = "none") -> None:
        super().__init__(folder, 0.0, "t")
        self.refuses = refuses

    async def keep(self, entry: Entry) -> None:
        if self.refuses != "none" and getattr(entry, self.refuses):
            raise OSError(28, "No space left on device")
        await super().keep(entry)


class Site:
    def __init__(self, fake: BatchProvider, ledger: Ledger, pool: Pool) -> None:
        self.forgotten: set[str] = set()
        self.log: list[dict[str, Any]] = []
        self.tools = Tools(ledger, self._pause, self._log, lambda work, idents: self.forgotten.update(idents))
        api = BatchApi.of(OpenAIOptions(base_url=fake.base_url, batch=True))
        self.remote = Remote(api, pool, SystemClock(), lambda seconds: asyncio.sleep(0))

    async def _pause(self, event: asyncio.Event, seconds: float) -> None:
        await asyncio.sleep(0)

    def _log(self, event: str, **fields: Any) -> None:
        self.log.append({"event": event, **fields})

    def work(self, *texts: str) -> Work:
        work = Work(Kept("w", 1.0, "up", URL, [], set()), self.tools, restored=False)
        for text in texts:
            body = {"messages": [{"role": "user", "content": text}]}
            work.add(text, encode({"custom_id": text, "url": URL, "body": body}) + b"\n")
        return work


@asynccontextmanager
async def at(folder: Path, fake: BatchProvider, refuses: str = "none") -> AsyncIterator[Site]:
    pool, ledger = Pool(SystemClock()), Full(folder / "parked", refuses)
    yield Site(fake, ledger, pool)
    ledger.close()
    pool.close()


async def test_a_disk_that_is_full_before_anything_is_paid_for_gives_it_back(tmp_path: Path) -> None:
    async with BatchProvider() as fake, at(tmp_path, fake, "ids") as site:
        work = site.work("a")
        waiting = work.wait("a")
        await work.run(site.remote)
        assert (await waiting).status == 503
        assert (site.forgotten, fake.batches) == ({"a"}, {})
        assert "No space left" in site.log[-1]["error"]


async def test_one_that_is_full_after_that_costs_nothing(tmp_path: Path) -> None:
    async with BatchProvider() as fake, at(tmp_path, fake, "batch") as site:
        site.tools.ledger.refuses = "none"  # type: ignore[attr-defined]
        work = site.work("a")
        work.kept.file = ""
        waiting = work.wait("a")
        fake.before = lambda step: setattr(site.tools.ledger, "refuses", "batch" if step == "create" else "none")
        await work.run(site.remote)
        assert (await waiting).status == 200
        assert fake.paid == {"a": 1}


async def test_results_that_cannot_be_written_are_fetched_again(tmp_path: Path) -> None:
    async with BatchProvider() as fake, at(tmp_path, fake) as site:
        work = site.work("a", "b")
        a, b = work.wait("a"), work.wait("b")
        part = site.tools.ledger.results("w").with_name("w.jsonl.part")
        part.mkdir()  # in the way of the file
        removed = deque([None])

        async def pause(event: asyncio.Event, seconds: float) -> None:
            if seconds == 60 and removed:
                removed.pop()
                part.rmdir()

        site.tools = work._tools = Tools(site.tools.ledger, pause, site._log, site.tools.forget)
        await work.run(site.remote)
        assert ((await a).status, (await b).status, fake.paid) == (200, 200, {"a": 1, "b": 1})
        assert (await work.result("a")).status == 200


async def test_results_that_the_provider_has_lost_are_told(tmp_path: Path) -> None:
    async with BatchProvider() as fake, at(tmp_path, fake) as site:
        fake.faults = {"content": deque([404])}
        work = site.work("a")
        waiting = work.wait("a")
        await work.run(site.remote)
        assert (await waiting).status == 502
        assert site.forgotten == {"a"}


async def test_nothing_is_sent_for_nobody(tmp_path: Path) -> None:
    async with BatchProvider() as fake, at(tmp_path, fake) as site:
        work = site.work("a", "b")
        work.gone("a")
        work.gone("b")
        await work.run(site.remote)
        assert fake.steps == []
        left = site.work("c")
        left.wait("c")
        fake.before = lambda step: left.gone("c") if step == "create" else None
        await left.run(site.remote)
        assert fake.steps == ["upload", "create", "cancel"]
        assert [one["event"] for one in site.log] == ["provider_batch", "provider_batch_cancelled"]
