"""The call to the model, again and to others where it fails. The only place that sends anything twice."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Mapping
from typing import Any

from llmctl.errors import LlmctlError
from llmctl.gateway.attempt import INNOCENT, Begun, Caller
from llmctl.gateway.cascade import cascaded
from llmctl.gateway.client import Client
from llmctl.gateway.course import Again, Course, Step
from llmctl.gateway.hedge import HedgePolicy
from llmctl.gateway.hedged import Calling, hedged
from llmctl.gateway.replayed import answer_of, streamed
from llmctl.gateway.reserves import Line, Reserves
from llmctl.gateway.resumed import Resumed, resumable
from llmctl.gateway.retry import classify
from llmctl.gateway.tally import used
from llmctl.gateway.target import Target
from llmctl.model.chat import Chunk
from llmctl.model.exchange import Exchange
from llmctl.model.json import JsonObject
from llmctl.model.record import Why


class Upstream:
    """Asks the decided model; when that fails, what its route holds in reserve."""

    name = "upstream"

    def __init__(
        self, targets: Mapping[str, Target], reserves: Mapping[str, Reserves], again: Again, caller: Caller
    ) -> None:
        """`reserves` has every name a client may ask for."""
        self._targets = dict(targets)
        self._reserves = dict(reserves)
        self._again = again
        self._caller = caller

    async def run(self, exchange: Exchange, client: Client) -> None:
        """Sets `model`, `provider`, and `whole`, or `chunks` once the first of them has come."""
        decision = exchange.decision
        assert decision is not None
        reserves, target = self._reserves[exchange.requested_model], self._targets[decision.model]
        self._again.budget.deposit()
        if decision.panel and await self._panel(exchange, reserves):
            return
        course: Course | None = None
        begun: Begun | None = None
        failed: LlmctlError | None = None
        why = _first(exchange) if exchange.attempts else "first"
        if reserves.hedge is None and target.standing.rested:
            try:
                begun = await self._caller.call(exchange, target, why, reserves.attempt_timeout)
            except LlmctlError as error:
                failed = error
        if begun is None:
            course = self._course(exchange, reserves)
            step = course.start(why) if failed is None else Step(target, why)
            begun = await self._follow(exchange, reserves, course, step, failed)
        if begun is None:
            return
        target = begun.target
        exchange.model, exchange.provider = target.name, target.provider.name
        exchange.whole, exchange.chunks = begun.whole, begun.chunks
        exchange.degraded = course.line.degraded(target.name) if course is not None else None
        if begun.chunks is not None and reserves.resume and resumable(exchange):
            course = course or self._course(exchange, reserves)
            exchange.chunks = self._resumed(exchange, begun, course, reserves.attempt_timeout)

    def _course(self, exchange: Exchange, reserves: Reserves) -> Course:
        assert exchange.decision is not None
        line = Line(reserves, self._targets, exchange, exchange.decision.model)
        return Course(line, self._again, exchange)

    async def _follow(
        self, exchange: Exchange, reserves: Reserves, course: Course, step: Step, failed: LlmctlError | None
    ) -> Begun | None:
        """Down the line, until somebody answers; None if the answer is no model's. Raises LlmctlError."""
        within = reserves.attempt_timeout
        while True:
            if failed is not None:
                failed.__traceback__ = None  # it knows frames that know the exchange, which would be held in a cycle
                try:
                    step = course.after(failed, step)
                except LlmctlError as last:
                    if not _excused(exchange, reserves, last):
                        raise
                    last.__traceback__ = None
                    return None
                await asyncio.sleep(step.wait)
            try:
                if reserves.hedge is None or step.forced:
                    return await self._caller.call(exchange, step.target, step.why, within, forced=step.forced)
                return await self._hedged(exchange, course.line, reserves.hedge, step, within)
            except LlmctlError as error:
                failed = error

    async def _hedged(
        self, exchange: Exchange, line: Line, policy: HedgePolicy, step: Step, within: float | None
    ) -> Begun:
        target = step.target

        def second() -> Calling | None:
            other = line.peek("timeout") or target
            return lambda: self._caller.call(exchange, other, "hedge", within)

        def first() -> Coroutine[Any, Any, Begun]:
            return self._caller.call(exchange, target, step.why, within)

        def surplus(begun: Begun) -> None:
            if begun.whole is not None:
                exchange.spent.append((begun.target.name, used(exchange, begun.whole)))

        name = f"{target.name} stream" if exchange.stream else target.name
        return await hedged(policy, name, first, second, self._again.now, surplus)

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

    def _resumed(
        self, exchange: Exchange, begun: Begun, course: Course, within: float | None
    ) -> AsyncIterator[list[Chunk]]:
        async def again(error: LlmctlError, payload: JsonObject) -> Begun | None:
            while (step := course.continuing(error)) is not None:
                target = step.target
                try:
                    more = await self._caller.call(exchange, target, "resume", within, payload, forced=step.forced)
                except LlmctlError as caught:
                    error = caught
                    continue
                exchange.model, exchange.provider = target.name, target.provider.name
                exchange.degraded = course.line.degraded(target.name)
                return more
            return None

        return Resumed(exchange, begun, again)


def _first(exchange: Exchange) -> Why:
    """Why an exchange that has made calls makes another: an answer had to be repaired, or a panel did not agree."""
    return "first" if exchange.attempts[-1].why == "panel" else "retry"


def _excused(exchange: Exchange, reserves: Reserves, error: LlmctlError) -> bool:
    """Whether another answer is given instead of this error: a stale one, or the static one. The request's own faults
    are told."""
    if classify(error) in INNOCENT:
        return False
    if exchange.cached is not None and exchange.cached.stale is not None:
        exchange.degraded = "stale"
        exchange.cached.serve_stale(exchange)
        return True
    text = reserves.static_answer
    if text is None or exchange.operation == "embedding":
        return False
    answer = answer_of(exchange, text, exchange.requested_model)
    exchange.degraded, exchange.model, exchange.provider = "static", "", ""
    if exchange.stream:
        exchange.chunks = streamed(answer)
    else:
        exchange.whole = answer
    return True
