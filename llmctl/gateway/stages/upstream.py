"""The call to the model, again and to others where it fails. The only place that sends anything twice."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any

from llmctl.clock import Clock
from llmctl.errors import LlmctlError, Unavailable, UpstreamLost
from llmctl.gateway.attempt import INNOCENT, Begun, Caller, Down
from llmctl.gateway.cascade import cascaded, used
from llmctl.gateway.client import Client
from llmctl.gateway.hedged import Calling, hedged
from llmctl.gateway.replayed import answer_of, streamed
from llmctl.gateway.reserves import Line, Reserves
from llmctl.gateway.resumed import Resumed, resumable
from llmctl.gateway.retry import RetryBudget, RetryPolicy, classify
from llmctl.gateway.target import Target
from llmctl.model.chat import Chunk
from llmctl.model.exchange import Exchange
from llmctl.model.json import JsonObject
from llmctl.model.record import Why

STALE_RETRIES = 2  # kept-alive connections that turn out dead, per exchange


@dataclass(frozen=True, slots=True)
class Again:
    """What decides whether a call is made again, shared by all routes."""

    policy: RetryPolicy
    budget: RetryBudget


class Upstream:
    """Asks the decided model; when that fails, what its route holds in reserve."""

    name = "upstream"

    def __init__(
        self,
        targets: Mapping[str, Target],
        reserves: Mapping[str, Reserves],
        again: Again,
        caller: Caller,
        clock: Clock,
    ) -> None:
        """`reserves` has every name a client may ask for."""
        self._targets = dict(targets)
        self._reserves = dict(reserves)
        self._policy = again.policy
        self._budget = again.budget
        self._caller = caller
        self._now = clock.monotonic

    async def run(self, exchange: Exchange, client: Client) -> None:
        """Sets `model`, `provider`, and `whole`, or `chunks` once the first of them has come."""
        assert exchange.decision is not None
        reserves = self._reserves[exchange.requested_model]
        line = Line(reserves, self._targets, exchange, exchange.decision.model)
        self._budget.deposit()
        try:
            if exchange.decision.panel and await self._panel(exchange, reserves):
                return
            begun = await self._ask(exchange, line, reserves)
        except LlmctlError as error:
            if reserves.static_answer is None or classify(error) == "client" or exchange.operation == "embedding":
                raise error.with_traceback(None)  # noqa: B904  # the same one, without the frames that know it
            self._static(exchange, reserves.static_answer)
            return
        self._take(exchange, begun, line)
        if begun.chunks is not None and reserves.resume and resumable(exchange):
            exchange.chunks = self._resumed(exchange, begun, line, reserves.attempt_timeout)

    def _take(self, exchange: Exchange, begun: Begun, line: Line) -> None:
        target = begun.target
        exchange.model, exchange.provider = target.name, target.provider.name
        exchange.whole, exchange.chunks = begun.whole, begun.chunks
        exchange.degraded = line.degraded(target.name)

    async def _ask(self, exchange: Exchange, line: Line, reserves: Reserves) -> Begun:
        """Down the line, until somebody answers. Raises LlmctlError where nobody does."""
        target, tried, total, stale = line.start(), 0, 0, 0
        why: Why = _first(exchange) if target is line.first else "fallback"
        said: LlmctlError | None = None
        while True:
            try:
                return await self._call(exchange, target, why, line, reserves)
            except UpstreamLost as lost:
                if lost.unanswered and stale < STALE_RETRIES:
                    stale += 1
                    continue
                error: LlmctlError = lost
            except LlmctlError as caught:
                error = caught
            error.__traceback__ = None  # it knows this frame: the exchange would be held in a cycle
            kind: str = classify(error)
            left = exchange.deadline - self._now()
            if isinstance(error, Down):
                kind = target.standing.health.last_error or "timeout"  # what it is down for: failures, or slowness
            else:
                tried, total = tried + 1, total + 1
                said = said if said is not None and classify(said) in INNOCENT else error
                kept = total + line.waiting(kind)  # a call is kept for each that was not asked yet
                wait = self._policy.on_same(error, tried=tried, total=kept, left=left)
                asked = getattr(error, "retry_after", None) and line.peek(kind) is not None  # others need not wait
                if wait is not None and not asked and self._budget.withdraw():
                    why = "retry"
                    await asyncio.sleep(wait)
                    continue
                if not self._policy.on_another(error, total=total, left=left):
                    raise said
            following = line.next(kind)
            if following is None:
                raise said or _all_down(exchange, line.soonest(kind))
            target, why, tried = following, "fallback", 0

    async def _call(self, exchange: Exchange, target: Target, why: Why, line: Line, reserves: Reserves) -> Begun:
        policy, within = reserves.hedge, reserves.attempt_timeout
        if policy is None:
            return await self._caller.call(exchange, target, why, within)

        def second() -> Calling | None:
            other = line.peek("timeout") or target
            return lambda: self._caller.call(exchange, other, "hedge", within)

        def first() -> Coroutine[Any, Any, Begun]:
            return self._caller.call(exchange, target, why, within)

        def surplus(begun: Begun) -> None:
            if begun.whole is not None:
                exchange.spent.append((begun.target.name, used(exchange, begun.whole)))

        name = f"{target.name} stream" if exchange.stream else target.name
        return await hedged(policy, name, first, second, self._now, surplus)

    async def _panel(self, exchange: Exchange, reserves: Reserves) -> bool:
        """Whether the decision's panel agreed; if so its answer is taken."""
        assert exchange.decision is not None
        panel = [self._targets[name] for name in exchange.decision.panel]
        begun = await cascaded(exchange, panel, self._caller, reserves.attempt_timeout)
        if begun is None or begun.whole is None:
            return False
        exchange.model, exchange.provider = begun.target.name, begun.target.provider.name
        if exchange.stream:
            exchange.chunks = streamed(begun.whole)
        else:
            exchange.whole = begun.whole
        return True

    def _static(self, exchange: Exchange, text: str) -> None:
        answer = answer_of(exchange, text, exchange.requested_model)
        exchange.degraded, exchange.model, exchange.provider = "static", "", ""
        if exchange.stream:
            exchange.chunks = streamed(answer)
        else:
            exchange.whole = answer

    def _resumed(
        self, exchange: Exchange, begun: Begun, line: Line, within: float | None
    ) -> AsyncIterator[list[Chunk]]:
        async def again(error: LlmctlError, payload: JsonObject) -> Begun | None:
            while True:
                left = exchange.deadline - self._now()
                if not self._policy.on_another(error, total=len(exchange.attempts), left=left):
                    return None
                target = line.next(classify(error))
                if target is None:
                    return None
                try:
                    more = await self._caller.call(exchange, target, "resume", within, payload)
                except LlmctlError as caught:
                    error = caught
                    continue
                exchange.model, exchange.provider = target.name, target.provider.name
                exchange.degraded = line.degraded(target.name)
                return more

        return Resumed(exchange, begun, again)


def _first(exchange: Exchange) -> Why:
    return "retry" if exchange.attempts and exchange.attempts[-1].why != "panel" else "first"


def _all_down(exchange: Exchange, wait: float) -> Unavailable:
    message = f"no model of {exchange.requested_model!r} answers just now; the next is tried again in {wait:.1f} s"
    return Unavailable(message, retry_after=wait)
