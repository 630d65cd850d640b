"""The one record: written for every exchange, last of all."""

from collections.abc import Sequence
from typing import Any, Protocol

import msgspec

from llmctl.clock import Clock
from llmctl.gateway.tags import tags_of
from llmctl.model.exchange import Exchange
from llmctl.model.json import compact, encode
from llmctl.model.record import Record, overhead_us


class Sink(Protocol):
    """Takes records. Never raises, never waits."""

    def write(self, record: Record) -> None:
        """Take one record."""
        ...


class WriteRecord:
    """Makes the record of an exchange in its terminal state and hands it to the sinks."""

    def __init__(
        self, policy: str, clock: Clock, sinks: Sequence[Sink], *, keep_content: bool, max_content: int
    ) -> None:
        """Content of more than `max_content` bytes is left out: it would hold the loop for milliseconds."""
        self._policy = policy
        self._now = clock.monotonic
        self._sinks = tuple(sinks)
        self._keep_content = keep_content
        self._max_content = max_content

    def close(self, exchange: Exchange) -> None:
        """Write it."""
        record = self.record(exchange)
        for sink in self._sinks:
            sink.write(record)

    def record(self, exchange: Exchange) -> Record:
        """The record of this exchange, as of now."""
        assert exchange.state is not None
        principal = exchange.principal
        duration = exchange.us(self._now())
        first = exchange.first_chunk_at
        trace = exchange.trace
        return Record(
            id=exchange.id,
            started=exchange.wall,
            duration_us=duration,
            state=exchange.state,
            http_status=exchange.http_status,
            trace_id=trace.trace_id,
            span_id=trace.span_id,
            parent_span_id=trace.parent_id,
            tenant=principal.tenant if principal else "",
            key=principal.key if principal else "",
            policy=self._policy,
            dialect=exchange.dialect,
            operation=exchange.operation,
            stream=exchange.stream,
            requested_model=exchange.requested_model,
            model=exchange.answering,
            provider=exchange.provider,
            served_model=exchange.served_model,
            decision=exchange.decision,
            attempts=exchange.attempts,
            stages=exchange.stages,
            guards=exchange.guards,
            passed=exchange.passed,
            cache=exchange.cache,
            compression=exchange.compression,
            degraded=exchange.degraded,
            transitions=exchange.transitions,
            shadow_of=exchange.shadow_of,
            tags=tags_of(exchange),
            batch=exchange.batch,
            usage=exchange.usage,
            discarded=exchange.discarded,
            cost=exchange.cost,
            ttft_us=exchange.us(first) if first is not None else None,
            overhead_us=overhead_us(duration, exchange.attempts),
            chunks=exchange.chunk_count,
            finish_reason=exchange.finish_reason,
            failure=exchange.failure,
            request=self._request(exchange),
            response=self._kept(exchange.transcript),
        )

    def _request(self, exchange: Exchange) -> Any:
        if not self._keep_content or not exchange.payload or not exchange.cleared:
            return None
        return self._kept(exchange.raw if exchange.raw is not None else encode(exchange.payload))

    def _kept(self, content: bytes | None) -> Any:
        if content is None:
            return None
        if len(content) > self._max_content:
            return {"omitted_bytes": len(content)}
        return msgspec.Raw(compact(content))
