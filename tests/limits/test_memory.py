import asyncio
from random import Random
from typing import Any

import msgspec
import pytest

from llmctl.limits.gcra import ROUNDING_S
from llmctl.limits.memory import BUSY_S, LOOKS, MAX_SUBJECTS, MOST_SEEN, Denial, Limiter, Standing
from llmctl.limits.options import RateLimitOptions
from llmctl.testing.clock import ManualClock

KEY = ("key-1",)


def limiter(clock: ManualClock, **options: Any) -> Limiter:
    return Limiter(RateLimitOptions(**options), clock.monotonic)


def test_requests_are_charged_when_let_in() -> None:
    clock = ManualClock()
    requests = limiter(clock, requests_per_minute=60, burst_requests=2)
    for _ in range(2):
        assert requests.check(KEY, 0) is None
        requests.settle(requests.take(KEY, 0), 0)
    assert requests.check(KEY, 0) == Denial("requests", 1 + ROUNDING_S, False, 2)
    assert requests.check(("other",), 0) is None
    clock.advance(1)
    assert requests.check(KEY, 0) is None


def test_tokens_are_reserved_and_then_settled_exactly() -> None:
    clock = ManualClock()
    tokens = limiter(clock, tokens_per_minute=600)
    first, second = tokens.take(KEY, 400), tokens.take(KEY, 200)
    clock.advance(3_600)
    assert tokens.standing(KEY) == [Standing("tokens", 600, 0, 60.0)]
    assert tokens.check(KEY, 1) == Denial("tokens", 0.1 + ROUNDING_S, False, 600)
    tokens.settle(first, 100)
    assert tokens.standing(KEY) == [Standing("tokens", 600, 300, 30.0)]
    tokens.settle(second, 700)
    assert tokens.standing(KEY) == [Standing("tokens", 600, 0, 80.0)]
    assert tokens.check(KEY, 1) == Denial("tokens", 20.1 + ROUNDING_S, False, 600)


def test_more_tokens_than_the_burst_are_never_let_in() -> None:
    clock = ManualClock()
    tokens = limiter(clock, tokens_per_minute=600, burst_tokens=100, requests_per_minute=1)
    assert tokens.check(KEY, 100) is None
    assert tokens.check(KEY, 101) == Denial("tokens", 0.0, True, 100)
    tokens.take(KEY, 100)
    assert tokens.check(KEY, 101) == Denial("tokens", 0.0, True, 100)
    assert limiter(clock, concurrency=1).check(KEY, 10**30) is None


def test_concurrency_is_released_by_settling_and_only_once() -> None:
    one = limiter(ManualClock(), concurrency=2, tokens_per_minute=100)
    first, second = one.take(KEY, 10), one.take(KEY, 20)
    assert one.check(KEY, 0) == Denial("concurrency", BUSY_S, False, 2)
    one.settle(first, 7)
    after = one.standing(KEY)
    assert [(s.dimension, s.remaining) for s in after] == [("tokens", 73), ("concurrency", 1)]
    assert [s.reset_s for s in after] == [pytest.approx(16.2), BUSY_S]
    one.settle(first, 50)
    assert one.standing(KEY) == after
    one.settle(second, -5)
    assert [(s.dimension, s.remaining) for s in one.standing(KEY)] == [("tokens", 93), ("concurrency", 2)]


def test_negative_estimates_mint_nothing() -> None:
    tokens = limiter(ManualClock(), tokens_per_minute=100)
    tokens.settle(tokens.take(KEY, 100), 100)
    assert tokens.check(KEY, -50) is None
    tokens.take(KEY, -50)
    assert tokens.standing(KEY)[0].remaining == 0
    tokens.settle(tokens.take(KEY, 0), 10)
    assert tokens.check(KEY, -50) == tokens.check(KEY, 0) == Denial("tokens", 10 / (100 / 60) + ROUNDING_S, False, 100)


def test_the_longest_wait_is_told() -> None:
    clock = ManualClock()
    all_three = limiter(clock, requests_per_minute=60, burst_requests=1, tokens_per_minute=60, concurrency=1)
    held = all_three.take(KEY, 60)
    told = all_three.check(KEY, 10)
    assert told is not None
    assert (told.dimension, told.retry_after) == ("tokens", 10 + ROUNDING_S)
    clock.advance(0.5)
    told = all_three.check(KEY, 0)
    assert told is not None
    assert (told.dimension, told.retry_after) == ("concurrency", BUSY_S)
    all_three.settle(held, 0)
    told = all_three.check(KEY, 0)
    assert told is not None
    assert (told.dimension, told.retry_after) == ("requests", 0.5 + ROUNDING_S)


def test_an_unknown_subject_has_everything_and_asking_does_not_make_it_known() -> None:
    everything = limiter(ManualClock(), requests_per_minute=5, tokens_per_minute=7, concurrency=3)
    assert everything.check(KEY, 7) is None
    assert everything.standing(KEY) == [
        Standing("requests", 5, 5, 0.0),
        Standing("tokens", 7, 7, 0.0),
        Standing("concurrency", 3, 3, 0.0),
    ]
    assert len(everything) == 0


def test_a_clock_that_jumps_back_mints_nothing_and_keeps_retry_times_bounded() -> None:
    reading = [1_000.0]
    jumpy = Limiter(RateLimitOptions(requests_per_minute=60, burst_requests=2), lambda: reading[0])
    admitted = 0
    for time in [1_000.0, 1_010.0, -1e9, 1_009.0, 500.0, 1_010.0, 0.0, 1_010.0]:
        reading[0] = time
        while (denial := jumpy.check(KEY, 0)) is None:
            jumpy.settle(jumpy.take(KEY, 0), 0)
            admitted += 1
        assert denial.retry_after <= 2
    assert admitted == 4
    reading[0] = 0.0
    assert jumpy.check(("newcomer",), 0) is None
    for _ in range(2):
        jumpy.take(("newcomer",), 0)
    reading[0] = 1_010.0
    assert jumpy.check(("newcomer",), 0) is not None


def test_idle_subjects_are_dropped_and_others_never() -> None:
    clock = ManualClock()
    table = limiter(clock, requests_per_minute=60, burst_requests=1, tokens_per_minute=60, concurrency=1)
    busy = [(f"busy-{i}",) for i in range(500)]
    indebted = [(f"indebted-{i}",) for i in range(500)]
    held = [table.take(subject, 30) for subject in busy]
    for subject in indebted:
        table.settle(table.take(subject, 0), 100_000)
    for i in range(5 * MAX_SUBJECTS):
        table.settle(table.take((f"passing-{i}",), 0), 0)
        clock.advance(0.01)
        assert len(table) <= MAX_SUBJECTS + 1_000 / LOOKS  # none of the first thousand looked at can go
    assert len(table) <= MAX_SUBJECTS
    assert all([s.remaining for s in table.standing(subject)] == [1, 30, 0] for subject in busy)
    assert all((told := table.check(s, 1)) and told.dimension == "tokens" for s in indebted)
    for reservation in held:
        table.settle(reservation, 60)
    assert all([s.remaining for s in table.standing(subject)] == [1, 0, 1] for subject in busy)


def test_a_request_under_way_is_not_forgotten_though_it_reserved_nothing() -> None:
    table = limiter(ManualClock(), concurrency=1)
    table.take(KEY, 0)
    for i in range(2 * MAX_SUBJECTS):
        table.settle(table.take((f"passing-{i}",), 0), 0)
    assert table.check(KEY, 0) == Denial("concurrency", BUSY_S, False, 1)
    assert len(table) <= MAX_SUBJECTS


def test_a_table_of_subjects_that_all_matter_grows_and_shrinks_again() -> None:
    clock = ManualClock()
    table = limiter(clock, requests_per_minute=1)
    for i in range(MAX_SUBJECTS + 2_000):
        table.settle(table.take((f"{i}",), 0), 0)
    assert len(table) == MAX_SUBJECTS + 2_000
    assert all(table.check((f"{i}",), 0) for i in range(MAX_SUBJECTS + 2_000))
    clock.advance(60)
    for i in range(1_000):
        table.settle(table.take((f"new-{i}",), 0), 0)
    assert len(table) <= MAX_SUBJECTS


def test_several_limiters_are_checked_first_and_then_all_taken() -> None:
    clock = ManualClock()
    own, whole = limiter(clock, requests_per_minute=60), limiter(clock, per=(), concurrency=1)
    whole.take((), 0)
    assert [own.check(KEY, 0) is None, whole.check((), 0) is None] == [True, False]
    assert own.standing(KEY)[0].remaining == 60


def test_what_is_told_can_be_written_as_json() -> None:
    table = limiter(ManualClock(), tokens_per_minute=10)
    told = msgspec.json.decode(msgspec.json.encode(table.check(KEY, 11)))
    assert told == {"dimension": "tokens", "retry_after": 0.0, "never": True, "limit": 10}


async def test_two_hundred_clients_at_once_stay_within_every_limit() -> None:
    loop = asyncio.get_running_loop()
    options = RateLimitOptions(
        requests_per_minute=60_000, burst_requests=50, tokens_per_minute=6_000_000, burst_tokens=5_000, concurrency=40
    )
    reading = 0.0  # the limiter's own last reading of the clock: a later one would shorten the windows

    def now() -> float:
        nonlocal reading
        reading = loop.time()
        return reading

    shared = Limiter(options, now)
    random = Random(7)
    running, peak, denied = 0, 0, 0
    log: list[tuple[float, int, int]] = []  # time, requests admitted, tokens settled

    async def client() -> None:
        nonlocal running, peak, denied
        for _ in range(5):
            estimate = random.randint(1, 400)
            while (denial := shared.check(KEY, estimate)) is not None:
                denied += 1
                await asyncio.sleep(min(denial.retry_after, 0.004) * random.uniform(0.5, 1.5))
            held = shared.take(KEY, estimate)
            log.append((reading, 1, 0))
            running += 1
            peak = max(peak, running)
            await asyncio.sleep(random.uniform(0, 0.004))
            running -= 1
            used = random.randint(0, estimate)
            shared.settle(held, used)
            log.append((reading, 0, used))

    await asyncio.gather(*(client() for _ in range(200)))
    assert 1 < peak <= 40
    assert denied > 0
    for column, burst, per_second in ((1, 50, 1_000), (2, 5_000, 100_000)):
        for i, first in enumerate(log):
            total = 0
            for entry in log[i:]:
                total += int(entry[column])
                assert total <= burst + per_second * (entry[0] - first[0]) + 1e-6
    assert shared.standing(KEY)[2] == Standing("concurrency", 40, 40, 0.0)


def test_the_least_that_anybody_has_left() -> None:
    clock = ManualClock()
    several = limiter(clock, requests_per_minute=60, burst_requests=4, tokens_per_minute=600, concurrency=10)
    assert several.least() == 1.0
    several.settle(several.take(("a",), 0), 0)
    assert several.least() == 0.75
    held = several.take(("b",), 480)
    assert several.least() == pytest.approx(0.2)
    several.settle(held, 60)
    assert several.least() == pytest.approx(0.75)
    clock.advance(0.5)
    assert several.least() == pytest.approx(0.875)
    for _ in range(20):
        several.take(("c",), 0)
    assert several.least() == 0.0


def test_the_least_of_very_many_costs_no_more_than_of_many() -> None:
    many = limiter(ManualClock(), concurrency=2)
    for number in range(2 * MOST_SEEN):
        many.take((str(number),), 0)
    assert many.least() == 0.5
