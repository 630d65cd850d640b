"""A circuit breaker: stops calling what keeps failing, and tries it again with a few calls later on.

Source: Nygard, "Release It!", 2nd ed., ch. 5; rates over a sliding time window, slow calls and the half-open state as
in resilience4j (https://resilience4j.readme.io/docs/circuitbreaker). All times are seconds.
"""

from collections.abc import Callable
from random import Random
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from llmctl.config.section import Seconds

State = Literal["closed", "open", "half_open"]
Reason = Literal[
    "error_rate",
    "slow_rate",
    "elapsed",
    "probe_failed",
    "probe_slow",
    "probe_timeout",
    "probes_passed",
    "reset",
]
Transitions = Callable[[State, State, Reason], None]

FORCED = -1
"""The ticket of a call that is made in spite of the breaker."""
PROBING_S = 1.0  # nobody knows when the probes under way will end: ask again in a second


class BreakerOptions(BaseModel):
    """When a breaker opens, and for how long."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    window: Seconds = Field(30.0, gt=0, description="Calls of the last this long count.")
    buckets: int = Field(10, ge=1, le=100, description="Parts of the window; the oldest is forgotten as a whole.")
    minimum_calls: int = Field(20, ge=1, description="With fewer calls in the window the breaker stays closed.")
    error_rate: float = Field(0.5, gt=0, le=1, description="Share of failed calls from which on it opens.")
    slow_call: Seconds | None = Field(
        None, gt=0, description="A call that takes longer than this is slow. Default: none is."
    )
    slow_rate: float = Field(0.8, gt=0, le=1, description="Share of slow calls from which on it opens.")
    open_for: Seconds = Field(5.0, gt=0, description="It stays open for this, the first time.")
    growth: float = Field(2.0, ge=1, le=10, description="Each time in a row it stays open so many times as long.")
    max_open: Seconds = Field(120.0, gt=0, description="It never stays open for longer than this, jitter aside.")
    jitter: float = Field(
        0.2, ge=0, le=1, description="Up to this share is added to the time it stays open, at random."
    )
    probes: int = Field(3, ge=1, le=100, description="Calls let through when half-open; all must succeed to close it.")
    probe_timeout: Seconds = Field(
        180.0, gt=0, description="Probes of whose last there is no outcome for so long count as failed."
    )


class Breaker:
    """One breaker, for one provider and model. Not for use from several threads.

    What counts as a failure is the caller's business; a client's own bad request (400) is none. A call that `allow` let
    through ends in one `record` or one `cancelled`, with the ticket that `allow` gave: a ticket from before the last
    transition is void, so that calls begun before a failure are not taken for probes. Without a ticket, or with 0, the
    outcome is taken as that of a call of now. A call made in spite of the breaker, as nobody else is left, has the
    ticket FORCED: where it succeeds the breaker was wrong and closes, else nothing changes.

    A clock that goes back is taken as standing still, and goes on from there: it neither prolongs nor shortens
    anything. One that leaps ahead forgets the window and ends an opening early; the probes then decide.
    """

    __slots__ = (
        "_calls", "_closed_at", "_counts", "_epoch", "_failed", "_now", "_offset", "_open_until", "_options",
        "_per_second", "_probe_until", "_probing", "_random", "_raw", "_slot", "_slow", "_slow_call",
        "_streak", "_succeeded", "_transitions", "reason", "state",
    )  # fmt: skip

    def __init__(
        self,
        options: BreakerOptions,
        now: Callable[[], float],
        random: Random | None = None,
        transitions: Transitions | None = None,
    ) -> None:
        """`now` gives seconds, such as `Clock.monotonic`. `transitions(from, to, reason)` must not raise."""
        self._options = options
        self._now = now
        self._random = random or Random()
        self._transitions = transitions
        self._per_second = options.buckets / options.window
        self._slow_call = float("inf") if options.slow_call is None else options.slow_call
        self._raw = now()
        self._offset = 0.0  # what the clock has gone back in all
        self.state: State = "closed"  # an opening that is over stays `open` until the first call asks
        self.reason: Reason = "reset"  # of the last transition
        self._epoch = 1
        self._streak = 0  # openings in a row
        self._closed_at = float("-inf")
        self._open_until = 0.0
        self._probe_until = 0.0
        self._probing = 0  # probes under way
        self._succeeded = 0  # probes that succeeded
        self._slot = 0
        self._counts: list[list[int]] = []
        self._calls = self._failed = self._slow = 0
        self._forget()

    def retry_after(self) -> float:
        """Seconds until a call is let through: 0 if `allow` would now. A second's guess while probes are under way.

        For choosing among candidates, without taking a probe's place. Notices too that probes have not come back.
        """
        if self.state == "closed":
            return 0.0
        time = self._time()
        full = self._full(time)
        if self.state == "open":
            return max(0.0, self._open_until - time)
        return PROBING_S if full else 0.0

    def allow(self) -> int:
        """Whether a call may go out: 0, or its ticket. When half-open this takes one of the probes' places."""
        if self.state == "closed":
            return self._epoch
        time = self._time()
        if self.state == "open":
            if time < self._open_until:
                return 0
            self._become("half_open", "elapsed")
        elif self._full(time):
            return 0
        self._probing += 1
        self._probe_until = time + self._options.probe_timeout
        return self._epoch

    def record(self, ok: bool, seconds: float, ticket: int = 0) -> None:
        """A call has ended, after so many seconds."""
        if ticket == FORCED:
            if ok and self.state != "closed":
                self.reset()
            return
        if ticket and ticket != self._epoch:
            return
        if self.state != "closed":
            self._record_probe(ok, seconds)
            return
        raw = self._now()
        if raw < self._raw:
            self._offset += self._raw - raw
        self._raw = raw
        slot = int((raw + self._offset) * self._per_second)
        if slot != self._slot:
            self._turn(slot)
        counts = self._counts[-1]
        counts[0] += 1
        self._calls = calls = self._calls + 1
        if not ok:
            counts[1] += 1
            self._failed += 1
        if seconds > self._slow_call:
            counts[2] += 1
            self._slow += 1
        options = self._options
        if (self._failed or self._slow) and calls >= options.minimum_calls:
            if self._failed / calls >= options.error_rate:
                self._open(raw + self._offset, "error_rate")
            elif self._slow / calls >= options.slow_rate:
                self._open(raw + self._offset, "slow_rate")

    def cancelled(self, ticket: int = 0) -> None:
        """A call has ended without a verdict on the upstream: its client went, or its request was at fault."""
        if self.state == "half_open" and self._probing and ticket in (0, self._epoch):
            self._probing -= 1

    def reset(self) -> None:
        """Close it and forget everything, as an operator may ask."""
        self._streak = 0
        self._closed_at = float("-inf")
        self._forget()
        self._become("closed", "reset")

    def _full(self, time: float) -> bool:
        """Whether half-open without a place for a probe. Opens where the last of them is overdue."""
        if self.state != "half_open" or self._probing + self._succeeded < self._options.probes:
            return False
        if time >= self._probe_until:
            self._open(time, "probe_timeout")
        return True

    def _record_probe(self, ok: bool, seconds: float) -> None:
        if self.state == "open" or not self._probing:
            return
        time = self._time()
        if not ok:
            self._open(time, "probe_failed")
        elif seconds > self._slow_call:
            self._open(time, "probe_slow")
        else:
            self._probing -= 1
            self._succeeded += 1
            if self._succeeded >= self._options.probes:
                self._closed_at = time
                self._forget()
                self._become("closed", "probes_passed")

    def _open(self, time: float, reason: Reason) -> None:
        options = self._options
        # What fails again within a window of being closed has not recovered: flapping is damped too.
        if self.state == "closed" and time - self._closed_at >= options.window:
            self._streak = 0
        length = min(options.open_for * options.growth**self._streak, options.max_open)
        if length < options.max_open:
            self._streak += 1
        self._open_until = time + length * (1 + options.jitter * self._random.random())
        self._become("open", reason)

    def _become(self, state: State, reason: Reason) -> None:
        before, self.state = self.state, state
        self.reason = reason
        self._epoch += 1
        self._probing = self._succeeded = 0
        if self._transitions is not None and before != state:
            self._transitions(before, state, reason)

    def _time(self) -> float:
        raw = self._now()
        if raw < self._raw:
            self._offset += self._raw - raw
        self._raw = raw
        return raw + self._offset

    def _forget(self) -> None:
        self._slot = int((self._raw + self._offset) * self._per_second)
        self._counts = [[0, 0, 0] for _ in range(self._options.buckets)]
        self._calls = self._failed = self._slow = 0

    def _turn(self, slot: int) -> None:
        """Go on to another bucket, forgetting those that the window has left. At most `buckets` steps."""
        for _ in range(min(slot - self._slot, len(self._counts))):
            calls, failed, slow = self._counts.pop(0)
            self._calls -= calls
            self._failed -= failed
            self._slow -= slow
            self._counts.append([0, 0, 0])
        self._slot = slot
