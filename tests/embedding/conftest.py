"""The real pool, and both loops."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
import uvloop

from llmctl.clock import SystemClock
from llmctl.net.pool import Pool


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Every test that awaits runs on both loops."""
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@pytest.fixture
async def pool() -> AsyncIterator[Pool]:
    made = Pool(SystemClock())
    yield made
    made.close()
    for _ in range(100):
        if not made.size:
            break
        await asyncio.sleep(0.01)
    assert made.size == 0, "connections left open"
