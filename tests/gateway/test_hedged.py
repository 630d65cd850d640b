"""A second call beside a late one: who is believed, what becomes of the other, and how often it is made."""

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from llmctl.errors import UpstreamLost
from llmctl.testing.asking import Client
from tests.gateway.troupe import EVENTS, Part, Played, fails, hangs, play, refuses, says, served, soon, streams

HEDGED = "kind: fixed, model: a, fallbacks: [b, c], hedge: {after: 0.03, share: 1}"
ONCE: dict[str, Any] = {"resilience": "retry: {attempts: 1}, probe_every: null"}
LIMITED = ", ".join(f"{name}: {{provider: up, concurrency: 1}}" for name in "abc")
SLOW: dict[str, Any] = {"faults": [{"kind": "slow_first", "delay": 5}]}


def late(part: Part, seconds: float) -> Part:
    async def step() -> None:
        await asyncio.sleep(seconds)

    return Part(part.pieces, part.status, part.headers, step, part.error)


async def test_an_answer_in_time_needs_no_second_call(tmp_path: Path) -> None:
    troupe = play(tmp_path, HEDGED, a=[says("a")])
    for _ in range(3):
        assert (await troupe.ask()).client.text == "a"
    assert troupe.called == ["a", "a", "a"]


@pytest.mark.parametrize("stream", [False, True])
async def test_the_second_answers_for_a_first_that_is_late_and_the_first_is_given_up(
    tmp_path: Path, stream: bool
) -> None:
    async with served(tmp_path, HEDGED, a=SLOW, b={"text": "from b"}, rest={"models": LIMITED}) as rig:
        began = time.monotonic()
        asked = await rig.troupe.ask(stream=stream)
        assert 0.03 <= time.monotonic() - began < 0.15
        assert (asked.client.text, asked.record.model, asked.record.degraded) == ("from b", "b", "fallback")
        found = {one.target: (one.why, one.error, one.failure) for one in asked.record.attempts}
        assert found == {"a": ("first", "cancelled", ""), "b": ("hedge", None, "")}
        assert rig.troupe.quiet()
        assert rig.troupe.standing("a").health.last_error is None
        await soon(lambda: rig.server.requests[0].outcome == "dropped")
        await soon(lambda: rig.pool.size == 1)


@pytest.mark.parametrize("stream", [False, True])
async def test_a_first_that_comes_after_all_is_taken_and_the_second_given_up(tmp_path: Path, stream: bool) -> None:
    slow = {"text": "from a", "faults": [{"kind": "slow_first", "delay": 0.1}]}
    async with served(tmp_path, HEDGED, a=slow, b=SLOW, rest={"models": LIMITED}) as rig:
        asked = await rig.troupe.ask(stream=stream)
        assert (asked.client.text, asked.record.model, asked.record.degraded) == ("from a", "a", None)
        assert {one.target: one.error for one in asked.record.attempts} == {"a": None, "b": "cancelled"}
        assert rig.troupe.quiet()
        await soon(lambda: rig.server.requests[1].outcome == "dropped")


async def test_a_stream_that_began_too_late_by_a_moment_is_closed(tmp_path: Path) -> None:
    """Both have their first token in the same turn of the loop."""
    go = asyncio.Event()

    async def step() -> None:
        await go.wait()

    parts = {name: [Part(streams(f"from {name}").pieces, headers=EVENTS, step=step)] for name in "ab"}
    troupe = play(tmp_path, HEDGED, {"models": LIMITED}, **parts)
    task = asyncio.create_task(troupe.ask(stream=True))
    await soon(lambda: len(troupe.called) == 2)
    go.set()
    asked = await task
    assert asked.client.text in ("from a", "from b")
    assert all(response.closed for response in troupe.played.responses)
    assert sorted(str(one.error) for one in asked.record.attempts) == ["None", "cancelled"]
    assert troupe.quiet()


async def test_two_answers_that_come_at_the_same_moment_are_both_paid_for(tmp_path: Path) -> None:
    go = asyncio.Event()

    async def step() -> None:
        await go.wait()

    parts = {name: [Part(says(f"from {name}").pieces, step=step)] for name in "ab"}
    troupe = play(tmp_path, HEDGED, {"models": LIMITED}, **parts)
    task = asyncio.create_task(troupe.ask())
    await soon(lambda: len(troupe.called) == 2)
    go.set()
    asked = await task
    assert [one.error for one in asked.record.attempts] == [None, None]
    assert (asked.record.usage.input, asked.record.usage.output) == (14, 10)
    assert asked.exchange.spent == []


async def test_a_first_that_fails_before_it_is_late_is_a_failure_like_any_other(tmp_path: Path) -> None:
    troupe = play(tmp_path, HEDGED, {"resilience": "retry: {attempts_per_model: 1}"}, a=[refuses(500)], b=[says("b")])
    asked = await troupe.ask()
    assert [(one.target, one.why) for one in asked.record.attempts] == [("a", "first"), ("b", "fallback")]


async def test_a_second_that_fails_does_not_cut_the_first_short(tmp_path: Path) -> None:
    troupe = play(tmp_path, HEDGED, a=[late(says("from a"), 0.04)], b=[refuses(500)])
    asked = await troupe.ask()
    assert (asked.client.text, troupe.called) == ("from a", ["a", "b"])
    assert {one.target: one.failure for one in asked.record.attempts} == {"a": "", "b": "server_error"}


async def test_where_both_fail_it_is_the_first_s_failure_that_is_told(tmp_path: Path) -> None:
    troupe = play(tmp_path, HEDGED, ONCE, a=[late(refuses(503, why="first"), 0.02)], b=[refuses(500, why="second")])
    asked = await troupe.ask()
    assert "first" in asked.failure.message
    assert asked.failure.http_status == 503
    assert {one.target for one in asked.record.attempts} == {"a", "b"}
    assert troupe.quiet()


async def test_a_bug_beside_a_failure_is_not_hidden(tmp_path: Path) -> None:
    bug = late(fails(ZeroDivisionError("bug")), 0)
    troupe = play(tmp_path, HEDGED, ONCE, a=[late(refuses(503), 0.02)], b=[bug])
    assert (await troupe.ask()).failure.http_status == 500
    assert [type(one) for one in troupe.bugs] == [ZeroDivisionError]


async def test_a_client_that_leaves_ends_both_calls(tmp_path: Path) -> None:
    async with served(tmp_path, HEDGED, a=SLOW, b=SLOW, rest={"models": LIMITED}) as rig:
        task = asyncio.create_task(rig.troupe.ask(stream=True, client=Client({})))
        await soon(lambda: len(rig.called()) == 2)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        [record] = rig.troupe.records
        assert (record.state, [one.error for one in record.attempts]) == ("aborted", ["cancelled", "cancelled"])
        assert rig.troupe.quiet()
        await soon(lambda: all(one.outcome == "dropped" for one in rig.server.requests))


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("turns", range(8))
async def test_a_client_that_leaves_just_when_the_answers_come_loses_none_of_what_was_paid(
    tmp_path: Path, stream: bool, turns: int
) -> None:
    go = asyncio.Event()

    async def step() -> None:
        await go.wait()

    part = streams("hi") if stream else says("hi")
    parts = {name: [Part(part.pieces, headers=part.headers, step=step)] for name in "ab"}
    troupe = play(tmp_path, HEDGED, {"models": LIMITED}, **parts)
    task = asyncio.create_task(troupe.ask(stream=stream))
    await soon(lambda: len(troupe.called) == 2)
    go.set()
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    [record] = troupe.records
    assert len(record.attempts) == 2
    assert all(response.closed for response in troupe.played.responses)
    assert troupe.quiet()
    if not stream:
        assert record.usage.output == 5 * [one.error for one in record.attempts].count(None)


async def test_second_calls_keep_to_their_share(tmp_path: Path) -> None:
    route = "kind: fixed, model: a, fallbacks: [b], hedge: {after: 0.001, share: 0.1, burst: 2}"
    troupe = play(tmp_path, route, a=[late(says("a"), 0.002)], b=[hangs()])
    for _ in range(8):
        await asyncio.gather(*(troupe.ask() for _ in range(10)))
    assert 0 < troupe.called.count("b") <= 8
    assert troupe.called.count("a") == 80
    assert troupe.quiet()


async def test_without_another_model_the_same_one_is_asked_twice(tmp_path: Path) -> None:
    route = "kind: fixed, model: a, fallbacks: [], hedge: {after: 0.02, share: 1}"
    troupe = play(tmp_path, route, a=[hangs(), says("second try")])
    asked = await troupe.ask()
    assert (asked.client.text, asked.record.degraded) == ("second try", None)
    assert [one.why for one in sorted(asked.record.attempts, key=lambda one: one.start_us)] == ["first", "hedge"]


async def test_how_late_is_late_is_learned_from_the_answers_so_far(tmp_path: Path) -> None:
    learned = "hedge: {quantile: 0.5, minimum_samples: 4, minimum_delay: 0.02, share: 1}"
    troupe = play(
        tmp_path, f"kind: fixed, model: a, fallbacks: [b], {learned}", a=[*[says("a")] * 4, hangs()], b=[says("b")]
    )
    for _ in range(4):
        assert (await troupe.ask()).client.text == "a"
    began = time.monotonic()
    assert (await troupe.ask()).client.text == "b"
    assert 0.02 <= time.monotonic() - began < 0.1


async def test_a_call_that_waits_for_a_slot_is_late_too(tmp_path: Path) -> None:
    models = "a: {provider: up, concurrency: 1}, b: {provider: up}, c: {provider: up}"
    parts: dict[str, list[Part]] = {"a": [hangs()], "b": [hangs(), says("b")]}
    troupe: Played = play(tmp_path, HEDGED, {"models": models}, **parts)
    busy = asyncio.create_task(troupe.ask())
    await soon(lambda: troupe.called == ["a", "b"])
    assert (await troupe.ask()).client.text == "b"
    assert [one.target for one in troupe.records[-1].attempts] == ["b"]
    busy.cancel()
    await asyncio.gather(busy, return_exceptions=True)
    assert troupe.quiet()


async def test_a_dead_kept_alive_connection_is_no_reason_for_a_second_call(tmp_path: Path) -> None:
    troupe = play(tmp_path, HEDGED, ONCE, a=[fails(UpstreamLost("gone", unanswered=True)), says("a")])
    asked = await troupe.ask()
    assert (asked.client.text, troupe.called) == ("a", ["a", "a"])
