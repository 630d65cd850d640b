"""Where an exchange's time went: stages, calls of providers and guards as bars on one axis of time.

Calls stand under the stage that made them, guards under theirs. Of a guard it is known how long it took, not when: its
bar begins where its stage does. What went wrong has a sign as well as a colour.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from llmctl.model.record import Attempt, GuardResult, Record
from llmctl.reports.text import plain

if TYPE_CHECKING:
    from rich.text import Text

Kind = Literal["stage", "attempt", "guard", "total"]
FAILED, NOTED = "!", "~"
LONGEST_LABEL = 30
LEAST_BAR, MOST_BAR = 16, 100
WIDE, ROOM_FOR_NOTES = 120, 40
"""Columns of a terminal in which notes stand beside bars, and not below them; and how many are theirs."""
_AROUND = 27
"""Columns of a line beside label, bar and note."""
_STYLES = {"stage": "cyan", "attempt": "blue", "guard": "magenta", "total": "bold"}
_GLYPHS = {"stage": "━", "attempt": "█", "guard": "▒", "total": "━", "waits": "░", "mark": "▼", "edge": "│"}
_ASCII = {"stage": "=", "attempt": "#", "guard": "+", "total": "=", "waits": "-", "mark": "v", "edge": "|"}
_HOLDS = {"input": "input_guards", "output": "output_guards"}


@dataclass(frozen=True, slots=True)
class Bar:
    """One line. Times are microseconds since the exchange's start; until `first` it only waited."""

    kind: Kind
    label: str
    start: int
    duration: int
    note: str = ""
    sign: str = " "
    depth: int = 0
    first: int | None = None

    @property
    def end(self) -> int:
        """When it was over."""
        return self.start + self.duration


def bars(record: Record) -> list[Bar]:
    """Stages in order of their beginning, each followed by what it did; then the whole."""
    stages = sorted(record.stages, key=lambda stage: stage.start_us)
    last = record.stages[-1] if record.stages and record.failure is not None else None
    made: list[Bar] = []
    attempts, guards = list(enumerate(record.attempts, 1)), list(record.guards)
    for stage in stages:
        failed = stage is last
        note = record.failure.code if failed and record.failure is not None else ""
        made.append(Bar("stage", stage.name, stage.start_us, stage.duration_us, note, FAILED if failed else " "))
        if stage.name == "upstream":
            made += [_attempt(record, number, attempt, 1) for number, attempt in attempts]
            attempts = []
        mine = [result for result in guards if _HOLDS[result.direction] == stage.name]
        made += [_guard(result, stage.start_us) for result in mine]
        guards = [result for result in guards if result not in mine]
    made += [_attempt(record, number, attempt, 0) for number, attempt in attempts]
    return [*made, _total(record)]


def waterfall(record: Record, width: int, *, ascii_only: bool) -> Iterator["Text"]:
    """Lines of at most `width` columns, if that is 60 or more."""
    from rich.text import Text

    rows, glyphs = bars(record), _ASCII if ascii_only else _GLYPHS
    total = max(1, *(bar.end for bar in rows))
    longest = max(12, min(LONGEST_LABEL, width - LEAST_BAR - _AROUND))
    labels = [_fitting("  " * bar.depth + plain(bar.label), longest) for bar in rows]
    widest = max(map(len, labels))
    notes = ROOM_FOR_NOTES if width >= WIDE else 0
    columns = max(LEAST_BAR, min(MOST_BAR, width - widest - _AROUND - notes))
    edge, left = glyphs["edge"], " " * (widest + 4)
    yield Text(f"{left}{edge}{_axis(total, columns)}{edge}{'start':>10} {'took':>10}", style="dim")
    if record.ttft_us is not None:
        at = min(columns - 1, record.ttft_us * columns // total)
        mark = f"{' ' * at}{glyphs['mark']}".ljust(columns)
        yield Text(f"    {'first token':<{widest}}"[: widest + 4] + f"{edge}{mark}{edge}{_ms(record.ttft_us):>10}")
    for bar, label in zip(rows, labels, strict=True):
        style = "red" if bar.sign == FAILED else _STYLES[bar.kind]
        times = f"{_ms(bar.start):>10} {_ms(bar.duration):>10}"
        note = plain(bar.note)
        line = Text.assemble(
            f"  {bar.sign} {label:<{widest}}", edge, (_drawn(bar, total, columns, glyphs), style), edge, times
        )
        if note and len(line) + 2 + len(note) > width:
            yield line
            line = Text(f"{left} ")
            note = _fitting(note, max(LEAST_BAR, width - len(line) - 2))
        if note:
            line.append(f"  {note}", style="red" if bar.sign == FAILED else "dim")
        yield line


def _drawn(bar: Bar, total: int, columns: int, glyphs: dict[str, str]) -> str:
    begin = min(columns - 1, bar.start * columns // total)
    end = max(begin + 1, min(columns, -(-bar.end * columns // total)))
    solid = begin
    if bar.kind == "attempt":
        # It is shown that a first byte came, however late.
        solid = end if bar.first is None else max(begin, min(end - 1, bar.first * columns // total))
    drawn = " " * begin + glyphs["waits"] * (solid - begin) + glyphs[bar.kind] * (end - solid)
    return drawn.ljust(columns)


def _axis(total: int, columns: int) -> str:
    """The time at each quarter, as far as there is room."""
    axis, end = [" "] * columns, _ms(total)
    for part in range(1, 4):
        text, at = _ms(total * part // 4), columns * part // 4
        if len(text) + 2 <= columns // 4 and at + len(text) + 2 <= columns - len(end):
            axis[at : at + len(text)] = text
    axis[0], axis[columns - len(end) :] = "0", end
    return "".join(axis)[:columns]


def _attempt(record: Record, number: int, attempt: Attempt, depth: int) -> Bar:
    failed = attempt.error is not None
    first = attempt.first_byte_us
    note = (
        attempt.why if attempt.why != "first" else "",
        "" if attempt.status is None else str(attempt.status),
        attempt.error or "",
        f"({attempt.failure})" if attempt.failure else "",
        "" if first is None else f"first byte at {_ms(first)}",
    )
    label = f"try {number} {attempt.provider}/{attempt.model}"
    text, sign = " ".join(filter(None, note)), FAILED if failed else " "
    return Bar("attempt", label, attempt.start_us, attempt.duration_us, text, sign, depth, first)


def _guard(result: GuardResult, start: int) -> Bar:
    grave = result.verdict == "error" or result.action == "block"
    sign = FAILED if grave else NOTED if result.verdict != "allow" else " "
    done = result.verdict if result.verdict == result.action else f"{result.verdict}, {result.action}"
    return Bar("guard", result.policy or result.guard, start, result.duration_us, done, sign, 1)


def _total(record: Record) -> Bar:
    share = record.overhead_us / max(1, record.duration_us)
    note = f"ours {_ms(record.overhead_us)} ({share:.1%})"
    sign = " " if record.state == "ok" else FAILED
    return Bar("total", record.state, 0, record.duration_us, note, sign)


def _fitting(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 2]}.."


def _ms(us: int) -> str:
    return f"{us / 1000:.2f} ms"
