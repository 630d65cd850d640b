"""An imitated service, and the real pool."""

import asyncio
import sys
import types
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
import uvloop

from llmctl.clock import SystemClock
from llmctl.guards.asked.custom import Custom, CustomOptions
from llmctl.net.pool import Pool
from llmctl.testing.judges import JudgeServer


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Every test that awaits runs on both loops: threads and deadlines are handed to them."""
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@pytest.fixture
async def server() -> AsyncIterator[JudgeServer]:
    async with JudgeServer() as running:
        yield running


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


@pytest.fixture
def make(pool: Pool) -> Iterator[Callable[..., Custom]]:
    """`make(Class, option=...)` puts the class into a module of its own and names it."""
    guards: list[Custom] = []

    def make(target: Any, threads: int = 2, **options: Any) -> Custom:
        module = types.ModuleType("acme_guards")
        module.Name = target  # type: ignore[attr-defined]
        sys.modules["acme_guards"] = module
        given = {"class": "acme_guards:Name", "options": options, "threads": threads}
        guards.append(Custom(CustomOptions.model_validate(given), pool))
        return guards[-1]

    yield make
    for guard in guards:
        guard.close()
    sys.modules.pop("acme_guards", None)
