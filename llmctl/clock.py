"""The only reader of time. Everything else is handed a `Clock`, so that tests can drive it."""

import time
from typing import Protocol


class Clock(Protocol):
    """Two readings of now. `monotonic` never jumps; `wall` is what people and files are told."""

    def monotonic(self) -> float:
        """Seconds from an arbitrary origin, never going back."""
        ...

    def wall(self) -> float:
        """Seconds since the Unix epoch, UTC."""
        ...


class SystemClock:
    """The machine's clock.

    `monotonic` shares its origin with `asyncio`'s loop time, so deadlines can be handed to timers as they are.
    """

    monotonic = staticmethod(time.monotonic)
    wall = staticmethod(time.time)
