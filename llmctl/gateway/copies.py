"""Exchanges that no client waits for: copies for a model on trial, refreshed answers, judgements. Each is recorded."""

import asyncio
from collections.abc import AsyncIterator

from llmctl.errors import LlmctlError
from llmctl.gateway.pipeline import Pipeline
from llmctl.model.chat import Answer, Chunk
from llmctl.model.exchange import Exchange
from llmctl.model.record import Decision

LEAST = -1000  # below what a key's and a route's priority can come to


class Nobody:
    """The client of a copy. `answer` is a whole answer that came."""

    def __init__(self) -> None:
        self.answer: Answer | None = None

    async def read(self, exchange: Exchange) -> None:
        """It has been read."""

    async def whole(self, exchange: Exchange, answer: Answer) -> None:
        """Keeps it."""
        self.answer = answer

    async def stream(self, exchange: Exchange, chunks: AsyncIterator[list[Chunk]]) -> None:
        """Nobody gets them."""
        async for _ in chunks:
            exchange.committed = True

    async def error(self, exchange: Exchange, error: LlmctlError) -> None:
        """Nobody is told; the record says it."""


class Copies:
    """Runs copies on a path of their own, and stops them at the end."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._running: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._running)

    async def ask(self, exchange: Exchange) -> Answer | None:
        """The answer, if one came."""
        nobody = Nobody()
        await self._pipeline.run(exchange, nobody)
        return nobody.answer

    def start(self, exchange: Exchange) -> asyncio.Task[None]:
        """Run it beside everything else."""
        task = asyncio.create_task(self._pipeline.run(exchange, Nobody()))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task

    async def close(self) -> None:
        """Stop what is under way; each copy still leaves its record."""
        await asyncio.sleep(0)  # one that is stopped before it has begun would leave none, and its flight in the air
        tasks = list(self._running)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def copy_of(exchange: Exchange, suffix: str, decision: Decision | None) -> Exchange:
    """A copy that mirrors an exchange whose request has been let in."""
    return Exchange(
        f"{exchange.id}.{suffix}",
        exchange.operation,
        exchange.dialect,
        exchange.payload,
        exchange.raw,
        exchange.trace,
        exchange.started,
        exchange.wall,
        exchange.deadline,
        stream=exchange.stream,
        requested_model=exchange.requested_model,
        principal=exchange.principal,
        decision=decision,
        cleared=exchange.cleared,
        passages=exchange.passages,
        restoration=exchange.restoration,
        headers=exchange.headers,
        tags=exchange.tags,
        priority=LEAST,
        shadow_of=exchange.id,
    )
