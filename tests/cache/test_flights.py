"""One leads, the others get what it brings, or nothing."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmctl.cache.flights import Flight, Flights


async def ask(flights: Flights[int], calls: list[int], brings: int | None, go: asyncio.Event) -> tuple[str, int | None]:
    """What a request does: wait for one under way, else lead."""
    if (flight := flights.under_way("k")) is not None:
        return "waited", await flight.wait(60)
    flight = flights.lead("k")
    try:
        calls.append(1)
        await go.wait()
        flight.land(brings)
        return "led", brings
    finally:
        flight.land(None)


@pytest.mark.parametrize("brings", [7, None])
async def test_identical_requests_are_made_once(brings: int | None) -> None:
    flights, calls, go = Flights[int](), list[int](), asyncio.Event()
    tasks = [asyncio.create_task(ask(flights, calls, brings, go)) for _ in range(10)]
    await asyncio.sleep(0)
    assert (len(calls), len(flights)) == (1, 1)
    go.set()
    assert await asyncio.gather(*tasks) == [("led", brings)] + [("waited", brings)] * 9
    assert len(flights) == 0


async def test_a_leader_that_is_cancelled_brings_nothing() -> None:
    flights, calls, go = Flights[int](), list[int](), asyncio.Event()
    tasks = [asyncio.create_task(ask(flights, calls, 1, go)) for _ in range(3)]
    await asyncio.sleep(0)
    tasks[0].cancel()
    assert await asyncio.gather(*tasks[1:]) == [("waited", None)] * 2
    assert len(flights) == 0


async def test_a_follower_that_is_cancelled_disturbs_nobody() -> None:
    flights, calls, go = Flights[int](), list[int](), asyncio.Event()
    tasks = [asyncio.create_task(ask(flights, calls, 1, go)) for _ in range(3)]
    await asyncio.sleep(0)
    tasks[1].cancel()
    await asyncio.sleep(0)
    go.set()
    assert await tasks[0] == ("led", 1)
    assert await tasks[2] == ("waited", 1)


async def test_who_waits_too_long_goes_on() -> None:
    flights = Flights[int]()
    flight = flights.lead("k")
    assert await flight.wait(0.01) is None
    assert flights.under_way("k") is flight
    with pytest.raises(KeyError):
        flights.lead("k")


@given(st.lists(st.sampled_from(["lead a", "lead b", "land a", "land b"]), max_size=30))
def test_there_is_at_most_one_flight_of_a_key(steps: list[str]) -> None:
    async def run() -> None:
        flights, mine = Flights[str](), dict[str, Flight[str]]()
        for step in steps:
            what, key = step.split()
            if what == "land" and key in mine:
                mine.pop(key).land(key)
            elif what == "lead" and key not in mine:
                assert flights.under_way(key) is None
                mine[key] = flights.lead(key)
            assert len(flights) == len(mine)

    asyncio.run(run())
