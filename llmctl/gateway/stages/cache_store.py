"""What may be served again is kept: whole, successful, guarded answers, and nothing else."""

from collections.abc import AsyncIterator

from llmctl.cache.entry import Entry
from llmctl.cache.semantic import packed
from llmctl.clock import Clock
from llmctl.gateway.caching import Asking, Cache
from llmctl.gateway.client import Client
from llmctl.gateway.comparing import Verdicts
from llmctl.gateway.gathered import Gathered
from llmctl.gateway.tally import used
from llmctl.model.chat import Answer, Chunk
from llmctl.model.exchange import Exchange

COMPLETE = frozenset({"stop", "tool_calls", "function_call"})
UNJUDGED = ("error", "unscanned")


class CacheStore:
    """Stands behind the output guards, before anything that was redacted is put back for this client."""

    name = "cache_store"

    def __init__(self, cache: Cache, clock: Clock, max_answer: int, verdicts: Verdicts) -> None:
        self._cache = cache
        self._now = clock.wall
        self._max_answer = max_answer
        self._verdicts = verdicts

    async def run(self, exchange: Exchange, client: Client) -> None:
        """Keeps `whole`, or watches `chunks`. Never fails, never waits."""
        asking: Asking | None = exchange.cached
        if asking is None or exchange.degraded is not None:
            return
        if exchange.whole is not None:
            self._keep(exchange, asking, exchange.whole)
        elif exchange.chunks is not None:
            exchange.chunks = self._passing(exchange, asking, exchange.chunks)

    async def _passing(
        self, exchange: Exchange, asking: Asking, source: AsyncIterator[list[Chunk]]
    ) -> AsyncIterator[list[Chunk]]:
        gathered = Gathered()
        size = 0
        try:
            async for batch in source:
                if size <= self._max_answer:
                    gathered.add(batch)
                    size += sum([len(chunk.raw) for chunk in batch]) // 8  # most of a chunk is not the answer's text
                yield batch
        finally:
            await source.aclose()  # type: ignore[attr-defined]
        answer = gathered.answer() if size <= self._max_answer else None
        if answer is not None and exchange.degraded is None:
            self._keep(exchange, asking, answer)

    def _keep(self, exchange: Exchange, asking: Asking, answer: Answer) -> None:
        if len(answer.raw) > self._max_answer or not _fit(exchange, answer):
            return
        key, terms, match = asking.key, asking.terms, asking.match
        partition, text, vector = self._place(asking)
        entry = Entry(
            key.exact,
            partition,
            key.tenant,
            answer.raw,
            exchange.model,
            self._now(),
            terms.ttl,
            terms.stale,
            exchange.provider,
            exchange.operation,
            terms.digest,
            used(exchange, answer),
            text,
            vector,
            terms.route,
        )
        self._cache.store.keep(entry)
        if asking.flight is not None:
            asking.flight.land(entry)
        if match is not None and asking.shelf is not None:
            self._cache.soon(self._verdicts.learn(exchange, asking, answer))

    def _place(self, asking: Asking) -> tuple[bytes, str, bytes]:
        """Where the answer is found by meaning: its partition, text and vector. A new answer stays in its place."""
        if (match := asking.match) is not None:
            return match.partition, asking.key.text, packed(match.vector)
        before = self._cache.store.peek(asking.key.exact, asking.key.tenant)
        if before is None or asking.terms.semantic is None:
            return b"", "", b""
        return before.entry.partition, before.entry.text, before.entry.vector


def _fit(exchange: Exchange, answer: Answer) -> bool:
    """Whether it is complete, and every output guard has judged it."""
    if any(one.direction == "output" and one.verdict in UNJUDGED for one in exchange.guards):
        return False
    choices = answer.body.choices
    if exchange.operation == "embedding":
        return True
    return bool(choices) and all(choice.finish_reason in COMPLETE for choice in choices)
