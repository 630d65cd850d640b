"""Kept answers: memory in front, disk behind. What is looked up is never another tenant's, nor past its time."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from msgspec import Struct

from llmctl.cache.entry import Codec, Entry
from llmctl.cache.memory import Memory
from llmctl.cache.store_disk import DiskStore, Warn
from llmctl.clock import Clock
from llmctl.errors import StoreError

T = TypeVar("T")


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

    def __init__(self, memory: int, clock: Clock, warn: Warn) -> None:
        """`memory` in bytes. Without `open` nothing is kept on disk."""
        self._memory = Memory(memory)
        self._now = clock.wall
        self._warn = warn
        self._removals = 0
        self._disk: DiskStore | None = None
        self._thread: ThreadPoolExecutor | None = None

    async def open(self, folder: Path, limit: int, codec: Codec) -> None:
        """Keep entries in this folder too, up to `limit` bytes. Raises StoreError where it cannot be used."""
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="llmctl-cache")
        try:
            self._disk = await self._run(lambda: DiskStore(folder, limit, codec, self._warn))
        except StoreError:
            await self.close()
            raise

    def peek(self, key: bytes, tenant: str) -> Found | None:
        """What memory has, without waiting."""
        entry = self._memory.get(key)
        return None if entry is None or entry.tenant != tenant else self._fit(entry)

    async def get(self, key: bytes, tenant: str) -> Found | None:
        """What memory or else the disk has; the latter is then in memory too."""
        if (found := self.peek(key, tenant)) is not None or (disk := self._disk) is None:
            return found
        removals = self._removals
        entry = await self._try(lambda: disk.get(key, tenant), None)
        if entry is None or removals != self._removals or (found := self._fit(entry)) is None:
            return None  # what was removed while it was read does not come back
        self._memory.put(entry)
        return found

    async def put(self, entry: Entry) -> None:
        """Keep an entry: in memory at once, then on disk."""
        self._memory.put(entry)
        if (disk := self._disk) is not None:
            await self._try(lambda: disk.put(entry), None)

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
        gone = before - len(self._memory)
        disk = self._disk
        return gone if disk is None else await self._run(lambda: disk.purge(tenant))

    async def entries(self) -> list[Entry]:
        """Everything that may still be served, without `raw` where it is on disk: to make the semantic index anew."""
        disk, now = self._disk, self._now()
        kept = list(self._memory) if disk is None else await self._run(disk.entries)
        return [entry for entry in kept if entry.state(now) != "dead"]

    async def expire(self) -> int:
        """Remove from disk what may no longer be served; how many entries that were."""
        disk, now = self._disk, self._now()
        return 0 if disk is None else await self._try(lambda: disk.expire(now), 0)

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
            self._memory.remove(entry.key)
            return None
        return Found(entry, entry.age(now), state == "stale")

    async def _run(self, call: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, call)

    async def _try(self, call: Callable[[], T], instead: T) -> T:
        try:
            return await self._run(call)
        except StoreError as error:
            self._warn(error.message)
            return instead
