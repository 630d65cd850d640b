"""A gateway in process whose models answer what was recorded, in time that passes as fast as nothing happens.

The event loop's own clock is moved on to the next timer whenever there is nothing to do, so that deadlines, arrivals
and models' times are as they would be, and an hour takes seconds. The gateway's own work takes no time on that clock:
it is measured by bench/gateway.py.
"""

import asyncio
import json
import selectors
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from bench.rig.savings_data import MODELS, Arrival, Item
from llmctl.clock import Clock
from llmctl.config.load import Loaded
from llmctl.config.schema import RecordsConfig
from llmctl.gateway.build import Surroundings, build
from llmctl.gateway.gateway import Gateway
from llmctl.model.json import encode
from llmctl.model.record import Record
from llmctl.net.transport import Request
from llmctl.telemetry.redact import Redactor
from llmctl.telemetry.store import RecordStore
from llmctl.testing.config import loaded
from llmctl.testing.gateway import CollectingClient, PlayedResponse, exchange

PATIENCE = 600.0  # seconds until a request's deadline

PROVIDERS = """
guardrails: {preset: none}
resilience: {probe_every: null}
records: {content: none}
providers:
  openai: {kind: openai, api_key: none}
  anthropic: {kind: openai, base_url: "https://api.anthropic.com/v1", api_key: none}
  google: {kind: openai, base_url: "https://generativelanguage.googleapis.com/v1beta/openai", api_key: none}
models:
"""
HOSTS = {"strong": "anthropic", "mini": "openai", "flash": "google"}
ALONE = {"kind": "fixed", "model": "strong"}


class Speed(NamedTuple):
    """Seconds to the first token, tokens a second after it, and how these vary: log-normal, as deviations of logs."""

    first: float
    rate: float
    spread: float = 0.25


SPEEDS = {
    "declared": {"strong": Speed(0.9, 65.0), "mini": Speed(0.45, 85.0), "flash": Speed(0.4, 180.0)},
    "equal": dict.fromkeys(MODELS, Speed(0.6, 80.0)),
}
"""Nothing in the data says how long answers took, so this is declared: about what hosted models of 2024 did, and the
case in which cheap models are no quicker."""
PREFILL = 10_000.0  # tokens a second, of every model


class Served(NamedTuple):
    """What became of one request: the text its client was given, and its record."""

    item: Item
    text: str
    record: Record


@dataclass(frozen=True, slots=True)
class Arm:
    """A stream as one configuration served it. `besides` are records of no request's own: judges, refreshes."""

    served: tuple[Served, ...]
    besides: tuple[Record, ...]
    unanswered: int
    bugs: tuple[str, ...]

    @property
    def usd(self) -> float:
        """What all of it cost."""
        records = [*(one.record for one in self.served), *self.besides]
        return sum(record.cost.usd or 0.0 for record in records)


def configuration(*, stack: bool, support: str = "strong") -> str:
    """Always the strong model; or the full stack, in which `support` goes to the strong model or by complexity."""
    models = "".join(f"  {name}: {{provider: {HOSTS[name]}, model: {model}}}\n" for name, model in MODELS.items())
    routes: dict[str, Any] = dict.fromkeys(("maths", "code", "support", "reading"), ALONE)
    more: dict[str, Any] = {}
    if stack:
        panel = {"kind": "cascade", "panel": ["mini", "flash"], "strong": "strong"}
        routes["maths"], routes["code"] = {**panel, "extract": "number"}, {**panel, "extract": "code"}
        if support == "complexity":
            routes["support"] = {"kind": "complexity", "cheap": "mini", "smart": "strong"}
        routes["reading"] = {**ALONE, "compress": {"kind": "extractive"}}
        more["cache"] = {"dir": None, "semantic": {"max_error": 0.01}}
    return (
        PROVIDERS
        + models
        + f"routes: {json.dumps(routes)}\n"
        + "".join(f"{k}: {json.dumps(v)}\n" for k, v in more.items())
    )


class Hasty(asyncio.SelectorEventLoop):
    """Time stands still while something runs, and leaps to the next timer when nothing does."""

    def __init__(self) -> None:
        self.now = 0.0
        self.threads = 0
        super().__init__(_Leaping(self))

    def time(self) -> float:
        """Seconds since the loop was made."""
        return self.now

    def run_in_executor(self, executor: Executor | None, func: Callable[..., Any], *args: Any) -> asyncio.Future[Any]:  # type: ignore[override]
        """As ever; until it is done no time passes."""
        self.threads += 1
        future = super().run_in_executor(executor, func, *args)
        future.add_done_callback(self._done)
        return future

    def _done(self, future: asyncio.Future[Any]) -> None:
        self.threads -= 1


class _Leaping(selectors.DefaultSelector):
    def __init__(self, loop: Hasty) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        events = super().select(0)
        if events or (timeout is not None and timeout <= 0):
            return events
        if self._loop.threads:
            return super().select(0.01)
        if timeout is None:
            raise RuntimeError("nothing is left to wait for")
        self._loop.now += timeout
        return []


class LoopClock:
    """The loop's time; the wall's is `begun` at its start."""

    def __init__(self, loop: asyncio.AbstractEventLoop, begun: float) -> None:
        self.monotonic = loop.time
        self._begun = begun

    def wall(self) -> float:
        """Seconds since the epoch."""
        return self._begun + self.monotonic()


class Recorded:
    """The upstream: each model gives its recorded answer, in its time. The question is known by the field `user`."""

    def __init__(
        self, items: dict[str, Item], speeds: dict[str, Speed], count: Callable[[str], int], seed: int
    ) -> None:
        self._items = items
        self._speeds = speeds
        self._count = count
        self._seed = seed
        self._names = {model: name for name, model in MODELS.items()}
        self.calls = 0

    async def send(self, request: Request) -> PlayedResponse:
        """The answer, after the time it takes."""
        self.calls += 1
        body = json.loads(request.body)
        item, name = self._items[body["user"]], self._names[body["model"]]
        prompt = body["messages"][-1]["content"]
        text = item.answer(name, prompt)
        read, written = self._count(prompt), self._count(text)
        await asyncio.sleep(self._seconds(item, name, read, written))
        choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        usage = {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}
        whole = {"id": "c", "object": "chat.completion", "model": body["model"], "choices": [choice], "usage": usage}
        return PlayedResponse(200, {b"content-type": b"application/json"}, [encode(whole)], _at_once)

    def _seconds(self, item: Item, name: str, read: int, written: int) -> float:
        """The same for the same question and model, whichever arm asks."""
        speed, rng = self._speeds[name], Random(f"{self._seed} {item.id} {name}")
        first = speed.first * rng.lognormvariate(0, speed.spread) + read / PREFILL
        return first + written / speed.rate * rng.lognormvariate(0, speed.spread)


class _Books:
    """The sink: the record store, and this list. What was before the stream is in neither."""

    def __init__(self, store: RecordStore) -> None:
        self.records: list[Record] = []
        self.open = False
        self._store = store

    def write(self, record: Record) -> None:
        """Keep it."""
        if self.open:
            self.records.append(record)
            self._store.write(record)

    def close(self) -> None:
        """Nothing: the store has its own end."""


@dataclass(frozen=True, slots=True)
class Setting:
    """What is the same for both arms. `begun` is the wall's time at which streams start."""

    speeds: dict[str, Speed]
    count: Callable[[str], int]
    seed: int
    begun: float


def run(
    stream: Sequence[Arrival], text: str, setting: Setting, scratch: Path, records: Path, before: Sequence[Item] = ()
) -> Arm:
    """Serve a stream by the configuration `text`; records go to the folder `records`. `before` is asked first."""
    loop = Hasty()
    try:
        clock = LoopClock(loop, setting.begun)
        found = loaded(text, scratch)
        store = RecordStore(RecordsConfig(dir=str(records)), Redactor(), clock, lambda warning: None)
        arm = loop.run_until_complete(_served(stream, found, setting, clock, store, before))
        store.close()
        if any(store.dropped.values()):
            raise RuntimeError(f"records were lost: {store.dropped}")
        return arm
    finally:
        loop.close()


async def _served(
    stream: Sequence[Arrival],
    configured: Loaded,
    setting: Setting,
    clock: Clock,
    store: RecordStore,
    before: Sequence[Item],
) -> Arm:
    items = {item.id: item for item in (*(one.item for one in stream), *before)}
    upstream = Recorded(items, setting.speeds, setting.count, setting.seed)
    books, bugs = _Books(store), list[str]()

    def bug(_: str, error: BaseException) -> None:
        bugs.append(f"{type(error).__name__}: {error}")

    gateway = build(configured, Surroundings(upstream, clock, Random(setting.seed), (books,), bug, warn=bugs.append))
    await gateway.start()
    for item in before:
        await _ask(gateway, clock, item, f"before-{item.id}")
    books.open = True
    start, tasks = clock.monotonic(), []
    for at, one in enumerate(stream):
        await asyncio.sleep(max(0.0, start + one.at - clock.monotonic()))
        tasks.append(asyncio.create_task(_ask(gateway, clock, one.item, f"s{setting.seed}-{at}")))
    clients = await asyncio.gather(*tasks)
    await gateway.close(drain=PATIENCE)
    return _told(stream, clients, books.records, bugs, setting.seed)


async def _ask(gateway: Gateway, clock: Clock, item: Item, name: str) -> CollectingClient:
    payload = {"model": item.route, "messages": [{"role": "user", "content": item.prompt}], "user": item.id}
    asked, client = exchange(clock), CollectingClient(payload)
    asked.id, asked.deadline = name, clock.monotonic() + PATIENCE
    await gateway.run(asked, client)
    return client


def _told(
    stream: Sequence[Arrival],
    clients: Sequence[CollectingClient],
    records: Sequence[Record],
    bugs: Sequence[str],
    seed: int,
) -> Arm:
    """Raises RuntimeError where a request has no record of its own, or more than one."""
    own: dict[str, Record] = {}
    for record in records:
        if not record.shadow_of:
            if record.id in own:
                raise RuntimeError(f"{record.id} has two records")
            own[record.id] = record
    if len(own) != len(stream):
        raise RuntimeError(f"{len(stream)} requests, and {len(own)} records of requests")
    served = [
        Served(one.item, client.text if client.answer is not None else "", own[f"s{seed}-{at}"])
        for at, (one, client) in enumerate(zip(stream, clients, strict=True))
    ]
    besides = tuple(record for record in records if record.shadow_of)
    return Arm(tuple(served), besides, sum(client.answer is None for client in clients), tuple(dict.fromkeys(bugs)))


async def _at_once() -> None:
    """Before a piece of an answer that is there."""
