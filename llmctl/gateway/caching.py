"""The cache beside the path: kept answers, what finds them by meaning, and what is under way.

One for each set of storage settings; it runs on over reloads. Answers found by meaning are shelved by tenant and by the
name that was asked for: each shelf has its own index and its own policy, which keeps its own bound.
"""

import asyncio
import itertools
import math
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any
from weakref import WeakValueDictionary

from llmctl.cache.bounded import BoundedPolicy
from llmctl.cache.entry import Codec, Entry
from llmctl.cache.flights import Flight, Flights
from llmctl.cache.key import Key
from llmctl.cache.learnt import OPERATION, kept_as
from llmctl.cache.policies import Report
from llmctl.cache.semantic import Match
from llmctl.cache.store import Store
from llmctl.clock import Clock
from llmctl.config.schema_cost import CacheConfig
from llmctl.errors import LlmctlError
from llmctl.gateway.branch import Branch
from llmctl.gateway.replayed import streamed
from llmctl.gateway.shelf import Embedding, Shelf
from llmctl.model import chat
from llmctl.model.exchange import Exchange
from llmctl.model.record import CacheKind, CacheOutcome

LOOK_EVERY = 1.0  # seconds, for what other workers have kept
SAVE_EVERY = 300  # such looks
EXPIRE_EVERY = 600
TURN = 32  # entries taken up before others get their turn
MOST_TASKS = 512


@dataclass(frozen=True, slots=True)
class Terms:
    """What holds for one name that clients may ask for. `digest` is of all that made its answers what they are.

    `rules` is the route, where rules of it choose a model by more than what is asked; `timeout` the route's own.
    """

    route: str
    models: tuple[str, ...]
    digest: str
    ttl: float
    revalidate: float
    if_error: float
    single_flight: bool
    semantic: Embedding | None
    rules: Branch | None = None
    timeout: float = math.inf

    @property
    def stale(self) -> float:
        """Seconds after `ttl` for which an answer is kept."""
        return max(self.revalidate, self.if_error)


@dataclass(slots=True)
class Asking:
    """What the lookup leaves for later stages: the request's key, what it may find, and who waits for it.

    `match` is what was found by meaning, on `shelf`; `stale` an answer past its time, for the case that no model gives
    one.
    """

    key: Key
    terms: Terms
    shelf: Shelf | None = None
    match: Match | None = None
    flight: Flight[Entry] | None = None
    stale: Entry | None = None
    stale_age: float = 0.0

    def serve_stale(self, exchange: Exchange) -> None:
        """The last resort: `stale` becomes the exchange's answer."""
        assert self.stale is not None
        serve(exchange, self.stale, "stale", age=self.stale_age)


def serve(
    exchange: Exchange, entry: Entry, kind: CacheKind, *, age: float | None = None, similarity: float | None = None
) -> None:
    """The entry's answer becomes the exchange's. It used no tokens; what it once used is `saved`."""
    answer = chat.answer(entry.raw)
    exchange.cache = CacheOutcome(kind, similarity, age, entry.usage)
    exchange.model, exchange.provider, exchange.replayed = entry.model, entry.provider, True
    if exchange.stream:
        exchange.chunks = streamed(answer)
    else:
        exchange.whole = answer


class Cache:
    """Started and closed like a provider: by the first gateway that uses it, and by the last."""

    def __init__(self, config: CacheConfig, clock: Clock, random: Random, warn: Callable[[str], None]) -> None:
        self._config = config
        self._clock = clock
        self._random = random
        self._warn = warn
        self.store = Store(config.memory, clock, warn)
        self.flights: Flights[Entry] = Flights()
        self._shelves: WeakValueDictionary[tuple[str, str, str], Shelf] = WeakValueDictionary()
        self._waiting: dict[tuple[str, str], list[Entry]] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._keeper: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Open the folder and begin to take up what it has. A folder that cannot be used leaves memory alone."""
        if self._config.dir is None:
            return
        secret = (self._config.secret or "").encode()
        try:
            await self.store.open(Path(self._config.dir), self._config.disk, Codec(secret))
        except LlmctlError as error:
            self._warn(f"{error.message}; answers are kept in memory alone")
            return
        self._keeper = asyncio.create_task(self._keep())

    async def close(self) -> None:
        """Finish what is learnt, keep it, close the folder."""
        if self._keeper is not None:
            self._keeper.cancel()
            with suppress(asyncio.CancelledError):
                await self._keeper
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=2.0)
        for task in self._tasks:
            task.cancel()
        if self._keeper is not None:
            await self._save()
        await self.store.close()

    def shelf(self, tenant: str, route: str, semantic: Embedding) -> Shelf:
        """The shelf of a tenant and name; it lasts as long as somebody has it."""
        key = (tenant, route, semantic.word)
        found = self._shelves.get(key)
        if found is None:
            found = self._shelves[key] = Shelf(tenant, route, semantic, Random(self._random.getrandbits(64)))
            found.take_up(self._waiting.pop((tenant, route), ()))
        return found

    def held(self, terms: Mapping[str, Terms]) -> dict[tuple[str, str], Shelf]:
        """Shelves that are in use and go on under these terms, by tenant and name."""
        words = {(name, one.semantic.word) for name, one in terms.items() if one.semantic is not None}
        shelves = list(self._shelves.items())
        return {(tenant, route): shelf for (tenant, route, word), shelf in shelves if (route, word) in words}

    def soon(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something off the path; where too much is to be done, leave it."""
        if len(self._tasks) >= MOST_TASKS:
            work.close()
            return
        self._tasks.add(task := asyncio.create_task(work))
        task.add_done_callback(self._done)

    def sizes(self) -> dict[str, float]:
        """What memory holds: entries and bytes; and how many entries the disk was too slow to be given."""
        entries, size = self.store.in_memory
        return {"entries": entries, "bytes": size, "not_written": self.store.unwritten}

    def reports(self) -> dict[tuple[str, str], Report]:
        """What policies have done, by tenant and name."""
        return {(shelf.tenant, shelf.route): shelf.policy.report() for shelf in list(self._shelves.values())}

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._warn(f"learning from an answer failed: {type(error).__name__}: {error}")

    async def _keep(self) -> None:
        """Take up what the folder has; then save what is learnt, and remove what is past its time, now and then."""
        kept = await self.store.entries(with_raw=lambda entry: entry.operation == OPERATION)
        for at, entry in enumerate(kept):
            if entry.vector or entry.operation == OPERATION:
                self._waiting.setdefault((entry.tenant, entry.route), []).append(entry)
            if not at % TURN:
                await asyncio.sleep(0)
        for shelf in list(self._shelves.values()):
            waiting = self._waiting.pop((shelf.tenant, shelf.route), [])
            for start in range(0, len(waiting), TURN):
                shelf.take_up(waiting[start : start + TURN])
                await asyncio.sleep(0)
        for round_ in itertools.count(1):
            await asyncio.sleep(LOOK_EVERY)
            await self.store.look_round()
            if not round_ % SAVE_EVERY:
                await self._save()
            if not round_ % EXPIRE_EVERY:
                await self.store.expire()
                await self.store.look_round(anew=True)

    async def _save(self) -> None:
        for shelf in list(self._shelves.values()):
            policy = shelf.policy
            if isinstance(policy, BoundedPolicy) and policy.report().requests:
                entry = kept_as(policy, shelf.tenant, shelf.route, shelf.settings(), self._clock.wall())
                self.store.keep(entry, memory=False)
                await asyncio.sleep(0)
