"""The path of an exchange: a literal list of stages, and what happens when one of them stops it.

Every exchange that enters leaves exactly one record, whatever happens: a refusal, an upstream's failure, a bug of
ours, or the cancellation of its task, which is how a client's disconnect arrives.
"""

import asyncio
from collections.abc import Callable, Collection, Sequence
from typing import Protocol

from llmctl.clock import Clock
from llmctl.errors import ClientGone, LlmctlError, Unavailable
from llmctl.gateway.client import Client
from llmctl.model.exchange import Exchange
from llmctl.model.record import Failure, StageTime, State
from llmctl.telemetry.about import ABOUT

MASK = "********"
MAKING = frozenset({"route", "mirror", "compress", "budget", "upstream", "output_guards", "cache_store"})
"""Stages that make an answer. One from the cache passes them by: it was made, and guarded, under the same rules."""
STOPPING = "the gateway is stopping"
"""The message with which a task is cancelled whose client is still there: it must be told."""


class Stage(Protocol):
    """One step. Raises LlmctlError to stop the exchange; anything else it raises is a bug."""

    name: str

    async def run(self, exchange: Exchange, client: Client) -> None:
        """Take the exchange one step further."""
        ...


class Closing(Protocol):
    """A step taken whatever happened. Must neither await nor raise: a cancelled task has no time left."""

    def close(self, exchange: Exchange) -> None:
        """Account for the exchange, which is in a terminal state."""
        ...


class Pipeline:
    """Runs exchanges. `bug` is told of exceptions that are not LlmctlErrors, with the request id."""

    def __init__(
        self,
        stages: Sequence[Stage],
        closing: Sequence[Closing],
        clock: Clock,
        bug: Callable[[str, BaseException], None],
        secrets: Collection[str] = (),
    ) -> None:
        """`secrets` are masked in what clients are told: an upstream may quote what we sent it."""
        self._stages = tuple(stages)
        self._closing = tuple(closing)
        self._now = clock.monotonic
        self._bug = bug
        self._secrets = tuple(secrets)
        self.in_flight = 0

    async def run(self, exchange: Exchange, client: Client) -> None:
        """Take an exchange all the way."""
        await self._take(exchange, client, self._stages)

    async def refuse(self, exchange: Exchange, client: Client, error: LlmctlError) -> None:
        """Answer and record a request that cannot enter the path (no such endpoint, wrong method)."""
        await self._take(exchange, client, (_Refusal(error),))

    async def _take(self, exchange: Exchange, client: Client, stages: tuple[Stage, ...]) -> None:
        self.in_flight += 1
        token = ABOUT.set((exchange.id, exchange.trace.trace_id))
        try:
            now, started, times = self._now, exchange.started, exchange.stages
            start = int((now() - started) * 1e6)
            for stage in stages:
                if exchange.replayed and stage.name in MAKING:
                    continue
                try:
                    await stage.run(exchange, client)
                finally:
                    end = int((now() - started) * 1e6)
                    times.append(StageTime(stage.name, start, end - start))
                    start = end
            exchange.state = "ok"
        except LlmctlError as error:
            await self._fail(exchange, client, error)
            error.__traceback__ = None  # some of its frames know it, and all the exchange: it would be held in a cycle
        except asyncio.CancelledError as cancelled:
            if cancelled.args != (STOPPING,):
                raise
            if (task := asyncio.current_task()) is not None:
                task.uncancel()
            await self._fail(exchange, client, Unavailable("the gateway is stopping; ask again"))
        except Exception as error:
            self._bug(exchange.id, error)
            message = f"internal error in llmctl; the log has the details under request id {exchange.id}"
            await self._fail(exchange, client, LlmctlError(message))
        finally:
            if exchange.state is None:
                _settle(
                    exchange, "aborted", ClientGone("the client closed the connection before the answer was complete")
                )
            self.in_flight -= 1
            for step in self._closing:
                step.close(exchange)
            ABOUT.reset(token)

    async def _fail(self, exchange: Exchange, client: Client, error: LlmctlError) -> None:
        for secret in self._secrets:
            error.message = error.message.replace(secret, MASK)
            error.code = error.code.replace(secret, MASK)
        _settle(exchange, error.state, error)
        try:
            await client.error(exchange, error)
        except LlmctlError:
            pass  # the client cannot be told; the record says what happened
        except Exception as bug:
            self._bug(exchange.id, bug)


def _settle(exchange: Exchange, state: State, error: LlmctlError) -> None:
    exchange.state = state
    exchange.http_status = exchange.http_status if exchange.committed else error.http_status
    exchange.failure = Failure(error.code, error.message, error.http_status, error.type)


class _Refusal:
    """The one-stage path of a request that is refused at the door."""

    name = "refuse"

    def __init__(self, error: LlmctlError) -> None:
        self._error = error

    async def run(self, exchange: Exchange, client: Client) -> None:
        raise self._error
