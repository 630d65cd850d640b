"""A frame of `llmctl top`."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmctl.commands.top_view import Screen, age, count, dollars, frame, milliseconds, sparkline
from llmctl.server.console.overview import (
    Budget,
    CacheNow,
    CostToday,
    GuardNow,
    ModelNow,
    Now,
    OpenAlert,
    Overview,
    Point,
    RecordsNow,
    Totals,
)
from tests.commands.seen import TIME, overview

SMALL = Screen(80, 24)


def drawn(seen: Overview, screen: Screen = SMALL, trouble: str = "") -> list[str]:
    return [line.plain for line in frame(seen, "http://gateway:8080", screen, trouble)]


def line(lines: list[str], beginning: str) -> str:
    (found,) = [line for line in lines if line.startswith(beginning)]
    return found


def test_a_worker_that_is_missing_is_told() -> None:
    for serving, says in ((1, "  ! 1 of 2 workers  "), (2, "  2 workers  "), (None, "  2 workers  ")):
        assert says in drawn(msgspec.structs.replace(overview(), serving=serving))[0]


def test_everything_is_on_80_by_24() -> None:
    lines = drawn(overview())
    assert len(lines) <= 24
    assert lines[0] == "llmctl 0.1.0 ready  http://gateway:8080  2 workers  loaded 3 m ago: 8e5c6e218dd9"
    assert line(lines, "traffic") == "traffic  12.5 req/s  ! 0.5 errors/s  0.1 refused/s  3 in flight  812 tok/s"
    assert line(lines, "time").startswith(
        "time     p50 12 ms  p95 480 ms  p99 1.23 s  TTFT p95 300 ms  ours p99 0.8 ms"
    )
    assert line(lines, "cost") == "cost     $1.25 today  $0.62/h  1.2M tokens in, 340k out in 2 h"
    assert line(lines, "cache") == "cache    40.0% of 100 from it  saved 5k tokens  false <= 2.00% (large)"
    assert line(lines, "! page") == "! page   LlmctlLatencyBurn1h  5 m  llmctl: latency burns its error budget"
    assert line(lines, "small").split() == ["small", "10", "0.0%", "10", "ms", "200", "ms", "700", "$0.25", "closed"]
    assert line(lines, "large").endswith("$1.00  ! 1/2 open, 4 wait")
    assert line(lines, "daily").split()[:4] == ["daily", "15%", "$8.50", "$10.00"]
    assert line(lines, "pii").split() == ["pii", "900", "redact", "3"]


def test_trouble_is_told_at_the_top() -> None:
    seen = overview(ready=False, reasons={"up": "no answer"}, reload_error="models.a: wrong")
    lines = drawn(seen, trouble="4 s old: gone")
    assert "! NOT READY" in lines[0]
    assert lines[1:4] == [
        "! no answer, this is 4 s old: gone",
        "! reload failed, the old configuration serves: models.a: wrong",
        "! up: no answer",
    ]


def test_models_that_are_not_asked_come_first() -> None:
    lines = drawn(overview())
    at = [lines.index(line(lines, name)) for name in ("model ", "large", "small")]
    assert at == sorted(at)


def test_pages_come_before_tickets() -> None:
    alerts = [OpenAlert("A", "ticket", 0.0, "a"), OpenAlert("B", "page", 1.0, "b")]
    shown = [line for line in drawn(overview(alerts=alerts)) if line.startswith("! ")]
    assert [line.split()[1:3] for line in shown] == [["page", "B"], ["ticket", "A"]]


def test_nothing_known_is_no_zero() -> None:
    bare = overview(now=Now(), cost=CostToday(None, TIME), cache=CacheNow(), by_model=[ModelNow("m")], series=[])
    lines = drawn(bare)
    assert "p50 -  p95 -  p99 -" in line(lines, "time")
    assert "no price known" in line(lines, "cost")
    assert not [text for text in lines if text.startswith("cache")]
    assert line(lines, "m ").split() == ["m", "0", "-", "-", "-", "0", "-", "unknown"]


def test_lost_and_late_records_are_told() -> None:
    assert "3 dropped (disk_full 3)" in line(
        drawn(overview(records=RecordsNow(True, dropped={"disk_full": 3}))), "! rec"
    )
    assert "12 s" in line(drawn(overview(records=RecordsNow(True, lag_s=12.0))), "! records")


def test_a_guard_that_fails_has_a_sign() -> None:
    guard = GuardNow("judge", 10, {"allow": 8, "error": 2}, {"allow": 10})
    assert line(drawn(overview(guards=[guard])), "judge").split() == ["judge", "10", "-", "!", "failed", "2"]


def test_budgets_have_signs() -> None:
    budgets = [Budget("ok", 1, 0.9, 10), Budget("soft", 8.5, 0.15, 10), Budget("gone", 11, -0.1, 10)]
    lines = drawn(overview(budgets=budgets))
    at = lines.index(line(lines, "budget"))
    assert [text.split()[0] for text in lines[at + 1 : at + 4]] == ["gone", "soft", "ok"]
    assert "! █" in line(lines, "gone")
    assert "~ █" in line(lines, "soft")
    assert "0%" in line(lines, "gone")


def test_what_has_no_room_is_counted_and_a_taller_terminal_shows_it() -> None:
    many = overview(by_model=[ModelNow(f"model-{i:02}", i, float(i)) for i in range(40)])
    small, tall = drawn(many), drawn(many, Screen(80, 100))
    assert len(small) == 24
    (more,) = [text for text in small if text.startswith("...")]
    shown = [text for text in small if text.startswith("model-")]
    assert more == f"... {40 - len(shown)} more"
    assert shown[0].startswith("model-39")
    assert len([text for text in tall if text.startswith("model-")]) == 40


def test_terminals_obey_nobody_but_us() -> None:
    hostile = "\x1b]0;owned\x07[bold]\u202e\n"
    seen = overview(
        version=hostile,
        policy=hostile,
        reasons={hostile: hostile},
        reload_error=hostile,
        by_model=[ModelNow(hostile)],
        budgets=[Budget(hostile, 1.0, 0.5, every=hostile)],
        guards=[GuardNow(hostile, 1, {}, {hostile: 1})],
        alerts=[OpenAlert(hostile, "page", 0.0, hostile)],
        cache=CacheNow(True, error_bound={hostile: 0.5}),
        records=RecordsNow(dropped={hostile: 1}),
    )
    for text in [frame_line.plain for frame_line in frame(seen, hostile, Screen(400, 60), hostile)]:
        assert text.isprintable(), text


NUMBERS = st.floats(0, 1e9, allow_nan=False)
MAYBE = st.none() | NUMBERS
NAMES = st.text(max_size=40)
POINTS = st.lists(
    st.builds(
        Point,
        t=st.floats(TIME - 400, TIME + 5),
        requests_per_s=NUMBERS,
        errors_per_s=NUMBERS,
        in_flight=st.just(0),
        p95_ms=MAYBE,
    ),
    max_size=20,
)
MODELS = st.builds(ModelNow, model=NAMES, error_share=st.none() | st.floats(0, 1), usd_today=MAYBE)
ALERTS = st.builds(OpenAlert, name=NAMES, severity=st.sampled_from(["page", "ticket"]), since=NUMBERS, summary=NAMES)
SEEN = st.builds(
    overview,
    version=NAMES,
    ready=st.booleans(),
    reload_error=st.none() | NAMES,
    reasons=st.dictionaries(NAMES, NAMES, max_size=3),
    now=st.builds(Now, p50_ms=MAYBE, p95_ms=MAYBE, requests_per_s=NUMBERS, tokens_per_s=NUMBERS),
    totals=st.builds(Totals, input_tokens=st.integers(0, 10**12)),
    series=POINTS.map(lambda points: sorted(points, key=lambda point: point.t)),
    by_model=st.lists(MODELS, max_size=30),
    budgets=st.lists(st.builds(Budget, name=NAMES, spent_usd=NUMBERS, remaining=st.floats(-2, 1)), max_size=5),
    alerts=st.lists(ALERTS, max_size=5),
)


@given(seen=SEEN, width=st.integers(20, 200), height=st.integers(5, 60), ascii_only=st.booleans())
def test_a_frame_fits(seen: Overview, width: int, height: int, ascii_only: bool) -> None:
    lines = frame(seen, "http://gateway", Screen(width, height, ascii_only))
    assert len(lines) <= height
    assert all(each.cell_len <= width for each in lines)


def test_an_ascii_terminal_gets_ascii() -> None:
    assert "".join(drawn(overview(), Screen(200, 40, ascii_only=True))).isascii()


def test_a_sparkline_is_as_high_as_the_values() -> None:
    points = [Point(TIME - 300 + 30 * i + 1, float(i), 0.0, 0) for i in range(10)]
    text, highest = sparkline(points, "requests_per_s", 10, TIME)
    assert (text[0], text[9], highest) == ("▁", "█", 9.0)
    assert [ord(c) for c in text] == sorted(ord(c) for c in text)
    assert sparkline(points, "requests_per_s", 10, TIME, ascii_only=True)[0][9] == "#"


def test_a_sparkline_is_blank_where_nothing_is_known() -> None:
    points = [Point(TIME - 200, 5.0, 0.0, 0), Point(TIME - 40, 5.0, 0.0, 0, p95_ms=9.0)]
    text, highest = sparkline(points, "p95_ms", 30, TIME)
    assert highest == 9.0
    assert text[:26].strip() == ""
    assert text[26] == "█"
    assert sparkline(points, "requests_per_s", 30, TIME)[0][12:24].strip() == ""
    assert sparkline([], "p95_ms", 5, TIME) == ("     ", None)
    assert sparkline(points, "p95_ms", 0, TIME) == ("", None)


def test_points_ten_seconds_apart_leave_no_holes() -> None:
    points = [Point(TIME - 300 + 10 * i, 1.0, 0.0, 0) for i in range(1, 31)]
    text, _ = sparkline(points, "requests_per_s", 100, TIME)
    assert " " not in text[4:]


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (milliseconds(None), "-"), (milliseconds(0.84), "0.8 ms"), (milliseconds(480.2), "480 ms"),
        (milliseconds(1234), "1.23 s"), (milliseconds(61_000), "61.0 s"),
        (count(950), "950"), (count(12_345), "12.3k"), (count(4_560_000), "4.56M"),
        (count(2e9), "2G"), (count(999.6), "1k"),
        (dollars(None), "-"), (dollars(0), "$0.00"), (dollars(0.00123), "$0.0012"), (dollars(1234.5), "$1,234.50"),
        (age(12), "12 s"), (age(-1), "0 s"), (age(300), "5 m"), (age(7200), "2 h"), (age(200_000), "2 d"),
    ],
)  # fmt: skip
def test_figures(shown: Any, expected: str) -> None:
    assert shown == expected
