"""What is sent again, to whom, for how long; and what is said when nothing helps. More in test_pipeline.py."""

import asyncio
import gc
import json
import time
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llmctl.errors import UpstreamLost, UpstreamProtocolError
from llmctl.gateway import attempt as attempts
from llmctl.gateway import course
from llmctl.model.exchange import Exchange
from llmctl.model.usage import NO_USAGE
from llmctl.testing.config import loaded
from tests.gateway.test_pipeline import ANSWER, CONFIG, EVENTS, STREAM, Bench, played, question
from tests.gateway.troupe import FALLBACKS, Part, breaks, fails, hangs, play, refuses, says, served, soon, streams

ONCE = CONFIG + "    resilience: {retry: {attempts: 1}}\n"
PARTS: dict[str, Part] = {
    "answer": says(),
    "stream": streams("one", "two"),
    "refusal": refuses(500),
    "limit": refuses(429, retry_after=0.01),
    "loss": fails(UpstreamLost("cut")),
    "break": breaks(UpstreamLost("cut"), "one", "two"),
    "silence": hangs(),
}


async def test_dead_connections_are_tried_again_but_not_for_ever(tmp_path: Path) -> None:
    bench = Bench(loaded(ONCE, tmp_path), lambda _: UpstreamLost("gone", unanswered=True))
    client = question()
    await bench.ask(client)
    assert isinstance(client.failure, UpstreamLost)
    assert len(bench.transport.requests) == course.STALE_RETRIES + 1
    [record] = bench.sink.records
    assert len({attempt.span_id for attempt in record.attempts}) == len(record.attempts) == course.STALE_RETRIES + 1
    spans = [request.headers.partition(b"traceparent: 00-")[2][33:49].decode() for request in bench.transport.requests]
    assert spans == [attempt.span_id for attempt in record.attempts]


@pytest.mark.parametrize("headers", [{}, {b"content-type": b"application/json"}, {b"content-type": b"\xff" * 200}])
async def test_what_is_not_an_event_stream_is_no_stream(tmp_path: Path, headers: dict[bytes, bytes]) -> None:
    bench = Bench(loaded(ONCE, tmp_path), lambda _: played(ANSWER, headers=headers))
    client = question(stream=True)
    await bench.ask(client)
    assert isinstance(client.failure, UpstreamProtocolError)
    assert bench.transport.responses[0].closed
    [attempt] = bench.sink.records[0].attempts
    assert (attempt.status, attempt.error) == (200, "upstream_protocol_error")


@pytest.mark.parametrize("told", [True, False], ids=["[DONE]", "only a finish reason"])
async def test_a_body_that_does_not_end_after_the_answer_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: bool
) -> None:
    monkeypatch.setattr(attempts, "LATE_COUNTS", 10.0 if told else 0.2)

    async def step() -> None:
        if bench.transport.responses and len(client.chunks) >= 3:
            await asyncio.sleep(30)

    pieces = [STREAM[0], STREAM[1], STREAM[2] + STREAM[4]] if told else STREAM[:3]
    bench = Bench(loaded(CONFIG, tmp_path), lambda _: played(*pieces, b": more\n\n", headers=EVENTS, step=step))
    client, began = question(stream=True), time.monotonic()
    await bench.ask(client)
    assert time.monotonic() - began < 5
    assert (client.text, client.failure) == ("Hello", None)
    assert bench.transport.responses[0].closed
    assert bench.sink.records[0].state == "ok"


async def test_counts_may_come_late_and_a_loss_behind_the_answer_takes_nothing_back(tmp_path: Path) -> None:
    async def step() -> None:
        await asyncio.sleep(0.1)

    pieces: list[bytes | Exception] = [*STREAM[:4], UpstreamLost("reset behind the counts")]
    bench = Bench(loaded(CONFIG, tmp_path), lambda _: played(*pieces, headers=EVENTS, step=step))
    await bench.ask(client := question(stream=True))
    assert (client.text, client.failure) == ("Hello", None)
    [record] = bench.sink.records
    assert (record.state, record.usage.output, record.usage.source) == ("ok", 2, "provider")


async def test_an_attempt_says_when_its_answer_began(tmp_path: Path) -> None:
    async def step() -> None:
        await asyncio.sleep(0.02)

    bench = Bench(loaded(CONFIG, tmp_path), lambda _: played(ANSWER, step=step))
    await bench.ask(question())
    [record] = bench.sink.records
    [attempt] = record.attempts
    assert (attempt.provider, attempt.model, attempt.status, attempt.error) == ("up", "upstream-small", 200, None)
    assert attempt.first_byte_us is not None
    assert attempt.start_us < attempt.first_byte_us < attempt.start_us + attempt.duration_us <= record.duration_us
    assert record.overhead_us == record.duration_us - attempt.duration_us


ALONE = "kind: fixed, model: a, fallbacks: []"


async def test_a_failure_that_passes_is_overcome_by_the_same_model(tmp_path: Path) -> None:
    troupe = play(tmp_path, ALONE, a=[refuses(500), says("at last")])
    asked = await troupe.ask()
    assert (asked.client.text, asked.record.degraded, asked.record.model) == ("at last", None, "a")
    assert [one.why for one in asked.record.attempts] == ["first", "retry"]


@pytest.mark.parametrize("part", [refuses(400), refuses(422), refuses(400, code="x"), refuses(451)])
async def test_what_is_wrong_with_the_request_is_never_sent_twice(tmp_path: Path, part: Part) -> None:
    troupe = play(tmp_path, f"{FALLBACKS}, cheaper: [c], static_answer: sorry", a=[part], b=[says()], c=[says()])
    asked = await troupe.ask()
    assert (troupe.called, asked.failure.http_status) == (["a"], part.status)
    assert asked.record.degraded is None


@pytest.mark.parametrize("code", ["context_length_exceeded", "content_filter"])
async def test_what_no_model_takes_is_told_and_not_excused(tmp_path: Path, code: str) -> None:
    no = [refuses(400, code=code)]
    asked = await play(tmp_path, f"{FALLBACKS}, static_answer: sorry", a=no, b=no, c=no).ask()
    assert (asked.failure.http_status, asked.failure.code, asked.record.degraded) == (400, code, None)


async def test_no_more_calls_are_made_than_allowed_and_one_is_kept_for_each_model(tmp_path: Path) -> None:
    parts = {name: [refuses(500)] for name in "abc"}
    for most, called in ((1, "a"), (2, "ab"), (3, "abc"), (4, "aabc"), (5, "aabbc"), (9, "aabbcc")):
        troupe = play(tmp_path, rest={"resilience": f"retry: {{backoff: 0, attempts: {most}}}"}, **parts)
        assert (await troupe.ask()).failure.http_status == 500
        assert "".join(troupe.called) == called


async def test_retries_keep_to_their_budget_and_fallbacks_need_none(tmp_path: Path) -> None:
    budget = "retry: {backoff: 0}, retry_budget: {ratio: 0.1, per_second: 0, burst: 3}, breaker: {minimum_calls: 1000}"
    troupe = play(tmp_path, ALONE, a=[refuses(500)], rest={"resilience": budget})
    for _ in range(100):
        await troupe.ask()
    assert 110 <= len(troupe.called) <= 113
    troupe = play(tmp_path, a=[refuses(500)], b=[says()], rest={"resilience": budget})
    found = [await troupe.ask() for _ in range(50)]
    assert all(asked.client.finished for asked in found)
    assert troupe.called.count("a") <= 50 + 3 + 5


async def test_a_model_that_says_when_to_come_back_is_waited_for_only_where_there_is_no_other(tmp_path: Path) -> None:
    busy = refuses(429, retry_after=0.1)
    troupe, began = play(tmp_path, a=[busy, says("a")], b=[says("b")]), time.monotonic()
    assert (await troupe.ask()).client.text == "b"
    assert time.monotonic() - began < 0.08
    troupe, began = play(tmp_path, ALONE, a=[busy, says("a")]), time.monotonic()
    assert (await troupe.ask()).client.text == "a"
    assert 0.1 <= time.monotonic() - began < 0.2


async def test_a_model_that_asks_for_more_time_than_there_is_is_not_waited_for(tmp_path: Path) -> None:
    troupe, began = play(tmp_path, ALONE, a=[refuses(429, retry_after=5), says("a")]), time.monotonic()
    asked = await troupe.ask(within=1)
    assert (asked.failure.http_status, len(troupe.called)) == (429, 1)
    assert getattr(asked.failure, "retry_after", None) == 5
    assert time.monotonic() - began < 0.1


HANGS: dict[str, Any] = {"faults": [{"kind": "hang"}]}
SLOWLY_500: dict[str, Any] = {"latency": 0.06, "faults": [{"kind": "error"}]}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("more", "a"),
    [
        ("", HANGS),
        (", hedge: {after: 0.05, share: 1}", HANGS),
        (", attempt_timeout: 0.08", HANGS),
        (", attempt_timeout: 0.08, hedge: {after: 0.05, share: 1}", HANGS),
        ("", SLOWLY_500),
    ],
    ids=["hanging", "hedged", "given up one by one", "both", "failing slowly"],
)
async def test_the_deadline_of_an_exchange_holds_whatever_is_tried(
    tmp_path: Path, more: str, a: dict[str, Any], stream: bool
) -> None:
    rest = {"resilience": "retry: {backoff: 0.05, attempts: 9, least_time: 0.01}"}
    async with served(tmp_path, f"{FALLBACKS}{more}", a=a, b=a, c=a, rest=rest) as rig:
        began = time.monotonic()
        asked = await rig.troupe.ask(stream=stream, within=0.2)
        assert time.monotonic() - began <= 0.25
        assert asked.record.state == "failed"
        assert asked.failure.http_status in (500, 504)
        assert rig.troupe.quiet()
        assert len(asked.record.attempts) == len(rig.called())


async def test_the_time_that_a_route_allows_is_the_deadline(tmp_path: Path) -> None:
    async with served(tmp_path, f"{ALONE}, timeout: 0.1", a=HANGS) as rig:
        began = time.monotonic()
        assert (await rig.troupe.ask()).failure.http_status == 504
        assert 0.1 <= time.monotonic() - began <= 0.15


@pytest.mark.parametrize("stream", [False, True])
async def test_a_static_answer_is_the_last_resort(tmp_path: Path, stream: bool) -> None:
    route = "kind: fixed, model: a, fallbacks: [b], cheaper: [c], static_answer: Please ask again later."
    troupe = play(
        tmp_path, route, rest={"resilience": "retry: {attempts_per_model: 1}"}, **{n: [refuses(500)] for n in "abc"}
    )
    asked = await troupe.ask(stream=stream)
    assert (asked.client.text, asked.client.failure) == ("Please ask again later.", None)
    assert bool(asked.client.chunks) is stream
    record = asked.record
    assert (record.state, record.degraded, record.provider, len(record.attempts)) == ("ok", "static", "", 3)
    assert (record.usage, record.model, record.finish_reason) == (NO_USAGE, "", "stop")
    assert (await troupe.ask(stream=stream, model="a")).failure.http_status == 500


async def test_a_static_answer_to_a_legacy_completion_is_one(tmp_path: Path) -> None:
    troupe = play(tmp_path, f"{ALONE}, static_answer: sorry", a=[refuses(500)])
    asked = await troupe.ask(operation="completion", prompt="hello")
    assert asked.client.answer is not None
    assert json.loads(asked.client.answer.raw)["choices"][0]["text"] == "sorry"


async def test_numbers_have_no_static_answer(tmp_path: Path) -> None:
    troupe = play(tmp_path, f"{ALONE}, static_answer: sorry", a=[refuses(500)])
    assert (await troupe.ask(operation="embedding", input="hello")).failure.http_status == 500


async def test_a_model_that_goes_down_while_a_call_waits_for_it_is_not_waited_for(tmp_path: Path) -> None:
    """The second call is in the queue when the first one's failure opens the breaker."""
    models = "a: {provider: up, concurrency: 1}, b: {provider: up}, c: {provider: up}"
    resilience = (
        "retry: {attempts_per_model: 2, backoff: 0}, breaker: {minimum_calls: 1, open_for: 3}, probe_every: null"
    )
    troupe = play(tmp_path, ALONE, a=[refuses(500)], rest={"models": models, "resilience": resilience})
    began = time.monotonic()
    first, second = await asyncio.gather(troupe.ask(), troupe.ask())
    assert time.monotonic() - began < 0.5
    assert (first.failure.http_status, second.failure.http_status) == (500, 503)
    assert troupe.called == ["a"]
    assert troupe.quiet()


HEDGED = "hedge: {after: 0.0002, share: 1}, attempt_timeout: 0.02"
CASCADE = "kind: cascade, panel: [a, b], strong: c, extract: number"
ROUTES = [FALLBACKS, f"{FALLBACKS}, resume: true, {HEDGED}", f"{FALLBACKS}, static_answer: sorry", CASCADE]


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    kinds=st.tuples(*[st.sampled_from(sorted(PARTS))] * 3),
    stream=st.booleans(),
    route=st.sampled_from(ROUTES),
    cancel_at=st.integers(1, 80),
)
def test_whatever_fails_and_whenever_the_client_leaves_there_is_one_record_with_every_attempt(
    tmp_path: Path, kinds: tuple[str, str, str], stream: bool, route: str, cancel_at: int
) -> None:
    async def scenario() -> None:
        parts = {name: [PARTS[kind]] for name, kind in zip("abc", kinds, strict=True)}
        models = ", ".join(f"{name}: {{provider: up, concurrency: 1}}" for name in "abc")
        troupe = play(tmp_path, route, rest={"models": models}, **parts)
        tasks = [asyncio.create_task(troupe.ask(stream=stream, within=1)) for _ in range(2)]
        for _ in range(cancel_at):
            await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert len(troupe.records) == 2
        assert sum(len(record.attempts) for record in troupe.records) == len(troupe.called)
        assert troupe.quiet()
        assert all(response.closed for response in troupe.played.responses)
        assert not troupe.bugs

    asyncio.run(scenario())


@pytest.mark.parametrize("route", ROUTES)
async def test_clients_that_leave_at_any_time_leave_no_connection_behind(tmp_path: Path, route: str) -> None:
    random = Random(7)
    flaky = {"latency": 0.005, "tokens": 10, "token_rate": 2000, "text": "42 is what it is"}
    scripts: dict[str, Any] = {
        "a": {**flaky, "faults": [{"kind": "hang", "after_chunks": 1, "probability": 0.2}]},
        "b": {**flaky, "faults": [{"kind": "cut", "after_chunks": 2, "probability": 0.3}]},
        "c": flaky,
    }
    models = ", ".join(f"{name}: {{provider: up, concurrency: 8}}" for name in "abc")
    async with served(tmp_path, route, rest={"models": models}, **scripts) as rig:
        tasks = [asyncio.create_task(rig.troupe.ask(stream=bool(at % 2), within=0.3)) for at in range(60)]
        for task in tasks:
            await asyncio.sleep(random.random() * 0.004)
            if random.random() < 0.7:
                task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert rig.troupe.quiet()
        assert len(rig.troupe.records) >= 50  # a task that is cancelled before it begins is no exchange
        made = sum(len(record.attempts) for record in rig.troupe.records)
        assert made >= len(rig.called())
        await soon(lambda: rig.server.open == rig.pool.size)
        assert not any(one.outcome == "answering" for one in rig.server.requests)


@pytest.mark.parametrize("kind", ["fixed, model: a", "weighted, weights: {a: 1, b: 1}"])
@pytest.mark.parametrize("part", [says(), refuses(500)], ids=["answers", "fails"])
async def test_an_exchange_is_let_go_as_soon_as_it_is_over(tmp_path: Path, kind: str, part: Part) -> None:
    troupe = play(tmp_path, f"kind: {kind}, fallbacks: [c], static_answer: sorry", a=[part], b=[part], c=[part])
    await troupe.ask()
    gc.collect()
    gc.disable()
    try:
        before = {id(one) for one in gc.get_objects() if isinstance(one, Exchange)}  # what other tests hold on to
        for _ in range(3):
            await troupe.ask()
        assert not [one for one in gc.get_objects() if isinstance(one, Exchange) and id(one) not in before]
    finally:
        gc.enable()
