"""A service that fails again and again is left alone for a while, so that it costs its callers nothing."""

from llmctl.clock import Clock
from llmctl.errors import Unavailable


class Pause:
    """After `failures` in a row calls are refused for `seconds`; then one may try, and its outcome decides."""

    def __init__(self, name: str, clock: Clock, *, failures: int, seconds: float) -> None:
        self._name, self._clock = name, clock
        self._failures, self._seconds = failures, seconds
        self._count = 0
        self._until = 0.0

    def check(self) -> None:
        """Raises Unavailable where a call would be refused."""
        left = self._until - self._clock.monotonic()
        if self._count >= self._failures and left > 0:
            raise Unavailable(
                f"{self._name} failed {self._count} times in a row and is not asked for {left:.1f} s; see to it",
                retry_after=left,
            )

    def begin(self) -> None:
        """Before a call. Raises as `check`; the one that may try after a pause keeps the others out meanwhile."""
        self.check()
        if self._count >= self._failures:
            self._until = self._clock.monotonic() + self._seconds

    def succeeded(self) -> None:
        """The call went well."""
        self._count = 0

    def failed(self) -> None:
        """It did not."""
        self._count += 1
        self._until = self._clock.monotonic() + self._seconds
