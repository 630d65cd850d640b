"""A rate limiter that keeps its counts in this process."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Literal

from msgspec import Struct

from llmctl.limits.gcra import Bucket, Rate
from llmctl.limits.options import RateLimitOptions

Dimension = Literal["requests", "tokens", "concurrency"]

MAX_SUBJECTS = 10_000  # above it, subjects whose use no longer matters are dropped
LOOKS = 8  # subjects looked at for each new one above it: no request pays for going through the whole table
MOST_SEEN = 4096  # subjects looked at for a figure; some milliseconds
BUSY_S = 1.0  # nobody knows when one of the requests under way will end: try again in a second


class Denial(Struct, frozen=True, gc=False):
    """Why a request may not pass now.

    `limit` is how many requests, tokens, or requests at a time `dimension` allows a subject that has rested.
    `retry_after` is in seconds; of several reasons the longest is told. It is a guess where others must end first: a
    second for concurrency, and for tokens the time if those others ended now. `never`: more tokens are asked for than
    `limit`, so waiting does not help, and `retry_after` is 0.
    """

    dimension: Dimension
    retry_after: float
    never: bool
    limit: int


class Standing(Struct, frozen=True, gc=False):
    """What a subject has left of `limit`; reservations count as used.

    `reset_s` is the seconds until all of it is back if what is under way ended now, having used what it reserved; for
    concurrency, 0 or a guess of a second.
    """

    dimension: Dimension
    limit: int
    remaining: int
    reset_s: float


class _Account(Struct, gc=False):
    """One subject's use, and how many of its requests are under way. A bucket without a rate is not used."""

    requests: Bucket
    tokens: Bucket
    active: int = 0


class Held(Struct, gc=False):
    """What a request took: to be settled once, by the limiter that gave it, however the request ends."""

    subject: tuple[str, ...]
    tokens: int
    account: _Account
    settled: bool = False


class Limiter:
    """Counts requests, tokens and requests under way, for each subject on its own.

    Nothing here awaits: to pass several limiters, check all, then take from all, with no await in between. An
    implementation that asks another process would have to make the two one, or take a lease and give it back.

    In whatever way the clock jumps, no subject is let in for more than burst + rate * (highest time seen - first):
    below the highest time seen, time stands still, for retry times too.
    """

    def __init__(self, options: RateLimitOptions, now: Callable[[], float]) -> None:
        """`now` gives seconds, such as `Clock.monotonic`."""
        self.options = options
        self._now = now
        self._latest = float("-inf")
        self._requests = _rate(options.requests_per_minute, options.request_burst)
        self._tokens = _rate(options.tokens_per_minute, options.token_burst)
        self._concurrency = options.concurrency
        self._accounts: OrderedDict[tuple[str, ...], _Account] = OrderedDict()

    def __len__(self) -> int:
        """Subjects that are remembered."""
        return len(self._accounts)

    def check(self, subject: tuple[str, ...], tokens: int) -> Denial | None:
        """Whether a request that may use so many tokens could pass now: None, or why not. Takes nothing."""
        limit = self._tokens
        if limit is not None and tokens > limit.burst:
            return Denial("tokens", 0.0, True, limit.burst)
        time = self._time()
        account = self._accounts.get(subject)
        if account is None:
            return None
        denial = None
        longest = 0.0
        if limit is not None and (wait := account.tokens.wait(limit, max(tokens, 0), time)) > longest:
            denial, longest = Denial("tokens", wait, False, limit.burst), wait
        limit = self._requests
        if limit is not None and (wait := account.requests.wait(limit, 1, time)) > longest:
            denial, longest = Denial("requests", wait, False, limit.burst), wait
        if self._concurrency is not None and account.active >= self._concurrency and longest < BUSY_S:
            denial = Denial("concurrency", BUSY_S, False, self._concurrency)
        return denial

    def take(self, subject: tuple[str, ...], tokens: int) -> Held:
        """Charge the request and reserve the tokens that `check` has just let pass; to be settled in every case."""
        time = self._time()
        account = self._accounts.get(subject)
        if account is None:
            account = self._open(subject)
        if self._requests is not None:
            account.requests.charge(self._requests, 1, time)
        tokens = max(tokens, 0)
        if self._tokens is not None:
            account.tokens.held += tokens
        account.active += 1
        return Held(subject, tokens, account)

    def settle(self, held: Held, used: int) -> None:
        """End the request, charging the tokens that it used instead of those reserved. Again: does nothing.

        A negative `used`, as a broken upstream may report, counts as nothing.
        """
        if held.settled:
            return
        held.settled = True
        account = held.account
        account.active -= 1
        if self._tokens is not None:
            account.tokens.settle(self._tokens, held.tokens, max(used, 0), self._time())

    def standing(self, subject: tuple[str, ...]) -> list[Standing]:
        """What the subject has left now of each limit there is."""
        time = self._time()
        account = self._accounts.get(subject) or _Account(Bucket(), Bucket())
        result = []
        if (rate := self._requests) is not None:
            bucket = account.requests
            result.append(Standing("requests", rate.burst, bucket.remaining(rate, time), bucket.reset(rate, time)))
        if (rate := self._tokens) is not None:
            bucket = account.tokens
            result.append(Standing("tokens", rate.burst, bucket.remaining(rate, time), bucket.reset(rate, time)))
        if (most := self._concurrency) is not None:
            active = account.active
            result.append(Standing("concurrency", most, max(most - active, 0), BUSY_S if active else 0.0))
        return result

    def least(self) -> float:
        """The share left of the limit that any subject has least left of, 0 to 1; reservations count as used.

        Where there are more than `MOST_SEEN` subjects, only some are looked at. May be called from another thread.
        """
        time, accounts = max(self._now(), self._latest), list(self._accounts.values())
        used = 0.0
        for account in accounts[:: len(accounts) // MOST_SEEN + 1]:
            for rate, bucket in ((self._requests, account.requests), (self._tokens, account.tokens)):
                if rate is not None:
                    used = max(used, (bucket.level_at(rate, time) + bucket.held) / rate.burst)
            if self._concurrency is not None:
                used = max(used, account.active / self._concurrency)
        return 1.0 - min(used, 1.0)

    def _time(self) -> float:
        time = self._now()
        if time > self._latest:
            self._latest = time
        return self._latest

    def _open(self, subject: tuple[str, ...]) -> _Account:
        """A new account. Those looked at and still needed go to the end, so that all get their turn."""
        for _ in range(LOOKS):
            if len(self._accounts) < MAX_SUBJECTS:
                break
            oldest = next(iter(self._accounts))
            if self._rested(self._accounts[oldest]):
                del self._accounts[oldest]
            else:
                self._accounts.move_to_end(oldest)
        account = self._accounts[subject] = _Account(Bucket(), Bucket())
        return account

    def _rested(self, account: _Account) -> bool:
        if account.active:
            return False
        for rate, bucket in ((self._requests, account.requests), (self._tokens, account.tokens)):
            if rate is not None and not bucket.rested(rate, self._latest):
                return False
        return True


def _rate(per_minute: float | None, burst: int | None) -> Rate | None:
    return None if per_minute is None or burst is None else Rate(per_minute / 60, burst)
