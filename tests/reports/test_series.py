"""Days that stand out, and what may come: with n, and refusing where there is too little."""

import random
from datetime import date, timedelta
from statistics import median

import pytest
from scipy.stats import median_abs_deviation

from llmctl.reports.series import Anomaly, Forecast, Refused, anomalies, filled, forecast, needed_days

START = date(2026, 1, 5)


def days(*values: float) -> dict[date, float]:
    return {START + timedelta(days=at): value for at, value in enumerate(values)}


def test_z_is_by_median_and_mad() -> None:
    values = [10.0, 11, 12, 9, 10, 13, 8, 30]
    (odd,) = anomalies(("x",), days(*values))  # type: ignore[misc]
    assert isinstance(odd, Anomaly)
    expected = (30 - median(values)) / median_abs_deviation(values, scale="normal")
    assert odd.z == pytest.approx(expected, rel=1e-4)  # scipy's 0.67449, the paper's 0.6745
    assert (odd.day, odd.value, odd.typical, odd.days) == (START + timedelta(days=7), 30, 10.5, 8)


def test_too_few_days_are_refused() -> None:
    found = anomalies((), days(*[1.0] * 7))
    assert isinstance(found, Refused)
    assert found.why.startswith("7 whole days; 8 are needed")


def test_a_flat_line_is_unremarkable_and_a_step_off_it_is_not() -> None:
    assert anomalies((), days(*[0.0] * 10)) == []
    assert anomalies((), days(*[5.0] * 10)) == []
    assert anomalies((), days(*[5.0] * 9, 5.001)) == []
    assert [a.value for a in anomalies((), days(*[5.0] * 9, 50.0))] == [50.0]  # type: ignore[union-attr]
    assert [a.value for a in anomalies((), days(*[5.0] * 9, 0.0))] == [0.0]  # type: ignore[union-attr]


def test_a_weekend_does_not_stand_out_and_a_dear_sunday_does() -> None:
    week = [10.0, 10, 10, 10, 10, 2, 1]
    values = [week[at % 7] + (at * 37 % 11) / 100 for at in range(42)]
    assert anomalies((), days(*values)) == []
    values[27] = 10.0  # a Sunday that is as any Monday
    (odd,) = anomalies((), days(*values))  # type: ignore[misc]
    assert isinstance(odd, Anomaly)
    assert (odd.day.weekday(), odd.days) == (6, 42)
    assert odd.typical == pytest.approx(1.05, abs=0.06)


def test_a_day_is_held_against_others_than_itself() -> None:
    sundays = iter([1.0, 2.0, 3.0, 50.0])
    values = [next(sundays) if at % 7 == 6 else 10.0 + at % 3 for at in range(28)]
    odd = anomalies((), days(*values))
    assert [each.typical for each in odd if each.value == 50.0] == [2.0]  # type: ignore[union-attr]


def test_days_without_records_are_nothing() -> None:
    assert list(filled({START: 1.0}, START, START + timedelta(days=2)).values()) == [1.0, 0.0, 0.0]


def test_a_weekly_pattern_with_a_trend_goes_on() -> None:
    pattern = [10.0, 11, 12, 13, 14, 3, 2]
    values = [pattern[at % 7] + at / 7 for at in range(35)]
    found = forecast(days(*values), 14)
    assert isinstance(found, Forecast)
    assert [e.value for e in found.expected] == pytest.approx([pattern[at % 7] + at / 7 for at in range(35, 49)])
    assert found.drift == pytest.approx(1 / 7)
    assert all(e.low == pytest.approx(e.value) == pytest.approx(e.high) for e in found.expected)
    assert found.expected[0].day == START + timedelta(days=35)
    assert found.total[0] == pytest.approx(sum(e.value for e in found.expected))


@pytest.mark.parametrize(("confidence", "least"), [(0.5, 21), (0.8, 21), (0.9, 26), (0.95, 46), (0.99, 206)])
def test_it_refuses_what_it_cannot_know(confidence: float, least: int) -> None:
    assert needed_days(confidence) == least
    found = forecast(days(*[1.0] * (least - 1)), 7, confidence)
    assert isinstance(found, Refused)
    assert found.why.startswith(f"{least - 1} whole days; {least} are needed")
    assert isinstance(forecast(days(*[1.0] * least), 7, confidence), Forecast)


def test_no_day_costs_less_than_nothing() -> None:
    found = forecast(days(*(30.0 - at for at in range(28))), 30)
    assert isinstance(found, Forecast)
    assert min(e.low for e in found.expected) == 0.0
    assert all(0 <= e.low <= e.value <= e.high for e in found.expected)


def test_the_interval_grows_with_the_root_of_the_weeks_ahead() -> None:
    found = forecast(days(*(1000.0 + (at * 37 % 11) for at in range(35))), 21)
    assert isinstance(found, Forecast)
    widths = [each.high - each.low for each in found.expected]
    assert widths[7] == pytest.approx(widths[0] * 2**0.5)
    assert widths[20] == pytest.approx(widths[0] * 3**0.5)


@pytest.mark.parametrize(("weeks", "confidence"), [(5, 0.8), (8, 0.8), (8, 0.9)])
def test_the_interval_covers_what_it_claims(weeks: int, confidence: float) -> None:
    rng, covered, of = random.Random(5), 0, 0
    for _ in range(300):
        level = [rng.uniform(50, 150) for _ in range(7)]
        walk, values = 0.0, []
        for at in range(weeks * 7 + 7):
            walk += rng.gauss(0, 1)
            values.append(level[at % 7] + walk + rng.gauss(0, 5))
        found = forecast(days(*values[:-7]), 7, confidence)
        assert isinstance(found, Forecast)
        covered += sum(e.low <= value <= e.high for e, value in zip(found.expected, values[-7:], strict=True))
        of += 7
    # Residuals overlap within a week and share their drift, so a little less than nominal is honest.
    assert confidence - 0.06 <= covered / of <= min(1.0, confidence + 0.12)
