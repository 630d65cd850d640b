"""Kept answers: memory in front, disk behind. What is looked up is never another tenant's, nor past its time."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from msgspec import Struct

from llmctl.cache.entry import Codec, Entry
from llmctl.cache.memory import Memory
from llmctl.clock import Clock
from llmctl.errors import StoreError

if TYPE_CHECKING:
    from llmctl.cache.store_disk import DiskStore, Warn

T = TypeVar("T")

MOST_WAITING = 1_000  # entries for the disk
BATCH = 200  # entries, some milliseconds of the disk's thread
TELL_EVERY = 60.0  # seconds between two warnings


class Found(Struct, frozen=True, gc=False):
    """An entry that may be served. `stale`: only while a new one is fetched, or where none can be had."""

    entry: Entry
    age: float
    stale: bool


class Stats(Struct, frozen=True):
    """What is kept. Disk figures are None without a disk."""

    memory_entries: int
    memory_bytes: int
    disk_entries: int | None = None
    disk_bytes: int | None = None


class Store:
    """Lookups in memory are immediate; whatever touches the disk runs in one thread of its own.

    A disk that fails is no outage: `warn` is told, and memory goes on alone for that call.
    """

    def __init__(self, memory: int, clock: Clock, warn: "Warn") -> None:
        """`memory` in bytes. Without `open` nothing is kept on disk."""
        self._memory = Memory(memory)
        self._now = clock.wall
        self._warn = warn
        self._told = -TELL_EVERY
        self._monotonic = clock.monotonic
        self._removals = 0
        self._writing: deque[Entry] = deque()
        self._submitted = False
        self._known: set[bytes] = set()  # keys that are on disk, or were: no thread is asked about others
        self._place = 0
        self.unwritten = 0
        self._disk: DiskStore | None = None
        self._thread: ThreadPoolExecutor | None = None

    async def open(self, folder: Path, limit: int, codec: Codec, *, guest: bool = False) -> None:
        """Keep entries in this folder too, up to `limit` bytes; `guest` as of DiskStore. Raises StoreError."""
        from llmctl.cache.store_disk import DiskStore  # diskcache is imported only where there is a disk

        self._thread = ThreadPoolExecutor(1, thread_name_prefix="llmctl-cache")
        try:
            self._disk = await self._run(lambda: DiskStore(folder, limit, codec, self._warn, guest=guest))
        except StoreError:
            await self.close()
            raise
        await self.look_round(anew=True)

    def peek(self, key: bytes, tenant: str) -> Found | None:
        """What memory has, without waiting."""
        entry = self._memory.get(key)
        return None if entry is None or entry.tenant != tenant else self._fit(entry)

    async def get(self, key: bytes, tenant: str) -> Found | None:
        """What memory or else the disk has; the latter is then in memory too.

        What another process has put there is known after `look_round`.
        """
        if (found := self.peek(key, tenant)) is not None or (disk := self._disk) is None or key not in self._known:
            return found
        removals = self._removals
        entry = await self._try(lambda: disk.get(key, tenant), None)
        if entry is None or removals != self._removals or (found := self._fit(entry)) is None:
            return None  # what was removed while it was read does not come back
        self._memory.put(entry)
        return found

    def keep(self, entry: Entry, *, memory: bool = True) -> None:
        """Keep an entry: in memory at once, unless not wanted there, on disk soon. Not where that is far behind."""
        if memory:
            self._memory.put(entry)
        disk, thread = self._disk, self._thread
        if disk is None or thread is None:
            return
        if len(self._writing) >= MOST_WAITING:
            self.unwritten += 1
            return
        self._known.add(entry.key)
        self._writing.append(entry)
        if not self._submitted:
            self._submitted = True
            thread.submit(self._write, disk)

    async def put(self, entry: Entry) -> None:
        """The same, and wait until it is on disk."""
        self._memory.put(entry)
        if (disk := self._disk) is not None:
            self._known.add(entry.key)
            await self._try(lambda: disk.put([entry]), None)

    async def look_round(self, *, anew: bool = False) -> None:
        """Learn which keys others have put on this disk; `anew` also forgets those that are gone."""
        if (disk := self._disk) is None:
            return
        nothing: tuple[list[bytes], int] = ([], self._place)
        keys, self._place = await self._try(lambda: disk.keys(0 if anew else self._place), nothing)
        if anew:
            self._known = {entry.key for entry in list(self._writing)}
        self._known.update(keys)

    async def remove(self, key: bytes) -> None:
        """Forget an entry."""
        self._removals += 1
        self._memory.remove(key)
        if (disk := self._disk) is not None:
            await self._try(lambda: disk.remove(key), None)

    async def purge(self, tenant: str | None = None) -> int:
        """Forget everything, or everything of one tenant. How many entries that were on disk, or else in memory."""
        self._removals += 1
        before = len(self._memory)
        self._memory.clear(tenant)
        if tenant is None:
            self._known.clear()
        gone = before - len(self._memory)
        disk = self._disk
        return gone if disk is None else await self._run(lambda: disk.purge(tenant))

    async def entries(self, with_raw: Callable[[Entry], bool] = lambda entry: False) -> list[Entry]:
        """Everything that may still be served, to make the semantic index anew.

        From the disk, where there is one, and then without `raw`, but for entries that `with_raw` says yes to.
        """
        disk, now = self._disk, self._now()
        kept: list[Entry] = list(self._memory) if disk is None else []
        if disk is not None:
            async for some in self._batches(disk):
                kept += await self._try(partial(disk.entries, some, with_raw), list[Entry]())
        return [entry for entry in kept if entry.state(now) != "dead"]

    async def expire(self) -> int:
        """Remove from disk what may no longer be served; how many entries that were."""
        disk, now, gone = self._disk, self._now(), 0
        if disk is not None:
            async for some in self._batches(disk):
                gone += await self._try(partial(disk.expire, some, now), 0)
        return gone

    async def _batches(self, disk: "DiskStore") -> AsyncIterator[list[bytes]]:
        """All keys, so many at a time that lookups in between need not wait long."""
        keys = await self._try(disk.every_key, list[bytes]())
        for start in range(0, len(keys), BATCH):
            yield keys[start : start + BATCH]

    @property
    def in_memory(self) -> tuple[int, int]:
        """Entries, and their bytes."""
        return len(self._memory), self._memory.bytes

    async def stats(self) -> Stats:
        """What is kept."""
        memory = (len(self._memory), self._memory.bytes)
        if (disk := self._disk) is None:
            return Stats(*memory)
        return Stats(*memory, *await self._run(disk.sizes))

    async def close(self) -> None:
        """Finish what is being written and close the disk. Memory stays."""
        thread, disk = self._thread, self._disk
        self._disk = None
        if thread is not None and disk is not None:
            await self._run(disk.close)
        self._thread = None
        if thread is not None:
            thread.shutdown()

    def _fit(self, entry: Entry) -> Found | None:
        now = self._now()
        state = entry.state(now)
        if state == "dead":
            if self._memory.get(entry.key) is entry:  # there may be a newer one by now
                self._memory.remove(entry.key)
            return None
        return Found(entry, entry.age(now), state == "stale")

    def _write(self, disk: "DiskStore") -> None:
        """In the thread: everything that waits by now, in one transaction."""
        self._submitted = False  # first: what comes from now on submits anew
        waiting = []
        while self._writing:
            waiting.append(self._writing.popleft())
        try:
            if waiting:
                disk.put(waiting)
        except StoreError as error:
            self._tell(error)

    async def _run(self, call: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, call)

    async def _try(self, call: Callable[[], T], instead: T) -> T:
        try:
            return await self._run(call)
        except StoreError as error:
            self._tell(error)
            return instead

    def _tell(self, error: StoreError) -> None:
        """A disk that fails does so at every request; that is worth a line a minute."""
        now = self._monotonic()
        if now - self._told >= TELL_EVERY:
            self._told = now
            self._warn(error.message)
