"""A clock that stands still until a test moves it."""


class ManualClock:
    """A `Clock` for tests. It drives what is handed a clock; asyncio's own timers keep running on real time."""

    def __init__(self, monotonic: float = 1_000.0, wall: float = 1_767_225_600.0) -> None:
        """`wall` is 2026-01-01T00:00:00Z unless given."""
        self._monotonic = monotonic
        self._wall = wall

    def monotonic(self) -> float:
        """Seconds since an arbitrary origin."""
        return self._monotonic

    def wall(self) -> float:
        """Seconds since the Unix epoch."""
        return self._wall

    def advance(self, seconds: float) -> None:
        """Let time pass. Raises ValueError on a step back: `monotonic` never goes there."""
        if seconds < 0:
            raise ValueError(f"time does not go back ({seconds} s); use set_wall for a wall clock that is corrected")
        self._monotonic += seconds
        self._wall += seconds

    def set_wall(self, wall: float) -> None:
        """Correct the wall clock, as NTP may; `monotonic` does not notice."""
        self._wall = wall
