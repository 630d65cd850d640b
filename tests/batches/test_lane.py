"""Who runs the lane, which batches it takes up, and how it ends."""

import asyncio
from pathlib import Path

from llmctl.batches.lane import MOST_AT_A_TIME
from llmctl.batches.store import Store
from llmctl.testing.asking import ONE_MODEL
from llmctl.testing.config import loaded
from llmctl.testing.gateway import PlayedResponse
from tests.batches.conftest import Tracks, answer


async def test_one_lane_for_all_who_share_the_folder(track: Tracks) -> None:
    async with track(lambda _: answer()) as first:
        batch = first.submit("a")
        await first.until(batch, "completed")
        async with track(lambda _: answer(), clock=first.clock) as second:
            again = second.submit("b")
            await first.until(again, "completed")
            assert (first.asked, second.asked) == (["a", "b"], [])


async def test_another_takes_over(track: Tracks) -> None:
    async with track(lambda _: answer()) as first:
        await first.until(first.submit("a"), "completed")
    async with track(lambda _: answer(), clock=first.clock) as second:
        await second.until(second.submit("b"), "completed")
        assert second.asked == ["b"]


async def test_no_more_lines_at_a_time_than_its_concurrency(track: Tracks) -> None:
    now = most = 0

    def play(_: str) -> PlayedResponse:
        played = answer()
        played.step = step
        return played

    async def step() -> None:
        nonlocal now, most
        now, most = now + 1, max(most, now + 1)
        await asyncio.sleep(0.002)
        now -= 1

    async with track(play, concurrency=3) as running:
        for batch in [running.submit(*(f"{n}-{i}" for i in range(8))) for n in range(3)]:
            await running.until(batch, "completed")
    assert (most, len(running.asked)) == (3, 24)


async def test_what_is_unreadable_does_not_stop_the_others(track: Tracks) -> None:
    async with track(lambda _: answer()) as running:
        running.lane.stop()  # a lane that has not looked yet
    store: Store = running.store
    broken = running.submit("a")
    (store.shelf("default").folder(broken.id) / "batch.json").write_bytes(b"{")
    good = running.submit("b")
    async with track(lambda _: answer(), clock=running.clock) as running:
        await running.until(good, "completed")
        assert running.asked == ["b"]
        assert [one["batch"] for one in running.log if one["event"] == "batch_unreadable"] == [broken.id]


async def test_the_end_waits_for_lines_under_way_and_starts_none(track: Tracks) -> None:
    release = asyncio.Event()

    def play(_: str) -> PlayedResponse:
        played = answer()
        played.step = release.wait  # type: ignore[assignment]
        return played

    async with track(play, concurrency=2) as running:
        batch = running.submit("a", "b", "c")
        while len(running.asked) < 2:
            await asyncio.sleep(0.005)
        running.lane.stop()
        settled = asyncio.create_task(running.lane.settled())
        await asyncio.sleep(0.02)
        assert not settled.done()
        release.set()
        await asyncio.wait_for(settled, 10)
        assert sorted(running.asked) == ["a", "b"]
    async with track(play, clock=running.clock) as again:
        done = await again.until(batch, "completed")
        assert (done.completed, again.asked) == (3, ["c"])


async def test_an_interrupted_line_is_asked_again_and_leaves_its_record(track: Tracks) -> None:
    def play(_: str) -> PlayedResponse:
        played = answer()
        played.step = asyncio.Event().wait  # type: ignore[assignment]
        return played

    async with track(play) as running:
        batch = running.submit("a")
        while not running.asked:
            await asyncio.sleep(0.005)
        running.lane.interrupt()
        await asyncio.wait_for(running.lane.settled(), 10)
        assert [(one.state, one.batch) for one in running.sink.records] == [("failed", batch.id)]
    async with track(lambda _: answer(), clock=running.clock) as again:
        assert (await again.until(batch, "completed")).failed == 0


async def test_lines_go_with_the_lanes_priority(track: Tracks) -> None:
    seen: list[int] = []
    async with track(lambda _: answer(), priority=-70) as running:
        gateway = running.live.gateway
        run = gateway.run

        async def noting(exchange: object, client: object) -> None:
            await run(exchange, client)  # type: ignore[arg-type]
            seen.append(exchange.priority)  # type: ignore[attr-defined]

        gateway.run = noting  # type: ignore[method-assign]
        await running.until(running.submit("a"), "completed")
    assert seen == [-70]


async def test_lines_go_through_the_gateway_that_is_live_when_they_begin(track: Tracks, tmp_path: Path) -> None:
    swapped = asyncio.Event()

    def play(_: str) -> PlayedResponse:
        played = answer()
        played.step = swapped.wait  # type: ignore[assignment]
        return played

    async with track(play, concurrency=1) as running:
        batch = running.submit("a", "b")
        while not running.asked:
            await asyncio.sleep(0.005)
        changed = ONE_MODEL + "guardrails: {preset: none}\nresilience: {retry: {attempts_per_model: 2}}\n"
        running.live._load = lambda: loaded(changed, tmp_path)
        assert await running.live.reload()
        swapped.set()
        await running.until(batch, "completed")
        before, after = (one.policy for one in running.sink.records)
        assert (after, before != after) == (running.live.gateway.policy, True)


async def test_tenants_take_turns_and_what_is_cancelled_does_not_wait(track: Tracks) -> None:
    release = asyncio.Event()

    def play(_: str) -> PlayedResponse:
        played = answer()
        played.step = release.wait  # type: ignore[assignment]
        return played

    async with track(play) as running:
        mine = [running.submit(f"{n}") for n in range(MOST_AT_A_TIME - 1)]
        await running.until(mine[-1], "in_progress")
        late, first = running.submit("late"), running.submit("first", tenant="other")
        await running.until(first, "in_progress")
        assert running.store.shelf("default").batch(late.id).status == "validating"
        running.store.shelf("default").cancel(late.id)
        await running.until(late, "cancelled")
        release.set()
        for batch in [*mine, first]:
            await running.until(batch, "completed", "failed")
        assert "late" not in running.asked
