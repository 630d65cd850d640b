"""Whom a route asks when its model fails, in which order, and what it says when nobody is left."""

from pathlib import Path
from typing import Any

import pytest

from llmctl.errors import Unavailable, UpstreamConnectError, UpstreamLost, UpstreamStatus, UpstreamTimeout
from llmctl.testing.clock import ManualClock
from tests.gateway.troupe import Part, Played, breaks, fails, go_down, play, refuses, says, streams

BY_CLASS = (
    "kind: fixed, model: a, fallbacks: {rate_limit: [b], server_error: [c, b], context_length: [c], default: [b, c]}"
)
ONE_EACH = "retry: {attempts_per_model: 1}, probe_every: null"
FRAGILE = f"{ONE_EACH}, breaker: {{minimum_calls: 1, open_for: 10, jitter: 0, probes: 1}}"
WINDOWS = "a: {provider: up}, b: {provider: up, context: 100}, c: {provider: up, capabilities: [json]}"
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}}


def resilient(text: str, **rest: Any) -> dict[str, Any]:
    return {"resilience": text, **rest}


@pytest.mark.parametrize(
    ("part", "following"),
    [
        (refuses(429), "b"),
        (refuses(500), "c"),
        (refuses(529), "c"),
        (refuses(400, code="context_length_exceeded"), "c"),
        (refuses(400, why="the prompt is too long: 9 tokens > 5 maximum"), "c"),
        (refuses(400, code="content_filter"), "b"),
        (refuses(401), "b"),
        (refuses(404), "b"),
        (refuses(504), "b"),
        (fails(UpstreamTimeout("late", phase="first_byte")), "b"),
        (fails(UpstreamConnectError("refused")), "b"),
        (fails(UpstreamLost("cut")), "b"),
        (Part((b"<html>",)), "b"),
    ],
)
async def test_the_class_of_the_failure_says_whom_to_ask_next(tmp_path: Path, part: Part, following: str) -> None:
    troupe = play(tmp_path, BY_CLASS, a=[part], b=[says("b")], c=[says("c")], rest=resilient(ONE_EACH))
    asked = await troupe.ask()
    assert (troupe.called, asked.client.text) == (["a", following], following)
    assert (asked.record.state, asked.record.degraded) == ("ok", "fallback")


async def test_a_stream_that_breaks_before_it_says_anything_is_asked_of_another(tmp_path: Path) -> None:
    troupe = play(tmp_path, BY_CLASS, a=[breaks(UpstreamLost("cut"))], b=[streams("b")], rest=resilient(ONE_EACH))
    asked = await troupe.ask(stream=True)
    assert [one.failure for one in asked.record.attempts] == ["connect", ""]
    assert (asked.client.text, asked.record.state) == ("b", "ok")


async def test_each_model_is_asked_once_the_cheaper_ones_last(tmp_path: Path) -> None:
    route = "kind: fixed, model: a, fallbacks: [a, b], cheaper: [b, c]"
    troupe = play(tmp_path, route, a=[refuses(500)], b=[refuses(500)], c=[says("c")], rest=resilient(ONE_EACH))
    asked = await troupe.ask()
    assert troupe.called == ["a", "b", "c"]
    assert asked.record.degraded == "cheaper"


async def test_the_models_of_a_route_stand_in_for_each_other_unless_it_says_otherwise(tmp_path: Path) -> None:
    troupe = play(
        tmp_path, "kind: weighted, weights: {a: 1, b: 1}", a=[refuses(500)], b=[says()], rest=resilient(ONE_EACH)
    )
    for _ in range(8):
        assert (await troupe.ask()).client.text == "fine"
    found = {record.degraded for record in troupe.records}
    assert found == {None, "fallback"}


async def test_a_model_asked_for_by_its_name_has_fallbacks_of_its_own(tmp_path: Path) -> None:
    models = "a: {provider: up, fallbacks: [b]}, b: {provider: up}, c: {provider: up}"
    troupe = play(tmp_path, a=[refuses(500)], b=[says()], rest=resilient(ONE_EACH, models=models))
    asked = await troupe.ask("a")
    assert (troupe.called, asked.record.model, asked.record.requested_model) == (["a", "b"], "b", "a")
    assert isinstance((await play(tmp_path, a=[refuses(500)]).ask("a")).failure, UpstreamStatus)


async def test_a_model_that_cannot_take_the_request_is_passed_over(tmp_path: Path) -> None:
    def fresh() -> Played:
        parts = {"a": [refuses(500)], "b": [says("b")], "c": [says("c")]}
        return play(tmp_path, rest=resilient(ONE_EACH, models=WINDOWS), **parts)

    long = [{"role": "user", "content": "word " * 400}]
    assert (await (troupe := fresh()).ask(messages=long)).client.text == "c"
    assert troupe.called == ["a", "c"]
    pictured = [{"role": "user", "content": [IMAGE]}]
    assert (await (troupe := fresh()).ask(messages=pictured)).client.text == "b"
    both = [*long, *pictured]
    assert isinstance((await (troupe := fresh()).ask(messages=both)).failure, UpstreamStatus)
    assert troupe.called == ["a"]


async def test_a_model_that_asked_for_rest_is_asked_after_the_others(tmp_path: Path) -> None:
    clock = ManualClock()
    parts = {"a": [refuses(500)], "b": [refuses(429, retry_after=30), says("b")], "c": [refuses(500), says("c")]}
    troupe = play(tmp_path, rest=resilient(ONE_EACH, clock=clock), **parts)
    await troupe.ask()
    assert troupe.called == ["a", "b", "c"]
    await troupe.ask()
    assert troupe.called[3:] == ["a", "c"]
    clock.advance(31)
    assert (await troupe.ask()).client.text == "b"


async def test_a_chosen_model_that_asked_for_rest_is_spared_while_another_can_be_asked(tmp_path: Path) -> None:
    clock = ManualClock()
    parts = {"a": [refuses(429, retry_after=30), says("a")], "b": [says("b")]}
    troupe = play(tmp_path, "kind: fixed, model: a, fallbacks: [b]", rest=resilient(ONE_EACH, clock=clock), **parts)
    assert [(await troupe.ask()).client.text for _ in range(3)] == ["b", "b", "b"]
    assert troupe.called == ["a", "b", "b", "b"]
    clock.advance(31)
    assert (await troupe.ask()).client.text == "a"


async def test_a_model_that_asked_for_rest_is_asked_all_the_same_where_it_is_the_only_one(tmp_path: Path) -> None:
    troupe = play(tmp_path, "kind: fixed, model: a, fallbacks: []", a=[refuses(429, retry_after=30), says("a")])
    assert (await troupe.ask()).failure.http_status == 429
    assert (await troupe.ask()).client.text == "a"


async def test_a_model_that_is_down_costs_nothing(tmp_path: Path) -> None:
    troupe = play(tmp_path, a=[refuses(500)], b=[says("b")], rest=resilient(FRAGILE, clock=ManualClock()))
    for _ in range(5):
        assert (await troupe.ask()).client.text == "b"
    assert troupe.called == ["a", "b", "b", "b", "b", "b"]
    assert [one.target for one in troupe.records[-1].attempts] == ["b"]


async def test_a_model_that_is_down_is_replaced_by_those_for_what_it_failed_of(tmp_path: Path) -> None:
    route = "kind: fixed, model: a, fallbacks: {server_error: [c]}"
    troupe = play(tmp_path, route, a=[refuses(500)], c=[says("c")], rest=resilient(FRAGILE, clock=ManualClock()))
    assert [(await troupe.ask()).client.text for _ in range(3)] == ["c", "c", "c"]
    assert troupe.called == ["a", "c", "c", "c"]


async def test_where_all_are_down_the_client_is_told_when_the_next_is_tried(tmp_path: Path) -> None:
    clock = ManualClock()
    parts = {name: [refuses(500)] for name in "abc"}
    troupe = play(tmp_path, rest=resilient(FRAGILE, clock=clock), **parts)
    assert isinstance((await troupe.ask()).failure, UpstreamStatus)
    clock.advance(4)
    asked = await troupe.ask()
    assert isinstance(asked.failure, Unavailable)
    assert asked.failure.http_status == 503
    assert len(asked.record.attempts) <= 3  # each at most once more, as nobody else is left
    assert asked.failure.retry_after == pytest.approx(6)
    assert "'r'" in asked.failure.message
    assert "6.0 s" in asked.failure.message


async def test_the_next_try_is_that_of_a_model_that_could_take_the_request(tmp_path: Path) -> None:
    clock = ManualClock()
    models = "a: {provider: up}, b: {provider: up, context: 100}, c: {provider: up}"
    route = "kind: fixed, model: a, fallbacks: [b]"
    troupe = play(tmp_path, route, a=[refuses(500)], rest=resilient(FRAGILE, clock=clock, models=models))
    long = [{"role": "user", "content": "word " * 400}]
    await troupe.ask(messages=long)
    asked = await troupe.ask(messages=long)
    assert isinstance(asked.failure, Unavailable)
    assert asked.failure.retry_after == pytest.approx(10)


async def test_cheaper_models_count_for_the_next_try_too(tmp_path: Path) -> None:
    clock = ManualClock()
    route = "kind: fixed, model: a, fallbacks: {}, cheaper: [c]"
    troupe = play(tmp_path, route, a=[refuses(500)], c=[refuses(500)], rest=resilient(FRAGILE, clock=clock))
    breaker = troupe.standing("a").breaker
    go_down(troupe.standing("a"))
    clock.advance(10)
    breaker.record(False, 0.1, breaker.allow())
    await troupe.ask()
    assert breaker.retry_after() == 20
    asked = await troupe.ask()
    assert isinstance(asked.failure, Unavailable)
    assert asked.failure.retry_after == pytest.approx(10)


async def test_a_failure_of_the_request_is_told_rather_than_that_of_a_model_that_stood_in(tmp_path: Path) -> None:
    parts = {"a": [refuses(400, code="context_length_exceeded", why="too long by far")], "b": [refuses(500)]}
    asked = await play(tmp_path, rest=resilient(ONE_EACH), c=[refuses(500)], **parts).ask()
    assert (asked.failure.http_status, "too long by far" in asked.failure.message) == (400, True)
    assert [one.target for one in asked.record.attempts] == ["a", "b", "c"]
