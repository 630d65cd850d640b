"""How each model is doing, and the choice of the less loaded of two.

Peak-EWMA is Finagle's (https://twitter.github.io/finagle/guide/Clients.html), in the form of tower's `PeakEwma`, which
Linkerd runs: the estimate rises at once to a latency above it and decays towards lower ones with a time constant.
The power of two choices: Mitzenmacher, IEEE TPDS 12(10), 2001.
"""

from collections.abc import Callable, Sequence
from math import exp, inf
from random import Random

from msgspec import Struct
from pydantic import BaseModel, ConfigDict, Field

from llmctl.config.section import Seconds


class HealthOptions(BaseModel):
    """How fast a model's past is forgotten."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    tau: Seconds = Field(10.0, gt=0, description="Time constant with which a high latency is forgotten.")
    initial: Seconds = Field(1.0, gt=0, description="Latency assumed of a model that has not answered yet.")
    success_weight: float = Field(
        0.05, gt=0, le=1, description="Weight of the newest call in the share of calls that succeed."
    )


class HealthSnapshot(Struct, frozen=True, gc=False):
    """What the admin page shows of a model. Seconds; `success` is a share, None before the first call has ended."""

    latency_s: float
    load: float
    inflight: int
    calls: int
    success: float | None
    last_error: str | None
    last_error_age_s: float | None


class Health:
    """One model's latency, calls under way and share of success.

    Each `begin` is followed by one `end` or one `cancelled`. Which latency is told is the caller's choice, the same for
    all models that are compared: the time to the first byte says most, for it does not depend on the answer's length.
    A clock that goes back is taken as standing still.
    """

    __slots__ = (
        "_assumed", "_calls", "_error", "_error_at", "_inflight", "_latency", "_now", "_options", "_success", "_time"
    )  # fmt: skip

    def __init__(self, options: HealthOptions, now: Callable[[], float]) -> None:
        """`now` gives seconds, such as `Clock.monotonic`."""
        self._options = options
        self._now = now
        self._latency = options.initial
        self._assumed = True  # until a latency is known
        self._time = now()
        self._inflight = 0
        self._calls = 0
        self._success = 1.0
        self._error: str | None = None
        self._error_at = 0.0

    @property
    def inflight(self) -> int:
        """Calls under way."""
        return self._inflight

    @property
    def success(self) -> float | None:
        """The share of calls that succeed, the newest weighing most; None before the first has ended."""
        return self._success if self._calls else None

    @property
    def last_error(self) -> str | None:
        """What `end` was told last."""
        return self._error

    @property
    def latency(self) -> float:
        """Seconds; without calls it decays towards 0, so that a model once slow is tried again some day."""
        return self._latency * exp(-max(self._now() - self._time, 0.0) / self._options.tau)

    @property
    def load(self) -> float:
        """Seconds of work that a further call would find ahead of it: latency times the calls under way and itself."""
        return self.latency * (self._inflight + 1)

    def begin(self) -> None:
        """A call goes out."""
        self._inflight += 1

    def end(self, ok: bool, seconds: float, error: str | None = None) -> None:
        """A call has ended. A failure never makes a model look fast: its latency counts where it is the higher one."""
        if self._inflight:
            self._inflight -= 1
        weight = self._options.success_weight if self._calls else 1.0
        self._calls += 1
        self._success += weight * (ok - self._success)
        now = self._now()
        if not ok:
            self._error, self._error_at = error, now
        if not 0 <= seconds < inf or (not ok and seconds < self._latency):
            return
        if seconds < self._latency and not self._assumed:
            keep = exp((self._time - now) / self._options.tau) if now > self._time else 1.0
            seconds = self._latency * keep + seconds * (1 - keep)
        self._assumed = False
        self._latency = seconds
        self._time = now

    def cancelled(self) -> None:
        """A call has ended without saying anything about the model."""
        self._inflight = max(self._inflight - 1, 0)

    def snapshot(self) -> HealthSnapshot:
        """Everything, as it is now."""
        age = max(self._now() - self._error_at, 0.0) if self._error is not None else None
        return HealthSnapshot(self.latency, self.load, self._inflight, self._calls, self.success, self._error, age)


def two_choices(loads: Sequence[float], random: Random) -> tuple[int, float]:
    """The position of the chosen one, and its propensity. Of equal loads either is as likely."""
    count = len(loads)
    if count < 2:
        if not count:
            raise ValueError("there is no candidate to choose")
        return 0, 1.0
    first = random.randrange(count)
    second = random.randrange(count - 1)
    second += second >= first  # distinct, and every ordered pair as likely, so that `first` may win a tie
    chosen = second if loads[second] < loads[first] else first
    return chosen, _propensity(loads, chosen)


def _propensity(loads: Sequence[float], chosen: int) -> float:
    """Of all pairs of two, those with a heavier one, and half of those with an equal one."""
    load, count = loads[chosen], len(loads)
    wins = sum(2 * (other > load) + (other == load) for other in loads) - 1  # itself is equal to itself
    return wins / (count * (count - 1))
