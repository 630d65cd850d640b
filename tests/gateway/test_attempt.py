"""One call: how it ends for its record, its model's breaker and health, its slot and its connection."""

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from llmctl.errors import LlmctlError, UpstreamLost, UpstreamProtocolError, UpstreamTimeout
from llmctl.model.trace import Trace
from llmctl.testing.asking import Client, stream
from llmctl.testing.clock import ManualClock
from llmctl.testing.gateway import exchange
from tests.gateway.troupe import EVENTS, Part, breaks, fails, go_down, hangs, play, refuses, says, served, soon, streams

ALONE = "kind: fixed, model: a, fallbacks: []"
ONCE: dict[str, Any] = {"resilience": "retry: {attempts: 1}, probe_every: null"}
LIMITED: dict[str, Any] = {
    "models": "a: {provider: up, concurrency: 1}, b: {provider: up}, c: {provider: up}",
    **ONCE,
}


async def test_an_attempt_names_its_model_its_reason_and_the_class_of_its_failure(tmp_path: Path) -> None:
    troupe = play(tmp_path, a=[refuses(503)], b=[says()])
    asked = await troupe.ask()
    found = [(one.target, one.why, one.status, one.error, one.failure) for one in asked.record.attempts]
    assert found == [
        ("a", "first", 503, "upstream_error", "server_error"),
        ("a", "retry", 503, "upstream_error", "server_error"),
        ("b", "fallback", 200, None, ""),
    ]
    assert (asked.record.model, asked.record.provider, asked.record.degraded) == ("b", "up", "fallback")


@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_that_takes_too_long_is_given_up_as_a_timeout(tmp_path: Path, stream: bool) -> None:
    """Whether its head is late, or only its first token."""
    late: dict[str, Any] = {"faults": [{"kind": "slow_first", "delay": 5}]}
    async with served(tmp_path, "kind: fixed, model: a, fallbacks: [b], attempt_timeout: 0.1", a=late, b={}) as rig:
        began = time.monotonic()
        asked = await rig.troupe.ask(stream=stream)
        assert 0.1 <= time.monotonic() - began < 0.25
        [first, second] = asked.record.attempts
        assert (first.error, first.failure, second.target) == ("upstream_timeout", "timeout", "b")
        assert rig.troupe.standing("a").health.last_error == "timeout"
        assert asked.client.finished
        await soon(lambda: rig.server.requests[0].outcome == "dropped")


async def test_a_role_is_not_a_first_token(tmp_path: Path) -> None:
    begins = {"faults": [{"kind": "hang", "after_chunks": 0}]}
    async with served(tmp_path, "kind: fixed, model: a, fallbacks: [b], attempt_timeout: 0.1", a=begins, b={}) as rig:
        asked = await rig.troupe.ask(stream=True)
        assert asked.client.finished
        assert [(one.target, one.failure) for one in asked.record.attempts] == [("a", "timeout"), ("b", "")]
        roles = [one.delta.role for chunk in asked.client.chunks for one in chunk.body.choices if one.delta]
        assert [role for role in roles if role] == ["assistant"]


@pytest.mark.parametrize("said", [b"", stream([])[0], stream([])[2]], ids=["nothing", "a role", "counts"])
async def test_a_stream_that_is_over_without_an_answer_is_a_failure(tmp_path: Path, said: bytes) -> None:
    empty = Part((said + b"data: [DONE]\n\n",), headers=EVENTS)
    asked = await play(tmp_path, rest=ONCE, a=[empty], b=[streams("hi")]).ask(stream=True)
    assert asked.failure.code == asked.record.attempts[0].error == "upstream_protocol_error"
    assert [one.failure for one in asked.record.attempts] == ["protocol"]


async def test_a_stream_that_is_silent_behind_its_head_counts_against_its_model(tmp_path: Path) -> None:
    async def step() -> None:
        if troupe.played.responses:  # the head is there
            await asyncio.sleep(10)

    silent = Part((b": hold on\n\n",), headers=EVENTS, step=step)
    route = "kind: fixed, model: a, fallbacks: [b], attempt_timeout: 0.05"
    troupe = play(tmp_path, route, a=[silent], b=[streams("hi")])
    asked = await troupe.ask(stream=True)
    [first, _] = asked.record.attempts
    assert (first.status, first.error, first.failure) == (200, "upstream_timeout", "timeout")
    assert troupe.standing("a").health.last_error == "timeout"
    assert troupe.played.responses[0].closed
    assert (asked.client.text, troupe.quiet()) == ("hi", True)


async def test_the_deadline_of_the_exchange_comes_before_that_of_an_attempt(tmp_path: Path) -> None:
    hanging = {"faults": [{"kind": "hang"}]}
    async with served(tmp_path, "kind: fixed, model: a, fallbacks: [b], attempt_timeout: 5", a=hanging, b={}) as rig:
        began = time.monotonic()
        asked = await rig.troupe.ask(within=0.15)
        assert 0.15 <= time.monotonic() - began < 0.2
        assert isinstance(asked.failure, UpstreamTimeout)
        assert "attempt_timeout" not in asked.failure.message
        assert rig.called() == ["a"]


@pytest.mark.parametrize(
    ("part", "error"),
    [
        (refuses(500), LlmctlError),
        (fails(UpstreamLost("cut")), UpstreamLost),
        (fails(ZeroDivisionError("bug")), LlmctlError),
        (Part((b"<html>",)), UpstreamProtocolError),
        (Part((b"{}", UpstreamLost("cut"))), UpstreamLost),
    ],
    ids=["status", "no connection", "bug", "garbage", "cut"],
)
async def test_the_slot_is_free_again_after_every_failure(tmp_path: Path, part: Part, error: type[LlmctlError]) -> None:
    troupe = play(tmp_path, ALONE, a=[part, says()], rest=LIMITED)
    assert isinstance((await troupe.ask()).failure, error)
    assert troupe.quiet()
    assert (await troupe.ask()).client.text == "fine"
    assert troupe.quiet()


async def test_no_more_calls_than_its_slots_are_under_way_at_a_time(tmp_path: Path) -> None:
    under_way = most = 0

    async def step() -> None:
        nonlocal under_way, most
        under_way += 1
        most = max(most, troupe.standing("a").health.inflight)
        await asyncio.sleep(0.002)

    models = "a: {provider: up, concurrency: 3}, b: {provider: up}, c: {provider: up}"
    troupe = play(tmp_path, ALONE, a=[Part(says().pieces, step=step)], rest={**ONCE, "models": models})
    found = await asyncio.gather(*(troupe.ask() for _ in range(20)))
    assert all(asked.client.text == "fine" for asked in found)
    assert most == 3
    assert troupe.quiet()


async def test_a_full_queue_is_no_attempt_and_another_model_is_asked(tmp_path: Path) -> None:
    models = "a: {provider: up, concurrency: 1, max_queue: 0}, b: {provider: up}, c: {provider: up}"
    troupe = play(tmp_path, rest={"models": models}, a=[hangs()], b=[says("from b")])
    busy = asyncio.create_task(troupe.ask())
    await soon(lambda: not troupe.quiet() and bool(troupe.called))
    asked = await troupe.ask()
    assert asked.client.text == "from b"
    assert [one.target for one in asked.record.attempts] == ["b"]
    busy.cancel()
    await asyncio.gather(busy, return_exceptions=True)
    assert troupe.quiet()


@pytest.mark.parametrize("at", ["in the queue", "before the head", "in the stream"])
async def test_a_client_that_leaves_frees_the_slot_and_the_connection(tmp_path: Path, at: str) -> None:
    slow = {"tokens": 50, "token_rate": 20} if at == "in the stream" else {"faults": [{"kind": "hang"}]}
    async with served(tmp_path, ALONE, a=slow, rest=LIMITED) as rig:
        tasks, client = [], Client({})
        tasks.append(asyncio.create_task(rig.troupe.ask(stream=True, client=client)))
        await soon(lambda: bool(client.chunks) if at == "in the stream" else bool(rig.server.requests))
        if at == "in the queue":
            tasks.append(asyncio.create_task(rig.troupe.ask(stream=True)))
            slots = rig.troupe.standing("a").slots
            assert slots is not None
            await soon(lambda: slots.depth == 1)
        for task in reversed(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert rig.troupe.quiet()
        await soon(lambda: rig.server.requests[0].outcome == "dropped")
        assert [record.state for record in rig.troupe.records] == ["aborted"] * len(tasks)
        found = [[one.error for one in record.attempts] for record in rig.troupe.records]
        assert found == ([[], ["cancelled"]] if at == "in the queue" else [["cancelled"]])


async def test_what_a_client_does_says_nothing_about_the_model(tmp_path: Path) -> None:
    breaker = "breaker: {minimum_calls: 1, error_rate: 0.01}"
    parts = [
        refuses(400),
        refuses(400, code="context_length_exceeded"),
        refuses(422),
        refuses(400, code="content_filter"),
    ]
    parts += [fails(UpstreamLost("stale", unanswered=True)), says()]
    troupe = play(tmp_path, ALONE, a=parts, rest={"resilience": f"retry: {{attempts: 1}}, {breaker}"})
    for _ in range(4):
        assert (await troupe.ask()).failure.http_status in (400, 422)
    assert (await troupe.ask()).client.text == "fine"
    assert troupe.standing("a").breaker.state == "closed"
    assert troupe.standing("a").health.last_error is None
    assert not any(record.transitions for record in troupe.records)


async def test_a_breaker_opens_skips_half_opens_and_closes_and_each_transition_is_in_a_record(tmp_path: Path) -> None:
    clock = ManualClock()
    breaker = "breaker: {minimum_calls: 2, open_for: 10, jitter: 0, probes: 1}"
    resilience = f"retry: {{attempts_per_model: 1}}, {breaker}, probe_every: null"
    parts = [refuses(500), refuses(500), refuses(500), says("a again")]
    troupe = play(tmp_path, a=parts, b=[says("b")], rest={"clock": clock, "resilience": resilience})

    async def ask() -> tuple[str, int, list[tuple[str, str, str, str]]]:
        asked = await troupe.ask()
        moves = [(one.target, one.before, one.after, one.reason) for one in asked.record.transitions]
        return asked.client.text, len(asked.record.attempts), moves

    assert await ask() == ("b", 2, [])
    assert await ask() == ("b", 2, [("a", "closed", "open", "error_rate")])
    assert await ask() == ("b", 1, [])
    clock.advance(10)
    half = ("a", "open", "half_open", "elapsed")
    assert await ask() == ("b", 2, [half, ("a", "half_open", "open", "probe_failed")])
    clock.advance(10)
    assert await ask() == ("b", 1, [])  # it stays open for twice as long the second time
    clock.advance(10)
    assert await ask() == ("a again", 1, [half, ("a", "half_open", "closed", "probes_passed")])
    assert troupe.quiet()


async def test_a_stream_that_its_client_closes_early_is_cancelled_and_no_failure(tmp_path: Path) -> None:
    class Leaver(Client):
        async def stream(self, exchange: Any, chunks: Any) -> None:
            await anext(chunks)
            raise UpstreamLost("our client's side broke")

    troupe = play(tmp_path, ALONE, a=[streams("one", "two", "three")], rest=LIMITED)
    asked = await troupe.ask(stream=True, client=Leaver({}))
    [attempt] = asked.record.attempts
    assert attempt.error == "cancelled"
    assert troupe.played.responses[0].closed
    assert troupe.quiet()
    assert troupe.standing("a").health.last_error is None


async def test_a_stream_that_nobody_ever_reads_is_closed_and_recorded_all_the_same(tmp_path: Path) -> None:
    class Refuser(Client):
        async def stream(self, exchange: Any, chunks: Any) -> None:
            raise UpstreamLost("our client's side broke")

    for route in (ALONE, "kind: fixed, model: a, fallbacks: [b], resume: true"):
        troupe = play(tmp_path, route, a=[streams("one", "two")], b=[streams("x")], rest=LIMITED)
        asked = await troupe.ask(stream=True, client=Refuser({}))
        assert troupe.played.responses[0].closed
        assert [one.error for one in asked.record.attempts] == ["cancelled"]
        assert troupe.quiet()


async def test_a_stream_that_breaks_counts_against_its_model_once(tmp_path: Path) -> None:
    troupe = play(tmp_path, ALONE, a=[breaks(UpstreamLost("cut"), "one", "two")], rest=LIMITED)
    asked = await troupe.ask(stream=True)
    assert (asked.record.state, asked.client.text) == ("failed", "onetwo")
    [attempt] = asked.record.attempts
    assert (attempt.error, attempt.failure) == ("upstream_connection_lost", "connect")
    snapshot = troupe.standing("a").health.snapshot()
    assert (snapshot.calls, snapshot.success, snapshot.inflight) == (1, 0.0, 0)
    assert troupe.quiet()


async def test_a_call_is_traced_by_its_attempt_s_own_span(tmp_path: Path) -> None:
    troupe = play(tmp_path, a=[refuses(500)], b=[says()])
    asked = await troupe.ask()
    spans = [one.headers.partition(b"traceparent: 00-")[2][33:49].decode() for one in troupe.played.requests]
    assert spans == [one.span_id for one in asked.record.attempts]
    assert len(set(spans)) == 3


async def test_a_call_does_not_wait_for_a_slot_beyond_its_deadline(tmp_path: Path) -> None:
    troupe = play(tmp_path, ALONE, LIMITED, a=[hangs()])
    busy = asyncio.create_task(troupe.ask())
    await soon(lambda: bool(troupe.called))
    began = time.monotonic()
    asked = await troupe.ask(within=0.1)
    assert 0.1 <= time.monotonic() - began <= 0.15
    assert (asked.failure.http_status, asked.record.attempts) == (503, [])
    busy.cancel()
    await asyncio.gather(busy, return_exceptions=True)
    assert troupe.quiet()


async def test_of_those_who_wait_for_a_slot_the_more_important_goes_first(tmp_path: Path) -> None:
    go = asyncio.Event()

    async def step() -> None:
        await go.wait()

    models = "a: {provider: up, concurrency: 1}, b: {provider: up}, c: {provider: up}"
    urgent = f"{ALONE}, priority: 5}}, s: {{{ALONE}"
    troupe = play(tmp_path, urgent, {"models": models}, a=[Part(says().pieces, step=step)])
    slots = troupe.standing("a").slots
    assert slots is not None
    tasks = []
    for at, name in enumerate(("s", "s", "r")):
        tasks.append(asyncio.create_task(troupe.ask(name)))
        await soon(lambda at=at: slots.active + slots.depth == at + 1)  # type: ignore[misc]
    go.set()
    await asyncio.gather(*tasks)
    assert [record.requested_model for record in troupe.records] == ["s", "r", "s"]


async def test_how_fast_a_model_streams_is_told_by_its_first_token_and_not_by_its_head(tmp_path: Path) -> None:
    async def step() -> None:
        if troupe.played.responses:
            await asyncio.sleep(0.02)

    pieces = (b": one moment\n\n", *streams("one").pieces)
    troupe = play(tmp_path, ALONE, a=[Part(pieces, headers=EVENTS, step=step)])
    asked = await troupe.ask(stream=True)
    assert troupe.standing("a").health.snapshot().latency_s >= 0.04
    [attempt] = asked.record.attempts
    assert attempt.first_byte_us is not None
    assert attempt.first_byte_us >= 40_000


async def test_a_bug_is_not_recorded_as_a_cancellation(tmp_path: Path) -> None:
    troupe = play(tmp_path, ALONE, a=[fails(ZeroDivisionError("bug"))])
    [attempt] = (await troupe.ask()).record.attempts
    assert (attempt.error, attempt.failure) == ("internal_error", "")
    assert troupe.standing("a").health.last_error is None


async def test_nobody_queues_for_a_model_that_is_down(tmp_path: Path) -> None:
    troupe = play(tmp_path, ALONE, LIMITED, a=[hangs()])
    busy = asyncio.create_task(troupe.ask())
    await soon(lambda: bool(troupe.called))
    go_down(troupe.standing("a"))
    began = time.monotonic()
    asked = await troupe.ask(within=1)
    assert time.monotonic() - began < 0.2
    assert getattr(asked.failure, "retry_after", 0) > 4
    busy.cancel()
    await asyncio.gather(busy, return_exceptions=True)
    assert troupe.quiet()


async def test_a_bug_before_anything_is_sent_gives_the_slot_back(tmp_path: Path) -> None:
    troupe = play(tmp_path, ALONE, LIMITED, a=[says()])
    asked = exchange(troupe.clock)
    asked.trace = Trace("0" * 31 + "1", "0" * 15 + "1", state="é")  # the server lets none such in
    await troupe.gateway.run(asked, Client({"model": "r", "messages": [{"role": "user", "content": "hello"}]}))
    assert (asked.state, len(troupe.bugs), troupe.called, troupe.quiet()) == ("failed", 1, [], True)
