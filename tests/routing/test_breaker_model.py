"""The breaker against a naive model: everything that happened, counted afresh each time."""

from random import Random

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from llmctl.routing.breaker import Breaker
from tests.routing.breakers import OPTIONS


class Half(Random):
    """Always in the middle."""

    def random(self) -> float:
        return 0.5


class Machine(RuleBasedStateMachine):
    """What the docstrings promise, in the plainest form. Times are multiples of an eighth, so sums are exact."""

    @initialize(probes=st.integers(1, 3), slow=st.booleans())
    def begin(self, probes: int, slow: bool) -> None:
        self.options = OPTIONS.model_copy(update={"probes": probes, "slow_call": 2.0 if slow else None})
        self.raw = 1_000.0
        self.time = 1_000.0  # the model's own: the sum of all steps ahead
        self.told: list[tuple[str, str, str]] = []
        self.breaker = Breaker(self.options, lambda: self.raw, Half(), lambda *told: self.told.append(told))
        self.state = "closed"
        self.log: list[tuple[float, bool, bool]] = []
        self.until = self.probe_at = 0.0
        self.closed_at = float("-inf")
        self.streak = 0
        self.calls: list[int] = []  # tickets of those under way
        self.current: set[int] = set()  # those of them that still count
        self.probing = self.succeeded = 0

    def become(self, state: str) -> None:
        self.state = state
        self.current = set()
        self.probing = self.succeeded = 0

    def open(self) -> None:
        if self.state == "closed" and self.time - self.closed_at >= self.options.window:
            self.streak = 0
        length = min(4.0 * 2**self.streak, 20.0)
        self.streak += 1
        self.until = self.time + length * 1.25
        self.become("open")

    def look(self) -> None:
        """So that the breaker sees every time that the model does."""
        self.breaker._time()  # a closed one looks at it only when a call ends
        self.breaker.retry_after()
        full = self.state == "half_open" and self.probing + self.succeeded == self.options.probes
        if full and self.time - self.probe_at >= 32:
            self.open()

    @rule(eighths=st.integers(0, 200))
    def wait(self, eighths: int) -> None:
        self.raw += eighths / 8
        self.time += eighths / 8
        self.look()

    @rule(seconds=st.sampled_from([-1e6, -60.0, -1.0, 60.0, 1e6]))
    def jump(self, seconds: float) -> None:
        self.raw += seconds
        self.time += max(seconds, 0.0)
        self.look()

    @rule()
    def allow(self) -> None:
        before = self.breaker.retry_after()
        if self.state == "open" and self.time >= self.until:
            self.become("half_open")
        allowed = self.state == "closed"
        if self.state == "half_open":
            allowed = self.probing + self.succeeded < self.options.probes
            if allowed:
                self.probing += 1
                self.probe_at = self.time
        ticket = self.breaker.allow()
        assert bool(ticket) == allowed == (before == 0)
        if ticket:
            self.calls.append(ticket)
            self.current.add(ticket)

    @rule(which=st.integers(0, 9), ok=st.booleans(), seconds=st.sampled_from([0.0, 2.0, 2.5]), shown=st.booleans())
    def record(self, which: int, ok: bool, seconds: float, shown: bool) -> None:
        if not self.calls:
            return
        ticket = self.calls.pop(which % len(self.calls))
        self.breaker.record(ok, seconds, ticket if shown else 0)
        if shown and ticket not in self.current:
            return
        slow = self.options.slow_call is not None and seconds > 2
        if self.state == "closed":
            self.log.append((self.time, ok, slow))
            bucket = int(self.time / 2)
            counted = [(ok, slow) for at, ok, slow in self.log if int(at / 2) > bucket - 4]
            if len(counted) >= 4:
                failed, slowly = sum(not ok for ok, _ in counted), sum(slow for _, slow in counted)
                if 2 * failed >= len(counted) or 4 * slowly >= 3 * len(counted):
                    self.open()
        elif self.state == "half_open" and self.probing:
            if not ok or slow:
                self.open()
                return
            self.probing -= 1
            self.succeeded += 1
            if self.succeeded == self.options.probes:
                self.log, self.closed_at = [], self.time
                self.become("closed")

    @rule(which=st.integers(0, 9), shown=st.booleans())
    def cancel(self, which: int, shown: bool) -> None:
        if not self.calls:
            return
        ticket = self.calls.pop(which % len(self.calls))
        self.breaker.cancelled(ticket if shown else 0)
        if self.probing and (not shown or ticket in self.current):
            self.probing -= 1

    @rule(ok=st.booleans(), times=st.integers(1, 5))
    def call(self, ok: bool, times: int) -> None:
        for _ in range(times):
            before = len(self.calls)
            self.allow()
            if len(self.calls) > before:
                self.record(before, ok, 0.0, True)

    @rule(probes=st.integers(0, 3))
    def recover(self, probes: int) -> None:
        """Random steps alone seldom get through a half-open state."""
        if self.state == "closed":
            self.call(False, 5)
        if self.state == "open":
            self.wait(int(8 * max(self.until - self.time, 0.0)))
        self.call(True, probes)

    @rule()
    def reset(self) -> None:
        self.breaker.reset()
        self.log, self.streak, self.closed_at = [], 0, float("-inf")
        self.become("closed")

    @invariant()
    def agree(self) -> None:
        assert self.breaker.state == self.state
        assert self.probing + self.succeeded <= self.options.probes
        if self.state == "open":
            assert self.breaker.retry_after() == max(self.until - self.time, 0.0)
            assert self.breaker.retry_after() <= 20 * 1.25
        states = ["closed", *(after for _, after, _ in self.told)]
        assert [before for before, _, _ in self.told] == states[:-1]
        assert all(before != after for before, after, _ in self.told)
        assert states[-1] == self.state


Machine.TestCase.settings = settings(max_examples=300, stateful_step_count=60, deadline=None)
TestBreaker = Machine.TestCase
