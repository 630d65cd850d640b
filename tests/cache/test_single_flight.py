import asyncio
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmctl.cache.single_flight import Landed, SingleFlight


class Upstream:
    """Counts calls; each waits for `go`."""

    def __init__(self) -> None:
        self.calls = 0
        self.go = asyncio.Event()

    async def __call__(self) -> int:
        self.calls += 1
        mine = self.calls
        await self.go.wait()
        return mine


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def start(
    flights: SingleFlight[int], make: Callable[[], Awaitable[int]], count: int
) -> list[asyncio.Task[Landed[int]]]:
    return [asyncio.create_task(flights.run("k", make)) for _ in range(count)]


async def test_identical_requests_are_made_once() -> None:
    flights, upstream = SingleFlight[int](), Upstream()
    tasks = start(flights, upstream, 10)
    await settle()
    assert (upstream.calls, len(flights)) == (1, 1)
    upstream.go.set()
    landed = await asyncio.gather(*tasks)
    assert landed == [Landed(1, False)] + [Landed(1, True)] * 9
    assert len(flights) == 0
    assert await flights.run("k", upstream) == Landed(2, False), "what is over is not shared"


async def test_other_keys_fly_by_themselves() -> None:
    flights, upstream = SingleFlight[int](), Upstream()
    upstream.go.set()
    landed = await asyncio.gather(flights.run("a", upstream), flights.run("b", upstream))
    assert [one.shared for one in landed] == [False, False]


async def test_when_the_leader_is_cancelled_a_follower_leads() -> None:
    flights, upstream = SingleFlight[int](), Upstream()
    tasks = start(flights, upstream, 4)
    await settle()
    tasks[0].cancel()
    await settle()
    assert (upstream.calls, len(flights)) == (2, 1), "one follower, not all of them"
    upstream.go.set()
    landed = await asyncio.gather(*tasks[1:])
    assert [one.value for one in landed] == [2, 2, 2]
    assert sorted(one.shared for one in landed) == [False, True, True]
    with pytest.raises(asyncio.CancelledError):
        await tasks[0]


async def test_a_followers_cancellation_is_its_own() -> None:
    flights, upstream = SingleFlight[int](), Upstream()
    tasks = start(flights, upstream, 3)
    await settle()
    tasks[1].cancel()
    await settle()
    upstream.go.set()
    assert (await tasks[0], await tasks[2]) == (Landed(1, False), Landed(1, True))
    assert tasks[1].cancelled()
    assert upstream.calls == 1


async def test_an_error_goes_to_all_who_wait() -> None:
    flights, go = SingleFlight[int](), asyncio.Event()

    async def fails() -> int:
        await go.wait()
        raise ValueError("no")

    tasks = start(flights, fails, 3)
    await settle()
    go.set()
    assert [str(one) for one in await asyncio.gather(*tasks, return_exceptions=True)] == ["no"] * 3
    assert len(flights) == 0


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 6), st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3)), max_size=5))
def test_whoever_is_cancelled_the_others_get_their_answer(count: int, cancels: list[tuple[int, int]]) -> None:
    async def run() -> None:
        flights, upstream = SingleFlight[int](), Upstream()
        tasks = start(flights, upstream, count)
        for at, pause in cancels:
            for _ in range(pause):
                await asyncio.sleep(0)
            tasks[at % count].cancel()
        await settle()
        upstream.go.set()
        results = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 5)
        cancelled = {at % count for at, _ in cancels}
        landed = [one for at, one in enumerate(results) if at not in cancelled]
        assert all(isinstance(one, Landed) for one in landed)
        assert len({one.value for one in landed if isinstance(one, Landed)}) <= 1
        assert len(flights) == 0

    asyncio.run(run())
