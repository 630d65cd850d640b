"""Requests of batches that may wait for hours: they take their provider's own batch API, where it has one.

The path stays as it is; the stage that asks models is another for them. Their targets have a standing of their own, as
waits of hours say nothing about a model's health.
"""

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from typing import Protocol, runtime_checkable

from llmctl.gateway.client import Client
from llmctl.gateway.pipeline import Stage
from llmctl.model.exchange import Exchange
from llmctl.net.transport import Transport
from llmctl.providers.openai import BatchApi


@runtime_checkable
class Patient(Protocol):
    """A client that waits for hours."""

    def parked(self) -> AbstractAsyncContextManager[None]:
        """Open while its request waits: what it holds meanwhile that others need is given up."""
        ...


class Parker(Protocol):
    """Makes transports on which requests wait for an answer in a batch of the provider's."""

    def transport(self, provider: str, api: BatchApi, model: str) -> Transport:
        """Of requests to one model of one provider."""
        ...

    async def close(self) -> None:
        """Stop looking after batches. Whatever is asked again finds its answer there."""
        ...


class Parking:
    """Stands in the place of `upstream`, and asks it for all that is not to be parked. `count` is what waits."""

    name = "upstream"

    def __init__(self, upstream: Stage, parked: Stage, targets: Mapping[str, object]) -> None:
        """`targets` are the models whose provider has batches; `parked` asks them."""
        self._upstream = upstream
        self._parked = parked
        self._targets = frozenset(targets)
        self.count = 0

    async def run(self, exchange: Exchange, client: Client) -> None:
        """As the stage does that takes it."""
        decision = exchange.decision
        assert decision is not None
        apart = exchange.batch and not exchange.stream and decision.model in self._targets and not decision.panel
        if not apart or not isinstance(client, Patient):
            await self._upstream.run(exchange, client)
            return
        exchange.parked = True
        _let_go(exchange)
        self.count += 1
        try:
            async with client.parked():
                await self._parked.run(exchange, client)
        finally:
            self.count -= 1


def _let_go(exchange: Exchange) -> None:
    """Others neither wait for it, nor are kept out by it: limits take what it reserved for what it used."""
    asking = exchange.cached
    if asking is not None and asking.flight is not None:
        asking.flight.land(None)
        asking.flight = None
    for limiter, held in exchange.reservations:
        limiter.settle(held, held.tokens)
    exchange.reservations = []
