"""The call itself: what is sent twice, what is no stream, and what each attempt leaves. More in test_pipeline.py."""

import asyncio
import time
from pathlib import Path

import pytest

from llmctl.errors import UpstreamLost, UpstreamProtocolError
from llmctl.gateway.stages import upstream
from llmctl.testing.config import loaded
from tests.gateway.test_pipeline import ANSWER, CONFIG, EVENTS, STREAM, Bench, played, question


async def test_dead_connections_are_tried_again_but_not_for_ever(tmp_path: Path) -> None:
    bench = Bench(loaded(CONFIG, tmp_path), lambda _: UpstreamLost("gone", unanswered=True))
    client = question()
    await bench.ask(client)
    assert isinstance(client.failure, UpstreamLost)
    assert len(bench.transport.requests) == upstream.STALE_RETRIES + 1
    [record] = bench.sink.records
    assert len({attempt.span_id for attempt in record.attempts}) == len(record.attempts) == upstream.STALE_RETRIES + 1
    spans = [request.headers.partition(b"traceparent: 00-")[2][33:49].decode() for request in bench.transport.requests]
    assert spans == [attempt.span_id for attempt in record.attempts]


@pytest.mark.parametrize("headers", [{}, {b"content-type": b"application/json"}, {b"content-type": b"\xff" * 200}])
async def test_what_is_not_an_event_stream_is_no_stream(tmp_path: Path, headers: dict[bytes, bytes]) -> None:
    bench = Bench(loaded(CONFIG, tmp_path), lambda _: played(ANSWER, headers=headers))
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
    monkeypatch.setattr(upstream, "LATE_COUNTS", 10.0 if told else 0.2)

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
