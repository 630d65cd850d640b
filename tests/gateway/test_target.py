"""How a model is doing: whether it may be called, and that a reload does not forget it."""

from pathlib import Path

import pytest

from llmctl.gateway.build import build
from llmctl.gateway.target import Standing
from llmctl.routing.breaker import Breaker, BreakerOptions
from llmctl.routing.health import Health, HealthOptions
from llmctl.testing.clock import ManualClock
from llmctl.testing.config import loaded
from tests.gateway.troupe import play, refuses, says

FRAGILE = "retry: {attempts: 1}, breaker: {minimum_calls: 1, open_for: 10, jitter: 0}, probe_every: null"
ALONE = "kind: fixed, model: a, fallbacks: []"


def standing(clock: ManualClock) -> Standing:
    options = BreakerOptions.model_validate({"minimum_calls": 1, "open_for": 10, "jitter": 0, "probes": 1})
    health = Health(HealthOptions.model_validate({}), clock.monotonic)
    return Standing(Breaker(options, clock.monotonic), health, None, clock.monotonic)


def test_rest_lasts_as_long_as_the_longest_that_was_asked_for() -> None:
    clock = ManualClock()
    one = standing(clock)
    assert one.rested
    one.rest(10)
    one.rest(2)
    clock.advance(9.9)
    assert not one.rested
    clock.advance(0.1)
    assert one.rested


def test_a_model_is_rested_again_when_its_breaker_would_let_a_call_through() -> None:
    clock = ManualClock()
    one = standing(clock)
    one.breaker.record(False, 0.1, one.breaker.allow())
    assert not one.rested
    clock.advance(10)
    assert one.rested
    ticket = one.breaker.allow()
    assert not one.rested  # the only probe is under way
    one.breaker.record(True, 0.1, ticket)
    assert one.rested


@pytest.mark.parametrize(("change", "kept"), [("", True), ("b: {provider: up}, ", True), ("concurrency", False)])
async def test_a_reload_does_not_forget_who_is_down(tmp_path: Path, change: str, kept: bool) -> None:
    troupe = play(tmp_path, ALONE, {"models": "a: {provider: up}", "resilience": FRAGILE}, a=[refuses(500), says()])
    await troupe.ask()
    own = ", concurrency: 5" if change == "concurrency" else ""
    more = change if not own else ""
    config = (
        'guardrails: {preset: none}\nproviders: {up: {kind: openai, base_url: "http://127.0.0.1:9/v1"}}\n'
        f"models: {{{more}a: {{provider: up{own}}}}}\nroutes: {{r: {{{ALONE}}}}}\nresilience: {{{FRAGILE}}}\n"
    )
    troupe.gateway = build(loaded(config, tmp_path), troupe.around)
    asked = await troupe.ask()
    assert (asked.record.http_status == 503) is kept
