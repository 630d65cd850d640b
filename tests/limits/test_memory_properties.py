"""The limiter against a brute-force model: a log of everything, searched whole, in exact numbers."""

from fractions import Fraction
from typing import NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from llmctl.limits.memory import Denial, Held, Limiter
from llmctl.limits.options import RateLimitOptions

SUBJECTS: list[tuple[str, ...]] = [("a",), ("b",)]
SLACK = 1e-6  # units by which a float may be off


class Event(NamedTuple):
    time: Fraction
    units: int
    overrun: int = 0


class Log:
    """Every use of one dimension by one subject, and what is reserved."""

    def __init__(self, per_minute: float, burst: int) -> None:
        self.rate = Fraction(per_minute) / 60
        self.burst = burst
        self.events: list[Event] = []
        self.held = 0

    def use_above_rate(self, time: Fraction) -> Fraction:
        """The most, over all windows that end now, by which use exceeded what the rate gives."""
        worst, total = Fraction(0), 0
        for event in reversed(self.events):
            total += event.units
            worst = max(worst, total - self.rate * (time - event.time))
        return worst

    def excess(self, units: int, time: Fraction) -> Fraction:
        """Above 0: so many units do not fit."""
        return self.use_above_rate(time) + self.held + units - self.burst

    def assert_within_every_window(self) -> None:
        for i, first in enumerate(self.events):
            used = overrun = 0
            for event in self.events[i:]:
                used, overrun = used + event.units, overrun + event.overrun
                assert used <= self.burst + self.rate * (event.time - first.time) + overrun + SLACK


class Model:
    """Both sides: the limiter, on a clock that goes anywhere, and the logs."""

    def __init__(self, options: RateLimitOptions, start: float) -> None:
        self.clock = self.first = self.highest = start
        self.limiter = Limiter(options, lambda: self.clock)
        self.options = options
        rpm, tpm = options.requests_per_minute or 1, options.tokens_per_minute or 1
        self.requests = {s: Log(rpm, options.request_burst or 1) for s in SUBJECTS}
        self.tokens = {s: Log(tpm, options.token_burst or 1) for s in SUBJECTS}
        self.open: list[Held] = []
        self.closed: list[Held] = []
        self.everything()  # the limiter's first reading of the clock is the model's

    def move(self, to: float) -> None:
        self.clock = to
        self.everything()  # so that the limiter sees every time that the model does
        self.highest = max(self.highest, to)

    def everything(self) -> list[object]:
        return [self.limiter.standing(subject) for subject in SUBJECTS]

    def ask(self, subject: tuple[str, ...], tokens: int) -> None:
        before, known = self.everything(), len(self.limiter)
        denial = self.limiter.check(subject, tokens)
        assert (self.everything(), len(self.limiter)) == (before, known)
        self.assert_right(denial, subject, tokens)
        if denial is None:
            self.open.append(self.limiter.take(subject, tokens))
            self.requests[subject].events.append(Event(Fraction(self.highest), 1))
            self.tokens[subject].held += tokens
            active = sum(held.subject == subject for held in self.open)
            assert self.options.concurrency is None or active <= self.options.concurrency
        else:
            self.assert_honest(denial, subject, tokens)

    def assert_right(self, denial: Denial | None, subject: tuple[str, ...], tokens: int) -> None:
        active = sum(held.subject == subject for held in self.open)
        full = self.options.concurrency is not None and active >= self.options.concurrency
        if self.options.tokens_per_minute is not None and tokens > self.tokens[subject].burst:
            assert denial == Denial("tokens", 0.0, True, self.tokens[subject].burst)
            return
        time, excesses = Fraction(self.highest), []
        if self.options.requests_per_minute is not None:
            excesses.append(self.requests[subject].excess(1, time))
        if self.options.tokens_per_minute is not None:
            excesses.append(self.tokens[subject].excess(tokens, time))
        assert denial is None or not denial.never
        if all(abs(excess) > SLACK for excess in excesses) or full:
            assert (denial is not None) == (full or any(excess > 0 for excess in excesses))

    def assert_honest(self, denial: Denial, subject: tuple[str, ...], tokens: int) -> None:
        """Retry times are bounded; and exact, where the clock has not gone back and nobody else has to end first."""
        if denial.never:
            return
        logs = (self.requests[subject], self.tokens[subject])
        debts = [(log.burst + sum(event.overrun for event in log.events)) / log.rate for log in logs]
        assert 0 < denial.retry_after <= max(1.0, *map(float, debts)) + SLACK
        if self.tokens[subject].held or self.clock < self.highest or denial.dimension == "concurrency":
            return
        if self.options.concurrency is not None and any(held.subject == subject for held in self.open):
            return
        asked = self.clock
        self.move(asked + denial.retry_after - 1e-6)
        assert self.limiter.check(subject, tokens) is not None
        self.move(asked + denial.retry_after)
        assert self.limiter.check(subject, tokens) is None

    def settle(self, index: int, used: int) -> None:
        if not self.open:
            return
        held = self.open.pop(index % len(self.open))
        self.limiter.settle(held, used)
        log = self.tokens[held.subject]
        log.held -= held.tokens
        log.events.append(Event(Fraction(self.highest), used, max(used - held.tokens, 0)))
        self.closed.append(held)

    def settle_again(self, index: int, used: int) -> None:
        if self.closed:
            before = self.everything()
            self.limiter.settle(self.closed[index % len(self.closed)], used)
            assert self.everything() == before

    def assert_within_limits(self) -> None:
        for subject in SUBJECTS:
            if self.options.requests_per_minute is not None:
                log = self.requests[subject]
                log.assert_within_every_window()
                most = log.burst + log.rate * (Fraction(self.highest) - Fraction(self.first))
                assert len(log.events) <= most + SLACK
            if self.options.tokens_per_minute is not None:
                self.tokens[subject].assert_within_every_window()


OPTIONS = st.builds(
    RateLimitOptions,
    requests_per_minute=st.sampled_from([0.7, 7.0, 60.0, 70.0, 1_000.0]),
    burst_requests=st.none() | st.integers(1, 6),
    tokens_per_minute=st.sampled_from([60, 100, 777, 60_000]),
    burst_tokens=st.none() | st.integers(1, 300),
    concurrency=st.none() | st.integers(1, 4),
) | st.builds(
    RateLimitOptions,
    tokens_per_minute=st.sampled_from([50, 777, 60_000]),
    concurrency=st.none() | st.integers(1, 4),
)
ASK = st.tuples(st.just("ask"), st.sampled_from(SUBJECTS), st.integers(0, 120))
STEP = st.tuples(
    st.sampled_from(["step"] * 3 + ["jump"]),
    st.sampled_from([0.0, 1e-6, 0.1, 1.0, 2.5, 60.0]) | st.floats(0, 30),
    st.sampled_from([-1e6, -3_600.0, -5.0, 5.0, 3_600.0, 1e6]),
)
SETTLE = st.tuples(st.sampled_from(["settle"] * 3 + ["again"]), st.integers(0, 9), st.integers(0, 150))


@settings(max_examples=300, deadline=None)
@given(
    options=OPTIONS,
    start=st.sampled_from([0.0, 1_000.0, 1.7e9]),
    operations=st.lists(ASK | STEP | SETTLE, min_size=20, max_size=60),
)
def test_no_interleaving_and_no_clock_gets_past_the_limits(
    options: RateLimitOptions, start: float, operations: list[tuple[str, object, object]]
) -> None:
    model = Model(options, start)
    for operation in operations:
        match operation:
            case ("ask", tuple() as subject, int() as tokens):
                model.ask(subject, tokens)
            case ("step", float() as seconds, _):
                model.move(model.clock + seconds)
            case ("jump", _, float() as seconds):
                model.move(model.clock + seconds)
            case ("settle", int() as index, int() as used):
                model.settle(index, used)
            case ("again", int() as index, int() as used):
                model.settle_again(index, used)
    model.assert_within_limits()
