"""Growth of counters over days, in bounded memory."""

from random import Random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmctl.alerts.history import CAPACITY, History, Saved

DAY = 86400.0


def grown(every: float, until: float, rate: float = 1.0) -> History:
    history = History(3 * DAY, 1)
    at = 0.0
    while at <= until:
        history.add(at, (at * rate,))
        at += every
    return history


@pytest.mark.parametrize("window", [300, 3600, 6 * 3600, DAY, 3 * DAY])
def test_even_growth_is_exact_whatever_the_window(window: float) -> None:
    history = grown(15, 4 * DAY, rate=0.25)
    assert history.growth(4 * DAY - window, 4 * DAY) == pytest.approx((window / 4,))


@pytest.mark.parametrize("window", [300, 3600, 6 * 3600, DAY, 3 * DAY])
def test_a_windows_beginning_is_known_to_a_sixtieth(window: float) -> None:
    """A step at any time counts fully or not at all, but for steps within window/60 of the beginning."""
    now = 4 * DAY
    for early, expected in ((-1, 0.0), (1, 100.0)):
        step = now - window + early * max(15.0, window / 60)
        history = History(3 * DAY, 1)
        for look in range(round(now / 15) + 1):
            history.add(look * 15.0, (100.0 if look * 15.0 >= step else 0.0,))
        assert history.growth(now - window, now) == (expected,)


def test_memory_is_bounded() -> None:
    sizes = []
    for days in (4, 12):
        saved = grown(15, days * DAY).saved()
        sizes.append(sum(map(len, saved.levels)))
    assert sizes[1] <= sizes[0] + CAPACITY
    assert sizes[1] < 9 * CAPACITY + 20


def test_a_reset_is_growth_from_zero() -> None:
    history = History(DAY, 2)
    for at, raw in ((0, (0, 0)), (10, (50, 5)), (20, (3, 7)), (30, (4, 8))):
        history.add(at, raw)
    # All counters began anew, also the one that has overtaken what it was.
    assert history.growth(0, 30) == (54, 13)
    assert history.growth(10, 20) == (3, 7)


def test_a_sum_in_another_order_is_no_reset() -> None:
    history = History(DAY, 1)
    history.add(0, (0.0,))
    history.add(1, (0.1 + 0.2 + 0.3,))
    history.add(2, (0.3 + 0.2 + 0.1,))
    assert history.growth(0, 2)[0] == pytest.approx(0.6)


def test_before_the_first_point_nothing_grew() -> None:
    history = History(DAY, 1)
    assert history.growth(0, 10) == (0.0,)
    history.add(100, (7.0,))
    history.add(160, (9.0,))
    assert history.growth(-1000, 160) == (2.0,)
    assert history.born == 100


def test_time_that_does_not_go_on_is_passed_over() -> None:
    history = History(DAY, 1)
    for at, raw in ((10, 1.0), (10, 5.0), (5, 9.0), (20, 2.0)):
        history.add(at, (raw,))
    assert history.growth(0, 20) == (1.0,)


def test_what_was_saved_goes_on() -> None:
    one = grown(15, DAY)
    text = msgspec.json.encode(one.saved())
    other = History(3 * DAY, 1, msgspec.json.decode(text, type=Saved))
    for history in (one, other):
        history.add(DAY + 60, (5.0,))
    assert one.growth(DAY - 7200, DAY + 60) == other.growth(DAY - 7200, DAY + 60)


@pytest.mark.parametrize(
    "saved",
    [
        Saved((1.0, 2.0), (0.0, 0.0), [[(1.0, 1.0, 2.0)]]),
        Saved((1.0,), (0.0,), []),
        Saved((1.0,), (0.0,), [[(5.0, 1.0), (4.0, 2.0)]]),
        Saved((1.0,), (0.0,), [[(5.0,)]]),
    ],
)
def test_what_does_not_fit_is_not_taken(saved: Saved) -> None:
    assert History(DAY, 1, saved).born is None


@given(st.integers(0, 2**32), st.integers(1, 400))
def test_growth_of_parts_is_growth_of_the_whole(seed: int, looks: int) -> None:
    random, history, at, raw = Random(seed), History(DAY, 1), 0.0, 0.0
    for _ in range(looks):
        at += random.choice((1.0, 15.0, 4000.0))
        raw = random.choice((raw + random.randrange(5), 0.0))
        history.add(at, (raw,))
    middle = random.uniform(0, at)
    whole, first, second = (history.growth(*part)[0] for part in ((0, at), (0, middle), (middle, at)))
    assert first + second == pytest.approx(whole)
    assert min(first, second) >= 0
