import asyncio
import time

from llmctl.clock import Clock, SystemClock


def test_wall_is_unix_time() -> None:
    clock: Clock = SystemClock()
    assert abs(clock.wall() - time.time()) < 1


async def test_monotonic_is_on_the_loop_s_scale() -> None:
    clock: Clock = SystemClock()
    before = clock.monotonic()
    now = asyncio.get_running_loop().time()
    # uvloop rounds its time to the millisecond.
    assert before - 0.002 <= now <= clock.monotonic() + 0.002
