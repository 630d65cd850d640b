"""The waterfall of `llmctl traces show`."""

import io
from typing import Any

import pytest
from rich.console import Console

from llmctl.commands.traces_show import print_record
from llmctl.commands.traces_waterfall import FAILED, LEAST_BAR, NOTED, Bar, bars, waterfall
from llmctl.model.record import Attempt, Failure, GuardResult, Record, StageTime


def record(**changes: Any) -> Record:
    fields: dict[str, Any] = {
        "id": "req_1",
        "started": 1e9,
        "duration_us": 400_000,
        "state": "ok",
        "http_status": 200,
        "overhead_us": 4_000,
        "stages": [
            StageTime("auth", 0, 80),
            StageTime("input_guards", 80, 20_000),
            StageTime("upstream", 20_080, 300_000),
            StageTime("respond", 320_080, 79_000),
        ],
        "attempts": [
            Attempt("up", "small", 20_100, 100_000, None, 503, "overloaded", failure="server_error"),
            Attempt("up", "large", 120_200, 279_000, 200_000, 200, why="fallback"),
        ],
        "guards": [GuardResult("pii", "input", "redact", "redact", duration_us=5_000, policy="names")],
    }
    return Record(**(fields | changes))


def drawn(of: Record, width: int = 100, *, ascii_only: bool = True) -> list[str]:
    return [line.plain for line in waterfall(of, width, ascii_only=ascii_only)]


def line(lines: list[str], label: str) -> str:
    (found,) = [line for line in lines if line[4:].split("|")[0].strip() == label]
    return found


def cells(text: str) -> str:
    return text.split("|")[1]


def test_calls_and_guards_stand_under_their_stages() -> None:
    assert [(bar.depth, bar.label) for bar in bars(record())] == [
        (0, "auth"),
        (0, "input_guards"),
        (1, "names"),
        (0, "upstream"),
        (1, "try 1 up/small"),
        (1, "try 2 up/large"),
        (0, "respond"),
        (0, "ok"),
    ]


def test_places_and_widths_are_times() -> None:
    lines = drawn(record())
    upstream, respond, total = (cells(line(lines, name)) for name in ("upstream", "respond", "ok"))
    columns = len(total)
    assert total == "=" * columns
    assert upstream.count("=") == pytest.approx(columns * 300 / 400, abs=2)
    assert upstream.index("=") == columns * 20_080 // 400_000
    assert respond.index("=") == columns * 320_080 // 400_000


def test_until_its_first_byte_a_call_only_waits() -> None:
    lines = drawn(record())
    never, came = cells(line(lines, "try 1 up/small")), cells(line(lines, "try 2 up/large"))
    assert set(never) == {" ", "-"}
    assert came.index("#") == len(came) * 200_000 // 400_000
    assert came.rstrip().count("-") + came.count("#") == len(came.strip())


def test_what_went_wrong_has_a_sign_and_a_colour() -> None:
    failed = record(state="failed", failure=Failure("upstream_timeout", "too late", 504))
    signs = {bar.label: bar.sign for bar in bars(failed)}
    assert signs == {
        "auth": " ",
        "input_guards": " ",
        "names": NOTED,
        "upstream": " ",
        "try 1 up/small": FAILED,
        "try 2 up/large": " ",
        "respond": FAILED,
        "failed": FAILED,
    }
    red = [text.plain for text in waterfall(failed, 100, ascii_only=True) if any(s.style == "red" for s in text.spans)]
    assert all(text.startswith(("  ! ", "     ")) for text in red)
    assert sum(text.startswith("  ! ") for text in red) == 3


@pytest.mark.parametrize(
    ("verdict", "action", "sign"),
    [("block", "block", FAILED), ("error", "allow", FAILED), ("warn", "warn", NOTED), ("allow", "allow", " "),
     ("block", "would_block", NOTED)],
)  # fmt: skip
def test_signs_of_guards(verdict: Any, action: Any, sign: str) -> None:
    of = record(guards=[GuardResult("pii", "input", verdict, action, duration_us=1)])
    assert [bar.sign for bar in bars(of) if bar.kind == "guard"] == [sign]


def test_a_guard_whose_stage_left_no_time_is_not_drawn() -> None:
    of = record(guards=[GuardResult("pii", "output", "block", "block", duration_us=1)])
    assert not [bar for bar in bars(of) if bar.kind == "guard"]


def test_calls_without_their_stage_are_drawn_all_the_same() -> None:
    assert [bar.label for bar in bars(record(stages=[]))] == ["try 1 up/small", "try 2 up/large", "ok"]


def test_the_first_token_is_marked_on_the_axis() -> None:
    lines = drawn(record(ttft_us=210_000))
    mark = cells(lines[1])
    assert mark.index("v") == len(mark) * 210_000 // 400_000
    assert "210.00 ms" in lines[1]
    assert not any("first token" in text for text in drawn(record()))


def test_the_axis_tells_the_time_at_quarters() -> None:
    axis = cells(drawn(record(), 140)[0])
    assert axis.startswith("0 ")
    assert axis.endswith("400.00 ms")
    assert axis.index("100.00 ms") == len(axis) // 4
    assert axis.index("200.00 ms") == len(axis) // 2


@pytest.mark.parametrize("width", [60, 80, 119, 120, 140, 200])
@pytest.mark.parametrize("ascii_only", [True, False])
def test_lines_fit(width: int, ascii_only: bool) -> None:
    long = record(attempts=[Attempt("p" * 50, "m" * 50, 0, 10, None, 500, "e" * 300)])
    for of in (record(ttft_us=1), long):
        lines = drawn(of, width, ascii_only=ascii_only)
        assert max(map(len, lines)) <= width
        assert "".join(lines).isascii() is ascii_only


def test_a_wide_terminal_has_notes_beside_bars() -> None:
    assert len(drawn(record(), 140)) < len(drawn(record(), 80))
    beside = line(drawn(record(), 140), "try 2 up/large")
    assert beside.endswith("  fallback 200 first byte at 200.00 ms")


def test_an_exchange_of_no_time_at_all() -> None:
    lines = drawn(Record("r", 0.0, 0, "failed", 400), 60)
    assert len(cells(line(lines, "failed"))) >= LEAST_BAR


def test_terminals_obey_nobody_but_us() -> None:
    hostile = "\x1b[31m\u202e\n"
    of = record(attempts=[Attempt(hostile, hostile, 0, 10, None, 500, hostile)])
    assert all(text.isprintable() for text in drawn(of))


def test_without_colour_signs_remain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    out = io.StringIO()
    console = Console(file=out, width=100, highlight=False, force_terminal=True)
    print_record(record(state="failed", failure=Failure("upstream_timeout", "late", 504)), console)
    text = out.getvalue()
    assert "\x1b[31m" not in text
    assert "  !   try 1 up/small" in text
    assert "ours 4.00 ms (1.0%)" in text


def test_a_bar_ends_when_it_ends() -> None:
    assert Bar("stage", "x", 10, 5).end == 15
