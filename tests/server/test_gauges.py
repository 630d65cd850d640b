"""What /metrics shows of a gateway at work and of its process."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families as parse

from llmctl.gateway.reload import Live
from llmctl.net.transport import Request
from llmctl.server import gauges
from llmctl.server.gauges import LoopLag, show, show_batches, show_process, show_request_log, show_spans
from llmctl.telemetry.metrics import MetricsSink
from llmctl.testing.asking import whole
from llmctl.testing.clock import ManualClock
from llmctl.testing.config import loaded
from llmctl.testing.gateway import CollectingClient, PlayedResponse, PlayedTransport, Remember, exchange, surroundings
from tests.batches.conftest import Tracks, answer, track

CONFIG = """
providers: {up: {kind: openai, base_url: "http://127.0.0.1:9/v1"}}
models: {m: {provider: up, concurrency: 2}, n: {provider: up}}
guardrails:
  preset: none
  policies: {tpm: {kind: rate_limit, on_error: block, options: {per: [model], requests_per_minute: 8}}}
resilience: {breaker: {minimum_calls: 1, buckets: 1}}
"""
__all__ = ["track"]


def values(sink: MetricsSink, name: str) -> dict[str, float]:
    """Samples of `name` by their only label's value."""
    body, _ = sink.render("")
    return {
        "".join(s.labels.values()): s.value for family in parse(body.decode()) for s in family.samples if s.name == name
    }


def make() -> MetricsSink:
    return MetricsSink(CollectorRegistry(), version="1", semconv_version="gen_ai/1")


class World:
    """A gateway whose upstream waits for `release`, or refuses, and its metrics."""

    def __init__(self, folder: Path) -> None:
        self.clock = ManualClock()
        self.release = asyncio.Event()
        self.status = 200
        around = surroundings(PlayedTransport(self._play), Remember(), self.clock)
        self.folder, self.path = folder, folder / "gateway.yaml"
        self.live = Live(lambda: loaded(self.path.read_text(), folder), around, lambda event, **_: None)
        self.metrics = make()

    def _play(self, _: Request) -> PlayedResponse:
        headers = {b"content-type": b"application/json"}
        return PlayedResponse(self.status, headers, [whole()], self.release.wait)  # type: ignore[arg-type]

    async def ask(self, model: str) -> CollectingClient:
        client = CollectingClient({"model": model, "messages": [{"role": "user", "content": "hi"}]})
        await self.live.gateway.run(exchange(self.clock), client)
        return client

    def __call__(self, name: str) -> dict[str, float]:
        return values(self.metrics, name)


@asynccontextmanager
async def world(folder: Path) -> AsyncIterator[World]:
    made = World(folder)
    await made.live.start(loaded(CONFIG, folder))
    show(made.metrics, made.live, made.clock)
    try:
        yield made
    finally:
        made.release.set()
        await made.live.close(drain=1)


async def test_what_is_under_way_and_what_waits(tmp_path: Path) -> None:
    async with world(tmp_path) as shown:
        assert shown("llmctl_queue_depth") == {"m": 0}  # the only one that anybody waits for
        asking = [asyncio.create_task(shown.ask(model)) for model in "mmmmmn"]
        while shown("llmctl_queue_depth") != {"m": 3}:
            await asyncio.sleep(0)
        assert shown("llmctl_in_flight") == {"": 6}
        assert shown("llmctl_model_in_flight") == {"m": 2, "n": 1}
        shown.release.set()
        assert [client.failure for client in await asyncio.gather(*asking)] == [None] * 6
        assert shown("llmctl_in_flight") == {"": 0}
        assert shown("llmctl_model_in_flight") == {"m": 0, "n": 0}
        assert shown("llmctl_limit_remaining_ratio") == {"tpm": pytest.approx(3 / 8)}  # m has had 5 of 8
        shown.clock.advance(7.5)
        assert shown("llmctl_limit_remaining_ratio") == {"tpm": pytest.approx(4 / 8)}


async def test_breakers(tmp_path: Path) -> None:
    async with world(tmp_path) as shown:
        shown.release.set()
        assert shown("llmctl_breaker_state") == {"m": 0, "n": 0}
        shown.status = 500
        await shown.ask("m")
        assert shown("llmctl_breaker_state") == {"m": 2, "n": 0}
        assert shown("llmctl_breakers_open") == {"m": 1, "n": 0}
        shown.clock.advance(60)
        shown.status = 200
        await shown.ask("m")
        assert shown("llmctl_breaker_state") == {"m": 1, "n": 0}


async def test_reloads(tmp_path: Path) -> None:
    async with world(tmp_path) as shown:
        began = shown.clock.wall()
        assert shown("llmctl_config_reloaded_timestamp_seconds") == {"": began}
        assert shown("llmctl_config_reload_ok") == {"": 1}
        shown.clock.advance(10)
        shown.path.write_text("models: nonsense")
        await shown.live.reload()
        assert shown("llmctl_config_reload_ok") == {"": 0}
        assert shown("llmctl_config_reloaded_timestamp_seconds") == {"": began}
        shown.path.write_text(CONFIG.replace("concurrency: 2", "concurrency: 3"))
        await shown.live.reload()
        assert shown("llmctl_config_reload_ok") == {"": 1}
        assert shown("llmctl_config_reloaded_timestamp_seconds") == {"": began + 10}


async def test_batches(track: Tracks) -> None:
    metrics, release = make(), asyncio.Event()

    def play(_: str) -> PlayedResponse:
        played = answer()
        played.step = release.wait  # type: ignore[assignment]
        return played

    async with track(play, concurrency=2) as running:
        show_batches(metrics, running.lane)
        assert values(metrics, "llmctl_batches") == {"waiting": 0, "running": 0}
        assert values(metrics, "llmctl_batch_requests") == {"waiting": 0, "under_way": 0, "parked": 0}
        batch = running.submit("a", "b", "c", "d", "e")
        while len(running.asked) < 2:
            await asyncio.sleep(0.005)
        assert values(metrics, "llmctl_batches") == {"waiting": 0, "running": 1}
        assert values(metrics, "llmctl_batch_requests") == {"waiting": 3, "under_way": 2, "parked": 0}
        release.set()
        await running.until(batch, "completed")
        while values(metrics, "llmctl_batches") != {"waiting": 0, "running": 0}:
            await asyncio.sleep(0.005)
        assert not any(values(metrics, "llmctl_batch_requests").values())


def test_the_process() -> None:
    metrics, clock = make(), ManualClock()
    show_process(metrics, clock)
    assert values(metrics, "llmctl_workers") == {"": 1}
    assert values(metrics, "process_start_time_seconds") == {"": clock.wall()}
    before = values(metrics, "process_cpu_seconds_total")[""]
    while os.times().user < before + 0.05:
        sum(range(10_000))
    assert values(metrics, "process_cpu_seconds_total")[""] > before
    ballast = b"x" * 64 * 1024**2
    with_ballast = values(metrics, "process_resident_memory_bytes")[""]
    del ballast
    assert with_ballast - values(metrics, "process_resident_memory_bytes")[""] > 32 * 1024**2
    few = values(metrics, "process_open_fds")[""]
    ends = [os.pipe() for _ in range(5)]
    assert values(metrics, "process_open_fds")[""] == few + 10
    for end in sum(ends, ()):
        os.close(end)
    assert values(metrics, "process_max_fds")[""] > few


def test_a_system_without_proc_shows_what_it_can(tmp_path: Path) -> None:
    metrics = make()
    show_process(metrics, ManualClock(), tmp_path)
    assert values(metrics, "process_cpu_seconds_total")
    assert not values(metrics, "process_resident_memory_bytes")


async def test_a_loop_that_is_held_up_is_late(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gauges, "LAG_EVERY", 0.01)
    seen: list[float] = []
    loop = asyncio.get_running_loop()
    LoopLag(seen.append, loop).start()
    while len(seen) < 3:
        await asyncio.sleep(0.01)
    until = loop.time() + 0.1
    while loop.time() < until:  # holds it up on purpose
        pass
    held = len(seen)
    while len(seen) == held:
        await asyncio.sleep(0)
    assert 0.05 < seen[held] < 5
    assert min(seen) >= 0


@pytest.mark.parametrize(
    ("register", "name"), [(show_request_log, "llmctl_request_log_lines_total"), (show_spans, "llmctl_spans_total")]
)
def test_drops(register: Any, name: str) -> None:
    class Counting:
        def counts(self) -> dict[str, float]:
            return {"written": 3.0, "queue_full": 1.0}

    metrics = make()
    register(metrics, Counting())
    assert values(metrics, name) == {"written": 3, "queue_full": 1}
