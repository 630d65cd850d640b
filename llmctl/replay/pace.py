"""When each request is sent: as it was then (open loop), or as fast as a number of clients get answers (closed).

The open loop's times are absolute, from the first entry on, and never moved: what is late because we are is late.
"""

import asyncio
from array import array
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from itertools import chain, islice

from llmctl.clock import Clock
from llmctl.replay.source import Entry

LEAD = 0.02
MOST_OPEN = 20_000
LAG_LIMIT = 1e-3
LAG_SHARE = 0.05
ACHIEVED = 0.99

Send = Callable[[Entry], Awaitable[None]]


@dataclass(slots=True)
class Times:
    """Seconds, for each request: `lag` from being due to being sent, then `service`; `response` is from being due."""

    lag: "array[float]" = field(default_factory=lambda: array("d"))
    service: "array[float]" = field(default_factory=lambda: array("d"))
    response: "array[float]" = field(default_factory=lambda: array("d"))
    offered: int = 0
    not_sent: int = 0

    def add(self, due: float, sent: float, done: float) -> None:
        """A request is over."""
        self.lag.append(sent - due)
        self.service.append(done - sent)
        self.response.append(done - due)


async def closed(entries: Iterator[Entry], clients: int, send: Send, clock: Clock, times: Times) -> None:
    """Each of `clients` sends its next as soon as it has an answer; they share the entries, in order."""

    async def client() -> None:
        for entry in entries:
            times.offered += 1
            sent = clock.monotonic()
            await send(entry)
            times.add(sent, sent, clock.monotonic())

    async with asyncio.TaskGroup() as group:
        for _ in range(clients):
            group.create_task(client())


async def open_loop(
    entries: Iterator[Entry],
    speed: float,
    send: Send,
    clock: Clock,
    times: Times,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    stopped: Callable[[], bool] = lambda: False,
) -> None:
    """Sends each `at / speed` seconds after the start, however many are under way.

    `stopped` is asked after each sleep: nothing more is sent then.
    """
    first = list(islice(entries, 1))  # finding it may take long, and is no lateness
    began = clock.monotonic() + LEAD
    running: set[asyncio.Task[None]] = set()

    async def one(entry: Entry, due: float) -> None:
        sent = clock.monotonic()
        await send(entry)
        times.add(due, sent, clock.monotonic())

    try:
        for entry in chain(first, entries):
            due = began + entry.at / speed
            while (wait := due - clock.monotonic()) > 0 and not stopped():
                await sleep(wait)
            if stopped():
                break
            times.offered += 1
            if len(running) >= MOST_OPEN:
                times.not_sent += 1
                continue
            task = asyncio.create_task(one(entry, due))
            running.add(task)
            task.add_done_callback(running.discard)
        while running:
            await asyncio.wait(set(running))
    finally:
        for task in list(running):
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


def invalid(times: Times, lag_p99: float, service_p50: float) -> str:
    """Why the pace was not kept by us, or an empty string."""
    limit = max(LAG_LIMIT, LAG_SHARE * service_p50)
    if lag_p99 > limit:
        return f"requests were sent late: p99 {lag_p99 * 1e3:.1f} ms, at most {limit * 1e3:.1f} ms; lower --speed"
    if times.offered and (times.offered - times.not_sent) / times.offered < ACHIEVED:
        return f"{times.not_sent} of {times.offered} requests were not sent: {MOST_OPEN} were under way"
    return ""
