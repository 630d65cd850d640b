"""The generic cell rate algorithm (GCRA), with reservations.

Source: ITU-T I.371 and ATM Forum Traffic Management 4.0 (af-tm-0056), which define it in two forms that decide alike.
Virtual scheduling keeps the theoretical arrival time, TAT; the continuous-state leaky bucket keeps the level X at the
last time LCT at which it was filled, and TAT = LCT + X / rate. The second form is the one kept here: in TAT a token is
a tiny fraction of a second, which a float loses against a large clock reading, while a level counts tokens exactly.
What the standard calls limit and increment is here (burst - 1) / rate and 1 / rate.
"""

from msgspec import Struct

# Added to every wait, so that adding it to a clock reading, which rounds, does not end a hair too early.
ROUNDING_S = 0.5e-6


class Rate(Struct, frozen=True, gc=False):
    """What all buckets of a limit have in common: units per second in the long run, units at once after a rest."""

    per_second: float
    burst: int


class Bucket(Struct, gc=False):
    """One subject's use of one rate: `level` units used at `last` and not drained yet, and `held` units reserved.

    Units are requests or tokens, times are seconds. Time that goes back is taken as standing still.

    In any window of t seconds, settled use <= burst + rate*t + what was used beyond its reservation. For settled use is
    what drained, at most rate*t, plus what the level rose by, and a settle moves units from `held` to `level`, so that
    their sum, at most burst when anything is admitted, grows otherwise by overruns alone; if nothing was admitted in
    the window, all that settled had been held when it began, which never is more than burst.
    """

    level: float = 0.0
    last: float = float("-inf")
    held: int = 0

    def level_at(self, rate: Rate, time: float) -> float:
        """Units used and not drained at `time`. More than `burst` is debt: more was used than had been reserved."""
        if not self.level or time <= self.last:
            return self.level
        level = self.level - (time - self.last) * rate.per_second
        return level if level > 0 else 0.0

    def wait(self, rate: Rate, units: int, time: float) -> float:
        """Seconds from `time` until so many units fit; 0 if they do. At most (burst + debt) / rate.

        Where they fit only when reservations end, it is the time until they would if those ended now, having used what
        they reserved. Units above `burst` never fit, and the time means nothing.
        """
        excess = self.level_at(rate, time) + self.held + units - rate.burst
        return excess / rate.per_second + ROUNDING_S if excess > 0 else 0.0

    def charge(self, rate: Rate, units: int, time: float) -> None:
        """Use so many units at `time`, whether they fit or not."""
        self.level = self.level_at(rate, time) + units
        if time > self.last:
            self.last = time

    def settle(self, rate: Rate, reserved: int, used: int, time: float) -> None:
        """End a reservation that was added to `held`, and charge what it came to."""
        self.held -= reserved
        self.charge(rate, used, time)

    def remaining(self, rate: Rate, time: float) -> int:
        """Whole units that would fit at `time`."""
        remaining = int(rate.burst - (self.level_at(rate, time) + self.held))
        return remaining if remaining > 0 else 0

    def reset(self, rate: Rate, time: float) -> float:
        """Seconds until `burst` units fit again, if reservations ended now, having used what they reserved."""
        return (self.level_at(rate, time) + self.held) / rate.per_second

    def rested(self, rate: Rate, time: float) -> bool:
        """Whether a new bucket would answer the same at `time` and ever after."""
        return not self.held and not self.level_at(rate, time)
