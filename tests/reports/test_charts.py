"""Where bars stand."""

from datetime import date
from decimal import Decimal

from llmctl.reports.charts import HEIGHT, WIDTH, by_day, by_group
from llmctl.reports.cost import Costs, Line, Sums
from llmctl.reports.series import Expected, Forecast


def costs(*days: tuple[int, str, str]) -> Costs:
    lines = {date(2026, 1, day): Line((), "request", {status: Sums(1, usd=Decimal(usd))}) for day, usd, status in days}
    return Costs((), (), Line((), "request"), lines, {})


def test_the_dearest_day_is_as_high_as_the_chart() -> None:
    chart = by_day(costs((1, "1", "exact"), (2, "4", "partial")), None)
    low, high = chart.bars
    assert high.height == 4 * low.height
    assert high.y == 0
    assert (low.kind, high.kind) == ("known", "partly")
    assert "and more" in high.title
    assert all(bar.x >= 0 and bar.x + bar.width <= WIDTH and bar.y + bar.height <= HEIGHT for bar in chart.bars)


def test_a_forecast_has_whiskers() -> None:
    ahead = Forecast(28, 21, 0.8, 0.0, (Expected(date(2026, 1, 3), 2.0, 1.0, 8.0),))
    chart = by_day(costs((1, "1", "exact")), ahead)
    assert chart.bars[-1].kind == "expected"
    ((_, top, bottom),) = chart.whiskers
    assert top == 0
    assert bottom > top


def test_nothing_known_is_no_bars() -> None:
    assert by_day(costs(), None).bars == ()
    assert by_day(costs((1, "0", "none")), None).bars == ()
    assert by_group([]).bars == ()


def test_an_unknown_group_has_a_name_and_no_bar() -> None:
    known, unknown = by_group([("a", Decimal(2), True), ("b", None, False)]).bars
    assert known.width > 0
    assert (unknown.width, unknown.label, unknown.kind) == (0, "b", "partly")
