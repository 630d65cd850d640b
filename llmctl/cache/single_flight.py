"""Identical requests at the same time are made once: one leads, the others wait for what it brings.

(After Go's golang.org/x/sync/singleflight.) Here the leader runs in its own task, so that it can be cancelled with its
client; then one of those who wait takes over.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")


class Landed(NamedTuple, Generic[T]):
    """What a flight brought. `shared`: another request made it."""

    value: T
    shared: bool


class SingleFlight(Generic[T]):
    """Flights by key. One for each event loop."""

    def __init__(self) -> None:
        self._flights: dict[Hashable, asyncio.Future[T]] = {}

    def __len__(self) -> int:
        return len(self._flights)

    async def run(self, key: Hashable, make: Callable[[], Awaitable[T]]) -> Landed[T]:
        """`make()`, or what another task's makes that began before and goes on.

        An error goes to all who wait. A cancelled leader's followers start anew, one of them leading. A follower's
        cancellation is its own.
        """
        while (flight := self._flights.get(key)) is not None:
            await asyncio.wait([flight])  # leaves the flight alone if this task is cancelled
            if not flight.cancelled():
                return Landed(flight.result(), True)
        return Landed(await self._lead(key, make), False)

    async def _lead(self, key: Hashable, make: Callable[[], Awaitable[T]]) -> T:
        flight: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._flights[key] = flight
        try:
            value = await make()
        except Exception as error:
            flight.set_exception(error)
            flight.exception()  # nobody may be waiting for it
            raise
        except BaseException:
            flight.cancel()
            raise
        else:
            flight.set_result(value)
            return value
        finally:
            del self._flights[key]
