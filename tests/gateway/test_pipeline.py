"""The path: what ends where, and the one record that every exchange leaves."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llmctl.clock import SystemClock
from llmctl.config.load import Loaded
from llmctl.errors import UpstreamLost, UpstreamTimeout
from llmctl.gateway.build import build
from llmctl.gateway.gateway import Gateway
from llmctl.model.json import encode
from llmctl.net.sse import frame
from llmctl.net.transport import Request
from llmctl.testing.config import loaded
from llmctl.testing.gateway import (
    CollectingClient,
    PlayedResponse,
    PlayedTransport,
    Remember,
    exchange,
    surroundings,
)

CONFIG = """
    guardrails: {preset: none}
    providers: {up: {kind: openai, base_url: "http://127.0.0.1:9/v1"}}
    models: {small: {provider: up, model: upstream-small}, large: {provider: up}}
    routes: {any: {kind: weighted, weights: {small: 3, large: 1}}}
"""
ANSWER = (
    b'{"id":"c1","model":"upstream-small-2026","choices":[{"index":0,"message":{"role":"assistant","content":"Hi"},'
    b'"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":2}}'
)
EVENTS = {b"content-type": b"text/event-stream"}


def delta(text: str = "", finish: str | None = None) -> bytes:
    body = {"model": "m-1", "choices": [{"index": 0, "delta": {"content": text}, "finish_reason": finish}]}
    return frame(json.dumps(body).encode())


STREAM = [delta("Hel"), delta("lo"), delta(finish="stop"),
          frame(b'{"choices":[],"usage":{"prompt_tokens":5,"completion_tokens":2}}'), frame(b"[DONE]")]  # fmt: skip


async def no_wait() -> None:
    return


def played(*pieces: bytes | Exception, status: int = 200, headers: dict[bytes, bytes] | None = None,
           step: Callable[[], Awaitable[None]] = no_wait) -> PlayedResponse:  # fmt: skip
    return PlayedResponse(status, headers or {}, pieces, step)


@pytest.fixture(name="config")
def _config(tmp_path: Path) -> Loaded:
    return loaded(CONFIG, tmp_path)


class Bench:
    """A gateway over a played transport."""

    def __init__(self, config: Loaded, play: Callable[[Request], PlayedResponse | Exception]) -> None:
        self.sink = Remember()
        self.bugs: list[BaseException] = []
        self.transport = PlayedTransport(play)
        self.gateway: Gateway = build(config, surroundings(self.transport, self.sink, bugs=self.bugs))

    async def ask(self, client: CollectingClient) -> None:
        await self.gateway.run(exchange(SystemClock()), client)


def question(model: str = "small", *, stream: bool = False) -> CollectingClient:
    return CollectingClient({"model": model, "messages": [{"role": "user", "content": "hello"}], "stream": stream})


async def test_a_whole_answer_passes_and_is_recorded(config: Loaded) -> None:
    bench = Bench(config, lambda _: played(ANSWER))
    client = question()
    await bench.ask(client)
    assert client.answer is not None
    assert client.answer.raw == ANSWER
    [record] = bench.sink.records
    assert (record.state, record.http_status, record.model, record.provider) == ("ok", 200, "small", "up")
    assert record.served_model == "upstream-small-2026"
    assert (record.usage.input, record.usage.output, record.usage.source) == (9, 2, "provider")
    assert [stage.name for stage in record.stages] == ["auth", "read", "input_guards", "route", "upstream", "respond"]
    assert json.loads(bench.transport.requests[0].body)["model"] == "upstream-small"
    assert record.cost.status == "unpriced"


async def test_a_stream_passes_and_is_recorded(config: Loaded) -> None:
    bench = Bench(config, lambda _: played(*STREAM, headers=EVENTS))
    client = question(stream=True)
    await bench.ask(client)
    assert client.text == "Hello"
    [record] = bench.sink.records
    assert (record.state, record.chunks, record.finish_reason) == ("ok", 4, "stop")
    assert (record.usage.input, record.usage.output) == (5, 2)
    assert record.ttft_us is not None
    assert json.loads(bench.transport.requests[0].body)["stream_options"] == {"include_usage": True}
    assert bench.transport.responses[0].closed


async def test_large_content_leaves_its_size(tmp_path: Path) -> None:
    config = loaded(CONFIG + "    records: {max_content: 100}\n", tmp_path)
    bench = Bench(config, lambda _: played(ANSWER))
    await bench.ask(question())
    [record] = bench.sink.records
    assert record.response == {"omitted_bytes": len(ANSWER)}
    assert json.loads(encode(record.request))["model"] == "small"


async def test_a_dead_kept_alive_connection_is_tried_again_and_both_attempts_are_recorded(config: Loaded) -> None:
    answers: list[PlayedResponse | Exception] = [UpstreamLost("gone", unanswered=True), played(ANSWER)]
    bench = Bench(config, lambda _: answers.pop(0))
    client = question()
    await bench.ask(client)
    assert client.finished
    [record] = bench.sink.records
    assert [attempt.error for attempt in record.attempts] == ["upstream_connection_lost", None]


@pytest.mark.parametrize("error", [UpstreamLost("cut"), UpstreamTimeout("slow", phase="first_byte")])
async def test_other_losses_are_told_once_they_were_tried_again_in_vain(config: Loaded, error: Exception) -> None:
    bench = Bench(config, lambda _: error)
    client = question()
    await bench.ask(client)
    assert client.failure is error
    assert len(bench.transport.requests) == (1 if isinstance(error, UpstreamTimeout) else 2)
    assert bench.sink.records[0].state == "failed"


async def test_a_stream_that_breaks_before_its_first_chunk_is_an_ordinary_error(config: Loaded) -> None:
    bench = Bench(config, lambda _: played(UpstreamLost("cut"), headers=EVENTS))
    client = question(stream=True)
    await bench.ask(client)
    [record] = bench.sink.records
    assert (record.state, record.http_status) == ("failed", 502)
    assert not client.chunks


@pytest.mark.parametrize("end", [[UpstreamLost("cut")], []], ids=["reset", "ends early"])
async def test_a_stream_that_breaks_later_is_never_ok(config: Loaded, end: list[Exception]) -> None:
    bench = Bench(config, lambda _: played(STREAM[0], STREAM[1], *end, headers=EVENTS))
    client = question(stream=True)
    await bench.ask(client)
    assert client.text == "Hello"
    assert isinstance(client.failure, UpstreamLost)
    [record] = bench.sink.records
    assert (record.state, record.http_status) == ("failed", 200)
    assert record.failure is not None
    assert record.failure.code == "upstream_connection_lost"
    assert (record.chunks, record.usage.source) == (2, "estimated")
    assert record.usage.output == 2  # "Hello" at four bytes a token


@pytest.mark.parametrize(
    ("body", "why"), [(b"<html>", "not an answer"), (b"{}", "without an answer"), (b'{"choices": 3}', "not an answer")]
)
async def test_garbage_with_status_200_is_a_502(config: Loaded, body: bytes, why: str) -> None:
    bench = Bench(config, lambda _: played(body))
    client = question()
    await bench.ask(client)
    assert client.failure is not None
    assert client.failure.http_status == 502
    assert why in client.failure.message


@pytest.mark.parametrize(("status", "told"), [(400, 400), (401, 502), (403, 502), (404, 404), (429, 429), (500, 500)])
async def test_error_statuses(tmp_path: Path, status: int, told: int) -> None:
    config = loaded(CONFIG + "    resilience: {retry: {attempts: 1}}\n", tmp_path)
    body = b'{"error": {"message": "bad key sk-secret", "type": "t", "code": "c"}}'
    bench = Bench(config, lambda _: played(body, status=status, headers={b"retry-after": b"7"}))
    client = question()
    await bench.ask(client)
    assert client.failure is not None
    assert client.failure.http_status == told
    assert ("sk-secret" in client.failure.message) is (told != 502)
    assert getattr(client.failure, "retry_after", None) == (7.0 if told != 502 else None)


async def test_a_key_that_an_upstream_quotes_is_masked(tmp_path: Path) -> None:
    keyed = CONFIG.replace('/v1"}', '/v1", api_key: "${KEY}"}')
    bench = Bench(
        loaded(keyed, tmp_path, {"KEY": "abc-secret-xyz"}),
        lambda _: played(b'{"error": {"message": "malformed key abc-secret-xyz"}}', status=400),
    )
    client = question()
    await bench.ask(client)
    assert client.failure is not None
    assert "malformed key ********" in client.failure.message
    [record] = bench.sink.records
    assert b"abc-secret-xyz" not in encode(record)


async def test_an_unknown_model_names_the_nearest(config: Loaded) -> None:
    bench = Bench(config, lambda _: played(ANSWER))
    client = question("smal")
    await bench.ask(client)
    assert client.failure is not None
    assert client.failure.http_status == 404
    assert "'small'" in client.failure.message


async def test_a_route_records_its_propensity(config: Loaded) -> None:
    bench = Bench(config, lambda _: played(ANSWER))
    for _ in range(50):
        await bench.ask(question("any"))
    shares = {r.model: r.decision.propensity for r in bench.sink.records if r.decision}
    assert shares == {"small": 0.75, "large": 0.25}


async def test_a_bug_is_told_to_the_log_and_not_to_the_client(config: Loaded) -> None:
    bench = Bench(config, lambda _: ZeroDivisionError("secret detail"))
    client = question()
    await bench.ask(client)
    assert client.failure is not None
    assert client.failure.http_status == 500
    assert "secret detail" not in client.failure.message
    assert "req_test" in client.failure.message
    assert isinstance(bench.bugs[0], ZeroDivisionError)
    assert bench.sink.records[0].state == "failed"


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(stream=st.booleans(), cancel_at=st.integers(0, 40), breaks=st.booleans(), pauses=st.integers(0, 3))
def test_any_cancellation_point_leaves_one_record(
    config: Loaded, stream: bool, cancel_at: int, breaks: bool, pauses: int
) -> None:
    async def step() -> None:
        for _ in range(pauses):
            await asyncio.sleep(0)

    async def scenario() -> None:
        pieces: list[bytes | Exception] = list(STREAM) if stream else [ANSWER]
        if breaks:
            pieces.insert(len(pieces) // 2, UpstreamLost("cut"))
        headers = EVENTS if stream else None
        bench = Bench(config, lambda _: played(*pieces, headers=headers, step=step))
        client = question(stream=stream)
        client.pause = step
        task = asyncio.create_task(bench.ask(client))
        for _ in range(cancel_at):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        if cancel_at == 0:
            return  # the task never began: nothing entered the path
        [record] = bench.sink.records
        assert record.state in {"ok", "failed", "aborted"}
        assert (record.state == "ok") is (client.finished and not breaks)
        assert all(response.closed for response in bench.transport.responses)
        assert bench.gateway.in_flight == 0
        assert not bench.bugs

    asyncio.run(scenario())
