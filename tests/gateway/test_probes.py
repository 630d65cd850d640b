"""Free requests to models that are down: what they decide, and what they leave to clients' requests."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from llmctl.errors import UpstreamConnectError, UpstreamTimeout
from llmctl.gateway.probes import PROBE_TIMEOUT, Prober
from llmctl.gateway.target import Target
from llmctl.providers.openai import OpenAI, OpenAIOptions
from llmctl.testing.clock import ManualClock
from tests.gateway.troupe import Part, Played, fails, play, refuses, says, served, soon

FRAGILE = "retry: {attempts: 1}, breaker: {minimum_calls: 1, open_for: 10, jitter: 0, probes: 1}"
ALONE = "kind: fixed, model: a, fallbacks: []"


@pytest.fixture(name="clock")
def _clock() -> ManualClock:
    return ManualClock()


async def down(folder: Path, clock: ManualClock, *probes: Part, **rest: Any) -> Played:
    """A gateway whose model has just gone down."""
    parts = {"a": [refuses(500), says("back")], "probe": list(probes) or [says()]}
    troupe = play(folder, ALONE, {"resilience": FRAGILE, "clock": clock, **rest}, **parts)
    await troupe.ask()
    assert troupe.standing("a").breaker.state == "open"
    return troupe


def target(troupe: Played) -> Target:
    provider = OpenAI("up", OpenAIOptions.model_validate({"base_url": "http://127.0.0.1:9/v1", "api_key": "k"}))
    return Target("a", provider, "a", troupe.transport, troupe.standing("a"))


def prober(troupe: Played) -> Prober:
    return Prober([target(troupe)], 0.005, troupe.clock.monotonic)


async def test_nobody_is_asked_before_the_time(tmp_path: Path, clock: ManualClock) -> None:
    troupe = await down(tmp_path, clock)
    clock.advance(9.9)
    await prober(troupe).probe(target(troupe))
    assert troupe.called == ["a"]


async def test_one_that_is_alive_is_half_open_and_clients_requests_decide(tmp_path: Path, clock: ManualClock) -> None:
    troupe = await down(tmp_path, clock)
    clock.advance(10)
    await prober(troupe).probe(target(troupe))
    request = troupe.played.requests[-1]
    assert (request.method, request.target, request.body) == (b"GET", b"/v1/models", b"")
    assert request.deadline == clock.monotonic() + PROBE_TIMEOUT
    breaker = troupe.standing("a").breaker
    assert (breaker.state, breaker.retry_after()) == ("half_open", 0)
    assert (await troupe.ask()).client.text == "back"
    assert breaker.state == "closed"
    assert [(one.before, one.after) for one in troupe.records[-1].transitions] == [("half_open", "closed")]


@pytest.mark.parametrize("answer", [refuses(401), refuses(404), refuses(429)])
async def test_a_refusal_is_a_sign_of_life(tmp_path: Path, clock: ManualClock, answer: Part) -> None:
    troupe = await down(tmp_path, clock, answer)
    clock.advance(10)
    await prober(troupe).probe(target(troupe))
    assert troupe.standing("a").breaker.state == "half_open"


@pytest.mark.parametrize(
    "answer",
    [refuses(503), fails(UpstreamConnectError("refused")), fails(UpstreamTimeout("late", phase="first_byte"))],
    ids=["5xx", "nobody there", "no answer"],
)
async def test_one_that_is_dead_stays_open_for_longer_and_no_client_was_spent(
    tmp_path: Path, clock: ManualClock, answer: Part
) -> None:
    troupe = await down(tmp_path, clock, answer)
    clock.advance(10)
    await prober(troupe).probe(target(troupe))
    breaker = troupe.standing("a").breaker
    assert (breaker.state, breaker.reason, breaker.retry_after()) == ("open", "probe_failed", 20)
    assert (await troupe.ask()).failure.http_status == 503
    assert troupe.called == ["a", "probe"]


async def test_a_probe_that_is_cancelled_leaves_its_place(tmp_path: Path, clock: ManualClock) -> None:
    async def step() -> None:
        await asyncio.Event().wait()

    troupe = await down(tmp_path, clock, Part(step=step))
    clock.advance(10)
    task = asyncio.create_task(prober(troupe).probe(target(troupe)))
    await soon(lambda: "probe" in troupe.called)
    assert troupe.standing("a").breaker.retry_after() > 0
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert troupe.standing("a").breaker.retry_after() == 0


async def test_it_looks_again_and_again_until_it_is_stopped(tmp_path: Path, clock: ManualClock) -> None:
    troupe = await down(tmp_path, clock, refuses(503), says())
    looking = prober(troupe)
    looking.start()
    await asyncio.sleep(0.02)
    assert troupe.called == ["a"]
    clock.advance(10)
    await soon(lambda: troupe.called == ["a", "probe"])
    clock.advance(20)
    await soon(lambda: troupe.standing("a").breaker.state == "half_open")
    looking.stop()
    assert troupe.called == ["a", "probe", "probe"]


async def test_a_bug_in_a_probe_does_not_end_the_looking(tmp_path: Path, clock: ManualClock) -> None:
    troupe = await down(tmp_path, clock, fails(ZeroDivisionError("bug")), says())
    clock.advance(10)
    looking = prober(troupe)
    looking.start()
    await soon(lambda: "probe" in troupe.called)
    breaker = troupe.standing("a").breaker
    assert breaker.retry_after() == 0
    breaker.record(False, 0.1, breaker.allow())
    clock.advance(breaker.retry_after())
    await soon(lambda: troupe.called.count("probe") == 2)
    looking.stop()


async def test_a_provider_that_cannot_be_asked_for_nothing_is_tried_by_clients(
    tmp_path: Path, clock: ManualClock
) -> None:
    troupe = await down(tmp_path, clock)
    clock.advance(10)
    azure = OpenAIOptions.model_validate({"base_url": "http://127.0.0.1:9/v1", "api_version": "2024-10-21"})
    mute = Target("a", OpenAI("up", azure), "a", troupe.transport, troupe.standing("a"))
    await prober(troupe).probe(mute)
    assert (troupe.called, troupe.standing("a").breaker.state) == (["a"], "open")
    assert (await troupe.ask()).client.text == "back"


async def test_a_running_gateway_finds_out_by_itself_that_a_model_is_back(tmp_path: Path) -> None:
    resilience = "retry: {attempts: 1}, breaker: {minimum_calls: 1, open_for: 0.02, probes: 1}, probe_every: 0.01"
    ill = {"text": "back", "faults": [{"kind": "error", "times": 1}]}
    async with served(tmp_path, ALONE, a=ill, rest={"resilience": resilience}) as rig:
        await rig.troupe.gateway.start()
        try:
            assert (await rig.troupe.ask()).failure.http_status == 500
            await soon(lambda: rig.troupe.standing("a").breaker.state == "half_open")
            assert [one.method for one in rig.server.requests] == [b"POST", b"GET"]
            assert (await rig.troupe.ask()).client.text == "back"
        finally:
            await rig.troupe.gateway.close()
