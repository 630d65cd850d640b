"""Identical requests at the same time are made once: one leads, the others wait for what it brings.

(After Go's golang.org/x/sync/singleflight.) Whoever leads may bring nothing: its client left, it failed, its answer is
not for others. Then each of those who wait goes on by itself: nobody gets an error that another has earned.
"""

import asyncio
from collections.abc import Hashable
from typing import Generic, TypeVar

T = TypeVar("T")


class Flight(Generic[T]):
    """A request under way. `land` must be called in every case; only the first call counts."""

    __slots__ = ("_flights", "_key", "landed")

    def __init__(self, flights: "dict[Hashable, Flight[T]]", key: Hashable) -> None:
        self._flights = flights
        self._key = key
        self.landed: asyncio.Future[T | None] = asyncio.get_running_loop().create_future()

    def land(self, brought: T | None) -> None:
        """Tell those who wait; None where there is nothing for them."""
        if not self.landed.done():
            del self._flights[self._key]
            self.landed.set_result(brought)

    async def wait(self, seconds: float) -> T | None:
        """What it brings; None for nothing, also where it has brought nothing after so long."""
        await asyncio.wait([self.landed], timeout=seconds)  # leaves the flight alone if this task is cancelled
        return self.landed.result() if self.landed.done() else None


class Flights(Generic[T]):
    """Flights by key. One for each event loop."""

    def __init__(self) -> None:
        self._flights: dict[Hashable, Flight[T]] = {}

    def __len__(self) -> int:
        return len(self._flights)

    def under_way(self, key: Hashable) -> Flight[T] | None:
        """The flight to wait for, if there is one."""
        return self._flights.get(key)

    def lead(self, key: Hashable) -> Flight[T]:
        """A new flight, that must land. Raises KeyError where one is under way."""
        if key in self._flights:
            raise KeyError(key)
        flight = self._flights[key] = Flight(self._flights, key)
        return flight
