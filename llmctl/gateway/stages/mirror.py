"""Copies of requests for a model that is only tried: off the path, never returned, recorded and paid for apart.

What it answers passes the output guards: it is kept like other answers.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from random import Random

from llmctl.errors import LlmctlError
from llmctl.gateway.branch import Branch
from llmctl.gateway.client import Client
from llmctl.gateway.pipeline import Pipeline
from llmctl.model.chat import Answer, Chunk
from llmctl.model.exchange import Exchange
from llmctl.model.record import Decision
from llmctl.routing.experiment import Shadow

LEAST = -1000  # below what a key's and a route's priority can come to


class Mirror:
    """Starts the copy as soon as the exchange's own model is decided."""

    name = "mirror"

    def __init__(self, branches: Mapping[str, Branch], pipeline: Pipeline, random: Random) -> None:
        """`pipeline` takes a copy from its decision to its record."""
        self._shadows = {name: branch.shadow for name, branch in branches.items() if branch.shadow is not None}
        self._pipeline = pipeline
        self._random = random
        self._running: dict[str, set[asyncio.Task[None]]] = {name: set() for name in self._shadows}

    def __bool__(self) -> bool:
        return bool(self._shadows)

    async def run(self, exchange: Exchange, client: Client) -> None:
        """Never waits, never fails."""
        shadow = self._shadows.get(exchange.requested_model)
        if shadow is None:
            return
        running = self._running[exchange.requested_model]
        if shadow.decide(len(running), self._random) != "mirror":
            return
        task = asyncio.create_task(self._pipeline.run(_copy(exchange, shadow), _Nobody()))
        running.add(task)
        task.add_done_callback(running.discard)

    async def close(self) -> None:
        """Stop what is under way; each copy still leaves its record."""
        tasks = [task for running in self._running.values() for task in running]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _copy(exchange: Exchange, shadow: Shadow) -> Exchange:
    return Exchange(
        f"{exchange.id}.shadow",
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
        decision=Decision(shadow.model, "shadow", f"mirrors {exchange.id}", 1.0, shadow.name, "shadow"),
        cleared=exchange.cleared,
        passages=exchange.passages,
        restoration=exchange.restoration,
        priority=LEAST,
        shadow_of=exchange.id,
    )


class _Nobody:
    """The client of a copy."""

    async def read(self, exchange: Exchange) -> None:
        """It has been read."""

    async def whole(self, exchange: Exchange, answer: Answer) -> None:
        """Nobody gets it."""

    async def stream(self, exchange: Exchange, chunks: AsyncIterator[list[Chunk]]) -> None:
        """Nobody gets them."""
        async for _ in chunks:
            exchange.committed = True

    async def error(self, exchange: Exchange, error: LlmctlError) -> None:
        """Nobody is told; the record says it."""
