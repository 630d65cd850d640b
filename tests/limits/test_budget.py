"""A budget's account, by a clock that is driven."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from llmctl.config.schema_cost import BudgetConfig
from llmctl.limits.budget import Account, Sums, window_at, zone_of
from llmctl.testing.clock import ManualClock


def account(clock: ManualClock, told: list[str] | None = None, **more: object) -> Account:
    config = BudgetConfig.model_validate({"usd": 1.0, "every": "day"} | more)
    return Account("b", config, Sums(config.every, UTC, clock.wall), (told if told is not None else []).append)


def test_reservations_count_until_they_are_settled() -> None:
    one = account(ManualClock())
    held = one.take(("t",), 0.7)
    assert one.check(("t",), 0.3)
    assert not one.check(("t",), 0.31)
    assert one.check(("other",), 1.0)
    one.settle(held, 0.1)
    one.settle(held, 0.1)
    assert (one.standing(("t",)).spent, one.standing(("t",)).reserved) == (0.1, 0.0)


def test_a_period_ends_at_midnight_and_what_is_under_way_stays_reserved() -> None:
    clock = ManualClock()
    one = account(clock)
    one.charge(("t",), 0.9)
    held = one.take(("t",), 0.1)
    clock.advance(86400)
    assert (one.standing(("t",)).spent, one.standing(("t",)).reserved) == (0.0, 0.1)
    one.settle(held, 0.2)
    assert one.standing(("t",)).spent == 0.2
    clock.set_wall(clock.wall() - 7200)  # back over midnight: no period begins twice
    assert one.standing(("t",)).spent == 0.2
    clock.advance(7200 + 86400)
    one.sums.window()
    assert one.sums.rows == {}


def test_each_mark_is_told_once() -> None:
    told: list[str] = []
    one = account(ManualClock(), told, soft=0.5)
    for _ in range(12):
        one.charge(("t",), 0.1)
    assert [("50%" in line, "is spent" in line) for line in told] == [(True, False), (False, True)]


def test_whom_it_applies_to() -> None:
    one = account(ManualClock(), tenants=["t"], per=["key", "model"])
    assert one.subject("t", "k", "m") == ("k", "m")
    assert one.subject("u", "k", "m") is None


def test_what_has_no_price_is_counted_not_added() -> None:
    one = account(ManualClock())
    one.charge(("t",), None)
    one.charge(("t",), None, counts=False)
    assert (one.standing(("t",)).spent, one.standing(("t",)).unpriced) == (0.0, 1)


def test_days_and_months_are_those_of_the_zone() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    at = datetime(2026, 3, 29, 12, tzinfo=berlin).timestamp()  # a day of 23 hours
    day, month = window_at(at, "day", berlin), window_at(at, "month", berlin)
    assert (day.name, day.end - day.start) == ("2026-03-29", 23 * 3600)
    assert (month.name, datetime.fromtimestamp(month.end, berlin).isoformat()) == (
        "2026-03",
        "2026-04-01T00:00:00+02:00",
    )
    with pytest.raises(ValueError, match="no time zone 'Mars'"):
        zone_of("Mars")
