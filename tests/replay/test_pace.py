"""When requests are sent."""

import asyncio
from collections.abc import Iterator

from llmctl.replay.pace import LEAD, Times, closed, invalid, open_loop
from llmctl.replay.source import Entry
from llmctl.testing.clock import ManualClock


def entries(*times: float) -> Iterator[Entry]:
    return (Entry(str(number), at, "s") for number, at in enumerate(times))


async def test_an_open_loop_keeps_to_the_times_of_then() -> None:
    clock, times, sent = ManualClock(), Times(), []
    began = clock.monotonic()

    async def send(entry: Entry) -> None:
        sent.append((entry.id, round(clock.monotonic() - began - LEAD, 6)))

    async def sleep(seconds: float) -> None:
        await asyncio.sleep(0)
        clock.advance(seconds)
        await asyncio.sleep(0)

    await open_loop(entries(0.0, 1.0, 1.5, 4.0), 2.0, send, clock, times, sleep)
    assert sent == [("0", 0.0), ("1", 0.5), ("2", 0.75), ("3", 2.0)]
    assert times.offered == 4


async def test_a_slow_answer_holds_nobody_up_and_lateness_counts() -> None:
    clock, times, sent = ManualClock(), Times(), []
    release = asyncio.Event()

    async def send(entry: Entry) -> None:
        sent.append(entry.id)
        if entry.id == "0":
            await release.wait()

    async def sleep(seconds: float) -> None:
        await asyncio.sleep(0)
        clock.advance(seconds + (5.0 if len(sent) == 2 else 0.0))  # we were kept from sending for five seconds
        await asyncio.sleep(0)
        if len(sent) == 3:
            release.set()

    async def finish() -> None:
        while len(sent) < 4:
            await asyncio.sleep(0)
        release.set()

    ending = asyncio.create_task(finish())
    await open_loop(entries(0.0, 1.0, 2.0, 3.0), 1.0, send, clock, times, sleep)
    await ending
    assert sent[:2] == ["0", "1"]
    assert max(times.lag) > 3.9  # the fourth's time was not moved
    assert len(times.response) == 4


async def test_a_closed_loop_has_so_many_under_way() -> None:
    clock, times = ManualClock(), Times()
    under_way = most = 0

    async def send(entry: Entry) -> None:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0)
        clock.advance(1.0)
        under_way -= 1

    await closed(entries(*range(20)), 3, send, clock, times)
    assert most == 3
    assert len(times.service) == 20
    assert set(times.lag) == {0.0}


def test_what_makes_a_run_invalid() -> None:
    assert invalid(Times(offered=100), 0.0005, 0.01) == ""
    assert "sent late" in invalid(Times(offered=100), 0.002, 0.01)
    assert invalid(Times(offered=100), 0.002, 0.1) == ""
    assert "not sent" in invalid(Times(offered=100, not_sent=2), 0.0, 0.1)


async def test_what_it_takes_to_find_the_first_is_no_lateness() -> None:
    clock, times = ManualClock(), Times()

    def slowly() -> Iterator[Entry]:
        clock.advance(30.0)
        yield Entry("0", 0.0, "s")

    async def send(entry: Entry) -> None:
        pass

    async def sleep(seconds: float) -> None:
        clock.advance(seconds)

    await open_loop(slowly(), 1.0, send, clock, times, sleep)
    assert max(times.lag) < LEAD


async def test_it_stops_while_it_waits() -> None:
    clock, times, sent = ManualClock(), Times(), []

    async def send(entry: Entry) -> None:
        sent.append(entry.id)

    async def sleep(seconds: float) -> None:
        clock.advance(min(seconds, 1.0))
        await asyncio.sleep(0)

    began = clock.monotonic()
    await open_loop(entries(0.0, 3600.0), 1.0, send, clock, times, sleep, lambda: clock.monotonic() > began + 1)
    assert (sent, times.offered) == (["0"], 1)
