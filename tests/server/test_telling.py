"""What runs beside a serving process: integration tests have the whole (test_alerting.py, test_canary.py)."""

import asyncio
import threading
from contextlib import suppress
from pathlib import Path

from prometheus_client import CollectorRegistry

from llmctl.clock import SystemClock
from llmctl.server.telling import publishing
from llmctl.telemetry.metrics import MetricsSink
from llmctl.telemetry.shared_metrics import SharedMetrics


async def test_what_is_published_is_not_counted_on_the_loop(tmp_path: Path) -> None:
    shared = SharedMetrics(tmp_path, SystemClock())
    metrics = MetricsSink(CollectorRegistry(), version="1", semconv_version="gen_ai/1", shared=shared)
    asked: list[int] = []

    def slow() -> float:
        asked.append(threading.get_ident())
        return 1.0

    metrics.gauge("llmctl_slow", "Takes its time.", slow)
    task = asyncio.create_task(publishing(metrics))
    async with asyncio.timeout(5):
        while not list(tmp_path.glob("*.slot")):
            await asyncio.sleep(0.001)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    assert asked == [asked[0]]
    assert asked[0] != threading.get_ident()
