"""What is done about each failure of one exchange: the same model again, another one, or nothing. Calls nothing."""

from typing import NamedTuple

from llmctl.clock import Clock
from llmctl.errors import LlmctlError, Unavailable, UpstreamLost
from llmctl.gateway.attempt import INNOCENT, Down
from llmctl.gateway.reserves import Line
from llmctl.gateway.retry import RetryBudget, RetryPolicy, classify
from llmctl.gateway.target import Target
from llmctl.model.exchange import Exchange
from llmctl.model.record import Why

STALE_RETRIES = 2  # kept-alive connections that turn out dead, per exchange
RESORTING = 3  # calls under way of a model that is asked in spite of its breaker, free of the budget


class Step(NamedTuple):
    """The next call: of whom, why, after how many seconds, and whether in spite of the breaker."""

    target: Target
    why: Why
    wait: float = 0.0
    forced: bool = False


class Again:
    """What decides whether a call is made again, shared by all routes."""

    def __init__(self, policy: RetryPolicy, budget: RetryBudget, clock: Clock) -> None:
        self.policy = policy
        self.budget = budget
        self.now = clock.monotonic


class Course:
    """One exchange's way down its line. Made at the first failure, so that others cost nothing."""

    def __init__(self, line: Line, again: Again, exchange: Exchange) -> None:
        self.line = line
        self._policy = again.policy
        self._budget = again.budget
        self._now = again.now
        self._exchange = exchange
        self._tried = 0  # calls of the present model
        self._total = 0  # calls in all
        self._stale = 0
        self._said: LlmctlError | None = None

    def start(self, why: Why) -> Step:
        """Whom to ask first: not always the decided model."""
        target = self.line.start()
        return Step(target, why if target is self.line.first else "fallback")

    def after(self, error: LlmctlError, step: Step) -> Step:
        """The next call after this failure. Raises what the client is told where there is none."""
        if isinstance(error, UpstreamLost) and error.unanswered and self._stale < STALE_RETRIES:
            self._stale += 1
            return step._replace(wait=0.0)
        kind: str = classify(error)
        if isinstance(error, Down):
            kind = step.target.standing.health.last_error or "timeout"  # what it is down for: failures, or slowness
        else:
            again = self._same(error, kind, step)
            if again is not None:
                return again
        self._tried = 0
        target = self.line.next(kind)
        if target is not None:
            return Step(target, "fallback")
        target = self.resort(kind, free=not self._total)
        if target is not None:
            return Step(target, "fallback", forced=True)
        raise self._said or self._all_down(kind)

    def resort(self, kind: str, *, free: bool) -> Target | None:
        """Whom to ask in spite of its breaker: paid for by the budget, but for the first few that are `free`."""
        target = self.line.resort(kind)
        if target is None or (free and target.standing.health.inflight < RESORTING) or self._budget.withdraw():
            return target
        return None

    def continuing(self, error: LlmctlError) -> Step | None:
        """Who may continue a stream that broke so."""
        left = self._exchange.deadline - self._now()
        if not self._policy.on_another(error, total=len(self._exchange.attempts), left=left):
            return None
        kind = classify(error)
        target = self.line.next(kind)
        if target is not None:
            return Step(target, "resume")
        target = self.resort(kind, free=False)
        return Step(target, "resume", forced=True) if target is not None else None

    def _same(self, error: LlmctlError, kind: str, step: Step) -> Step | None:
        """The same model again, if that is to be tried. Raises where nobody else is to be asked either."""
        left = self._exchange.deadline - self._now()
        self._tried, self._total = self._tried + 1, self._total + 1
        if kind in INNOCENT or not (step.forced or (self._said and classify(self._said) in INNOCENT)):
            self._said = error
        kept = self._total + self.line.waiting(kind)  # a call is kept for each that was not asked yet
        wait = self._policy.on_same(error, tried=self._tried, total=kept, left=left)
        others = getattr(error, "retry_after", None) and self.line.peek(kind) is not None  # they need not wait
        if wait is not None and not others and not step.forced and self._budget.withdraw():
            return Step(step.target, "retry", wait)
        if not self._policy.on_another(error, total=self._total, left=left):
            raise self._said or self._all_down(kind)
        return None

    def _all_down(self, kind: str) -> Unavailable:
        wait, name = self.line.soonest(kind), self._exchange.requested_model
        message = f"no model of {name!r} answers just now; the next is tried again in {wait:.1f} s"
        return Unavailable(message, retry_after=wait)
