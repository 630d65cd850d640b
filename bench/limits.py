"""Microseconds that one exchange costs a rate limiter on requests, tokens and concurrency, as JSON; best of five.

`python bench/limits.py`. `full_table` is taking for a subject not seen before where 10,000 subjects are remembered.
"""

import json
import timeit
from collections.abc import Callable
from itertools import count
from typing import Any

from llmctl.clock import SystemClock
from llmctl.limits.memory import MAX_SUBJECTS, Limiter
from llmctl.limits.options import RateLimitOptions

OPTIONS = RateLimitOptions(requests_per_minute=1e9, tokens_per_minute=10**12, concurrency=10**9)
SUBJECT = ("key-0123456789", "model-a")


def us(function: Callable[[], Any], number: int = 50_000) -> float:
    return round(min(timeit.repeat(function, number=number, repeat=5)) / number * 1e6, 3)


def main() -> None:
    limiter = Limiter(OPTIONS, SystemClock.monotonic)

    def exchange() -> None:
        limiter.check(SUBJECT, 900)
        limiter.settle(limiter.take(SUBJECT, 900), 700)
        limiter.standing(SUBJECT)

    result = {
        "exchange_us": us(exchange),
        "check_us": us(lambda: limiter.check(SUBJECT, 900)),
        "take_settle_us": us(lambda: limiter.settle(limiter.take(SUBJECT, 900), 700)),
        "standing_us": us(lambda: limiter.standing(SUBJECT)),
    }
    denying = Limiter(RateLimitOptions(requests_per_minute=1, concurrency=1), SystemClock.monotonic)
    denying.take(SUBJECT, 0)
    result["denial_us"] = us(lambda: denying.check(SUBJECT, 0))

    def newcomer(table: Limiter) -> Callable[[], None]:
        names = map(str, count())

        def take() -> None:
            subject = (next(names),)
            table.check(subject, 0)
            table.take(subject, 0)

        return take

    busy = Limiter(OPTIONS, SystemClock.monotonic)  # all of them under way: none can be dropped, the worst case
    take = newcomer(busy)
    for _ in range(MAX_SUBJECTS):
        take()
    result["full_table_us"] = us(take, 5_000)
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
