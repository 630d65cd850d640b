import pytest

from llmctl.embedding.pause import Pause
from llmctl.errors import Unavailable
from llmctl.testing.clock import ManualClock


def paused(clock: ManualClock, failures: int = 3) -> Pause:
    made = Pause("embedder x", clock, failures=failures, seconds=30.0)
    for _ in range(failures):
        made.begin()
        made.failed()
    return made


def test_failures_in_a_row_make_a_pause() -> None:
    clock = ManualClock()
    made = paused(clock)
    clock.advance(10)
    with pytest.raises(Unavailable, match=r"embedder x failed 3 times in a row and is not asked for 20\.0 s") as caught:
        made.check()
    assert caught.value.retry_after == pytest.approx(20)


def test_a_success_between_failures_starts_anew() -> None:
    made = Pause("embedder x", ManualClock(), failures=2, seconds=30.0)
    for _ in range(5):
        made.begin()
        made.failed()
        made.begin()
        made.succeeded()
    made.check()


def test_one_tries_after_the_pause_and_decides() -> None:
    clock = ManualClock()
    made = paused(clock)
    clock.advance(31)
    made.check()
    made.begin()
    with pytest.raises(Unavailable):
        made.begin()
    made.failed()
    with pytest.raises(Unavailable, match="4 times"):
        made.check()
    clock.advance(31)
    made.begin()
    made.succeeded()
    made.begin()
