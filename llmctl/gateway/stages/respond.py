"""The answer goes out, and is tallied as it passes."""

from collections.abc import AsyncIterator

from llmctl.clock import Clock
from llmctl.gateway.client import Client
from llmctl.gateway.restored import restored, restored_stream
from llmctl.gateway.tally import Tally, used
from llmctl.gateway.tokens import Tokens
from llmctl.model.chat import Chunk
from llmctl.model.exchange import Exchange
from llmctl.model.pricing import PriceList
from llmctl.model.usage import NO_USAGE


class Charge:
    """Closing step: an answer that was paid for and never delivered is in the record's usage and cost too."""

    def __init__(self, prices: PriceList) -> None:
        self._prices = prices

    def close(self, exchange: Exchange) -> None:
        """Add what was thrown away."""
        if exchange.spent:
            _charge_spent(exchange, self._prices)


def charge(exchange: Exchange, prices: PriceList) -> None:
    """Set the exchange's cost, with all that was thrown away in it and in its usage."""
    if exchange.replayed or exchange.degraded == "static":
        exchange.usage = NO_USAGE  # the counts are the client's to read; no model made any now
    exchange.cost = prices.cost(exchange.model, exchange.usage, batch=exchange.parked)
    if exchange.spent:
        _charge_spent(exchange, prices)


def _charge_spent(exchange: Exchange, prices: PriceList) -> None:
    for model, usage in exchange.spent:
        cost = prices.cost(model, usage, batch=exchange.parked)
        if exchange.usage.source != "none":
            exchange.cost += cost
            exchange.discarded += usage
        else:  # nothing was delivered: the first of what was thrown away stands for the answer
            exchange.cost = cost
        exchange.usage += usage
    exchange.spent = []


class Respond:
    """The last stage of the path."""

    name = "respond"

    def __init__(self, clock: Clock, prices: PriceList, *, keep_content: bool, tokens: Tokens | None = None) -> None:
        """`tokens` counts what no provider did; without it the length says."""
        self._now = clock.monotonic
        self._tokens = tokens
        self._prices = prices
        self._keep_content = keep_content

    async def run(self, exchange: Exchange, client: Client) -> None:
        """Delivers `whole` or `chunks`; sets usage, cost and what the record keeps of the answer."""
        if (answer := exchange.whole) is not None:
            body = answer.body
            exchange.first_chunk_at = self._now()
            exchange.usage = used(exchange, answer, self._tokens)
            exchange.served_model = body.model or ""
            exchange.finish_reason = body.choices[0].finish_reason if body.choices else None
            charge(exchange, self._prices)
            if self._keep_content and exchange.operation != "embedding":
                exchange.transcript = answer.raw
            if exchange.restoration is not None:
                answer = restored(answer, exchange.restoration)
            await client.whole(exchange, answer)
        elif (chunks := exchange.chunks) is not None:
            tally = Tally(keep_content=self._keep_content, tokens=self._tokens)
            passing = self._tallied(exchange, chunks, tally)
            if exchange.restoration is not None:
                passing = restored_stream(passing, exchange.restoration)
            try:
                await client.stream(exchange, passing)
            finally:
                await chunks.aclose()  # type: ignore[attr-defined]  # every source of chunks is a generator
                tally.settle(exchange)
                charge(exchange, self._prices)

    async def _tallied(
        self, exchange: Exchange, chunks: AsyncIterator[list[Chunk]], tally: Tally
    ) -> AsyncIterator[list[Chunk]]:
        async for batch in chunks:
            if exchange.first_chunk_at is None:
                exchange.first_chunk_at = self._now()
            tally.add(batch)
            yield batch
