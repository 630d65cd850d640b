"""Rates, percentiles and money over time, from snapshots on a clock of the test's."""

import pytest

from llmctl.server.console.history import History
from llmctl.server.console.overview import RATE_WINDOW, SPAN, WINDOW
from llmctl.server.console.snapshot import ModelCounts, Snapshot

NOON = 1_767_268_800.0  # 2026-01-01T12:00Z
MIDNIGHT = NOON + 12 * 3600


def snapshot(at: float, requests: int = 0, *, errors: int = 0, usd: float | None = None, slow: int = 0) -> Snapshot:
    """Counters `at` seconds after noon; `slow` of the requests took 1 to 3 s, the others less than 1."""
    counts = ModelCounts(requests, errors, 0, 0, 10 * requests, usd, (requests - slow, slow, 0))
    bounds = (1.0, 3.0)
    return Snapshot(at, NOON + at, 2, {"m": counts}, counts, (), (), bounds, bounds, bounds)


def fed(*snapshots: Snapshot, began: float = NOON) -> History:
    history = History(NOON, began=began)
    for one in snapshots:
        history.add(one)
    return history


def test_one_snapshot_tells_no_rate() -> None:
    history = fed(snapshot(0, 500))
    now = history.now()
    assert (now.in_flight, now.requests_per_s, now.p95_ms, history.points) == (2, 0.0, None, [])
    assert (now.rate_window, now.window) == (0, 0)


def test_rates_are_of_ten_seconds_and_percentiles_of_a_minute() -> None:
    history = fed(*(snapshot(at, 10 * at, errors=at, slow=at) for at in range(121)))
    now = history.now()
    assert now.requests_per_s == pytest.approx(10)
    assert now.errors_per_s == pytest.approx(1)
    assert now.tokens_per_s == pytest.approx(100)
    assert (now.rate_window, now.window) == (RATE_WINDOW, WINDOW)
    assert now.p50_ms == pytest.approx(1000 * 0.5 / 0.9)
    assert now.p95_ms == pytest.approx(2000)


def test_an_outage_shows_within_ten_seconds_though_the_minute_was_good() -> None:
    good = [snapshot(at, 10 * at) for at in range(61)]
    bad = [snapshot(60 + more, 600 + 10 * more, errors=10 * more) for more in range(1, 11)]
    now = fed(*good, *bad).now()
    assert now.errors_per_s == pytest.approx(now.requests_per_s)


def test_points_are_what_happened_between_two_snapshots() -> None:
    history = fed(snapshot(0), snapshot(10, 50), snapshot(11, 50), snapshot(12, 53, errors=3))
    assert [point.requests_per_s for point in history.points] == [5, 0, 3]
    assert [point.errors_per_s for point in history.points] == [0, 0, 3]
    assert [point.t - NOON for point in history.points] == [10, 11, 12]


def test_it_keeps_five_minutes_of_points_and_no_more_snapshots_than_it_needs() -> None:
    history = fed(*(snapshot(at, at) for at in range(2000)))
    assert len(history.points) == SPAN + 1
    assert history.since(WINDOW).at == 1999 - WINDOW
    assert len(history._snapshots) <= WINDOW + 2


def test_counters_that_go_back_make_no_negative_rates() -> None:
    history = fed(snapshot(0, 100, usd=5.0), snapshot(10, 20, usd=1.0))
    cost = history.cost()
    assert (history.now().requests_per_s, history.points[0].requests_per_s, cost.per_hour_usd) == (0, 0, 0)


def test_money_counts_from_the_start_or_midnight() -> None:
    history = fed(snapshot(0, usd=1.0), snapshot(3600, usd=4.0))
    assert (history.cost().usd, history.cost().since) == (4.0, NOON)
    history.add(snapshot(12 * 3600 + 5, usd=4.5))
    assert history.cost().usd == pytest.approx(0.5)
    assert history.cost().since == MIDNIGHT
    assert history.spent_today() == {"m": pytest.approx(0.5)}


def test_a_worker_that_joins_others_does_not_call_their_past_today() -> None:
    yesterday = NOON - 86400
    history = fed(snapshot(0, usd=100.0), snapshot(60, usd=101.0), began=yesterday)
    assert history.cost().usd == pytest.approx(1.0)
    assert history.cost().since == NOON
    assert history.cost().per_hour_usd == pytest.approx(60.0)


def test_a_worker_that_takes_another_ones_place_tells_the_same_money_of_today_as_the_others() -> None:
    since = NOON - 3600
    history = fed(snapshot(0, usd=100.0), snapshot(60, usd=101.0), began=since)
    assert (history.cost().usd, history.cost().since) == (101.0, since)
    history.add(snapshot(12 * 3600 + 5, usd=102.0))
    assert history.cost().usd == pytest.approx(1.0)
    assert history.cost().since == MIDNIGHT


def test_two_looks_in_a_moment_make_no_storm_and_lose_nothing() -> None:
    history = fed(snapshot(0), snapshot(10, 50), snapshot(10.01, 55), snapshot(11, 60))
    assert [point.requests_per_s for point in history.points] == [5, 10]
    assert history.last is not None
    assert history.last.total.requests == 60


def test_without_a_price_there_is_no_sum() -> None:
    cost = fed(snapshot(0), snapshot(10, 5)).cost()
    assert (cost.usd, cost.per_hour_usd) == (None, None)
