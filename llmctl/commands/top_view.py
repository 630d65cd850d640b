"""One frame of `llmctl top`: a gateway's overview as lines of text that fit a terminal.

Names in it are the gateway's, and may be anybody's: nothing of them is obeyed, by the terminal or by rich.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import floor
from typing import TYPE_CHECKING

from llmctl.reports.text import plain
from llmctl.server.console.overview import SPAN, Budget, ModelNow, Overview, Point

if TYPE_CHECKING:
    from rich.text import Text

LEAST_NAME, MOST_NAME, BESIDE_NAME = 14, 36, 66
"""Columns of a name, and of all that stands beside it."""
BLOCKS, ASCII_BLOCKS = "▁▂▃▄▅▆▇█", "_.:-=+*#"
STALE = 15.0
"""Seconds for which a point of the series stands for what came after it."""
GRAVE, FAIR, DIM, HEAD = "bold red", "yellow", "dim", "bold"
_MODELS = (("req/s", 7), ("errors", 8), ("p50", 7), ("p95", 7), ("tok/s", 7), ("$ today", 9))


@dataclass(frozen=True, slots=True)
class Screen:
    """What there is to draw on."""

    width: int
    height: int
    ascii_only: bool = False

    def named(self, name: str) -> str:
        """The name, as wide as names are here."""
        columns, shown = max(LEAST_NAME, min(MOST_NAME, self.width - BESIDE_NAME)), plain(name)
        return f"{shown if len(shown) < columns else shown[: columns - 3] + '..':<{columns}}"


@dataclass(frozen=True, slots=True)
class Block:
    """A heading and lines of which some may be left out, those at the end first."""

    head: "Text"
    lines: "list[Text]"


def frame(seen: Overview, source: str, screen: Screen, trouble: str = "") -> "list[Text]":
    """At most `screen.height` lines of at most `screen.width` columns; `trouble` is why there is nothing newer."""
    top = [*_title(seen, source, trouble), *_now(seen), *_lines(seen, screen), *_sums(seen)]
    blocks = [
        block
        for block in (_alerts(seen), _models(seen, screen), _budgets(seen, screen), _guards(seen, screen))
        if block.lines
    ]
    room = screen.height - len(top) - len(blocks)
    shown = list(top)
    for block, count in zip(blocks, _shared([len(block.lines) for block in blocks], room), strict=True):
        if count:
            shown += [block.head, *_cut(block.lines, count)]
    for line in shown:
        line.truncate(screen.width, overflow="ellipsis")
    return shown[: screen.height]


def sparkline(
    points: Sequence[Point], name: str, columns: int, now: float, *, ascii_only: bool = False
) -> tuple[str, float | None]:
    """(one character for each stretch of the last `SPAN` seconds, the highest value). Blank where nothing is known."""
    if columns < 1:
        return "", None
    cells: list[float | None] = [None] * columns
    known = [(point.t, value) for point in points if (value := getattr(point, name)) is not None]
    ends = [*(at for at, _ in known[1:]), now]
    for (at, value), after in zip(known, ends, strict=False):
        first = floor((at - now + SPAN) / SPAN * columns)
        last = floor((min(after, at + STALE) - now + SPAN) / SPAN * columns)
        for cell in range(max(0, first), max(first + 1, last)):
            if 0 <= cell < columns:
                cells[cell] = max(value, cells[cell] or 0.0) if cell == first else value
    highest = max((cell for cell in cells if cell is not None), default=None)
    levels = ASCII_BLOCKS if ascii_only else BLOCKS
    return "".join(
        " " if cell is None else levels[round(cell / (highest or 1.0) * (len(levels) - 1))] for cell in cells
    ), highest


def milliseconds(value: float | None) -> str:
    """With three digits that say something."""
    if value is None:
        return "-"
    if value >= 10_000:
        return f"{value / 1000:.1f} s"
    if value >= 1000:
        return f"{value / 1000:.2f} s"
    return f"{value:.0f} ms" if value >= 10 else f"{value:.1f} ms"


def count(value: float) -> str:
    """`950`, `12.3k`, `4.56M`."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= 0.9995 * size:
            return f"{value / size:.3g}{unit}"
    return f"{value:.3g}"


def dollars(value: float | None) -> str:
    """Small sums with as many digits as say something; `-` where nobody knows."""
    if value is None:
        return "-"
    return f"${value:,.2f}" if value >= 1 or value == 0 else f"${value:.2g}"


def age(seconds: float) -> str:
    """`12 s`, `5 m`, `3 h`, `2 d`."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(0.0, seconds):.0f} s"


def _text(*parts: "str | tuple[str, str]") -> "Text":
    from rich.text import Text

    return Text.assemble(*(part if isinstance(part, tuple) else (part, "") for part in parts), no_wrap=True)


def _title(seen: Overview, source: str, trouble: str) -> "Iterator[Text]":
    state = ("draining", FAIR) if seen.draining else ("ready", "green") if seen.ready else ("! NOT READY", GRAVE)
    fewer = seen.serving is not None and seen.serving < seen.workers
    counted = f"  ! {seen.serving} of {seen.workers} workers" if fewer else f"  {seen.workers} workers"
    workers = (counted if seen.workers != 1 else "", GRAVE if fewer else "")
    policy = f"  loaded {age(seen.time - seen.loaded_at)} ago: {plain(seen.policy)[:12]}"
    yield _text((f"llmctl {plain(seen.version)} ", HEAD), state, f"  {plain(source)}", workers, policy)
    if trouble:
        yield _text((f"! no answer, this is {plain(trouble)}", GRAVE))
    if seen.reload_error is not None:
        yield _text((f"! reload failed, the old configuration serves: {plain(seen.reload_error)}", GRAVE))
    for name, why in seen.reasons.items():
        yield _text((f"! {plain(name)}: {plain(why)}", GRAVE))


def _now(seen: Overview) -> "Iterator[Text]":
    now = seen.now
    errors = f"{'! ' if now.errors_per_s else ''}{count(now.errors_per_s)} errors/s"
    yield _text(
        ("traffic  ", HEAD),
        f"{count(now.requests_per_s)} req/s  ",
        (errors, GRAVE if now.errors_per_s else ""),
        f"  {count(now.refused_per_s)} refused/s  {now.in_flight} in flight  {count(now.tokens_per_s)} tok/s",
    )
    yield _text(
        ("time     ", HEAD),
        f"p50 {milliseconds(now.p50_ms)}  p95 {milliseconds(now.p95_ms)}  p99 {milliseconds(now.p99_ms)}  "
        f"TTFT p95 {milliseconds(now.ttft_p95_ms)}  ours p99 {milliseconds(now.overhead_p99_ms)}",
    )


def _lines(seen: Overview, screen: Screen) -> "Iterator[Text]":
    for title, name, unit in (
        ("req/s", "requests_per_s", ""),
        ("p95", "p95_ms", "ms"),
        ("errors/s", "errors_per_s", ""),
    ):
        columns = screen.width - 9 - 14
        drawn, highest = sparkline(seen.series, name, columns, seen.time, ascii_only=screen.ascii_only)
        top = milliseconds(highest) if unit else "-" if highest is None else count(highest)
        style = GRAVE if name == "errors_per_s" and highest else "cyan"
        yield _text((f"{title:<9}", HEAD), (f"{drawn:<{max(0, columns)}}", style), (f" max {top}", DIM))


def _sums(seen: Overview) -> "Iterator[Text]":
    cost, cache, totals, records = seen.cost, seen.cache, seen.totals, seen.records
    pace = "" if cost.per_hour_usd is None else f"  {dollars(cost.per_hour_usd)}/h"
    known = "no price known" if cost.usd is None else f"{dollars(cost.usd)} today"
    tokens = f"{count(totals.input_tokens)} tokens in, {count(totals.output_tokens)} out"
    yield _text(("cost     ", HEAD), f"{known}{pace}  {tokens} in {age(seen.time - seen.since)}")
    if cache.configured:
        share = "-" if cache.hit_share is None else f"{cache.hit_share:.1%}"
        worst = max(cache.error_bound.items(), key=lambda item: item[1], default=None)
        bound = "" if worst is None else f"  false <= {worst[1]:.2%} ({plain(worst[0])})"
        saved = f"  saved {count(cache.saved_tokens)} tokens"
        yield _text(("cache    ", HEAD), f"{share} of {count(cache.looked_up)} from it{saved}{bound}")
    if lost := sum(records.dropped.values()):
        reasons = ", ".join(f"{plain(reason)} {number}" for reason, number in records.dropped.items())
        yield _text((f"! records  {lost} dropped ({reasons})", GRAVE))
    elif records.lag_s >= 5:
        yield _text((f"! records  the oldest has waited {age(records.lag_s)} for the disk", FAIR))


def _alerts(seen: Overview) -> Block:
    lines = [
        _text(
            (f"! {alert.severity:<7}", GRAVE if alert.severity == "page" else FAIR),
            f"{plain(alert.name)}  {age(seen.time - alert.since)}  {plain(alert.summary)}",
        )
        for alert in sorted(seen.alerts, key=lambda alert: (alert.severity != "page", alert.since))
    ]
    return Block(_text((f"alerts ({len(lines)})", GRAVE)), lines)


def _models(seen: Overview, screen: Screen) -> Block:
    head = screen.named("model") + "".join(f"{title:>{width}}" for title, width in _MODELS) + "  breaker"
    ranked = sorted(seen.by_model, key=lambda model: (model.breaker != "open", -model.requests_per_s, -model.requests))
    return Block(_text((head, HEAD)), [_model(seen, model, screen) for model in ranked])


def _model(seen: Overview, model: ModelNow, screen: Screen) -> "Text":
    failing = model.error_share or 0.0
    errors = "-" if model.error_share is None else f"{'!' if failing else ''}{failing:.1%}"
    open_ = model.breaker == "open"
    breaker = f"! {model.breakers_open}/{seen.workers} open" if open_ else model.breaker
    queue = f", {model.queue} wait" if model.queue else ""
    return _text(
        f"{screen.named(model.model)}{count(model.requests_per_s):>7}",
        (f"{errors:>8}", GRAVE if failing else ""),
        f"{milliseconds(model.p50_ms):>7}{milliseconds(model.p95_ms):>7}{count(model.tokens_per_s):>7}",
        f"{dollars(model.usd_today):>9}  ",
        (breaker + queue, GRAVE if open_ else ""),
    )


def _budgets(seen: Overview, screen: Screen) -> Block:
    head = f"{screen.named('budget')}{'left':>9}{'spent':>12}{'of':>12}"
    ranked = sorted(seen.budgets, key=lambda budget: budget.remaining)
    return Block(_text((head, HEAD)), [_budget(budget, screen) for budget in ranked])


def _budget(budget: Budget, screen: Screen) -> "Text":
    used = min(1.0, max(0.0, 1 - budget.remaining))
    gone = budget.remaining <= 0
    style = GRAVE if gone else FAIR if used >= budget.soft else "green"
    sign = "! " if gone else "~ " if used >= budget.soft else "  "
    full, rest = "#-" if screen.ascii_only else "█░"
    bar = full * round(used * 12)
    every = f" a {plain(budget.every)}" if budget.every else ""
    left, spent = f"{max(0.0, budget.remaining):.0%}", dollars(budget.spent_usd)
    return _text(
        f"{screen.named(budget.name)}{left:>9}{spent:>12}{dollars(budget.usd):>12}{every:<8}  ",
        (f"{sign}{bar:{rest}<12}", style),
    )


def _guards(seen: Overview, screen: Screen) -> Block:
    lines = []
    for guard in sorted(seen.guards, key=lambda guard: (-guard.judged, guard.guard)):
        broken = guard.verdicts.get("error", 0)
        done = "  ".join(
            f"{plain(name)} {count(number)}" for name, number in guard.actions.items() if name != "allow" and number
        )
        failed = f"  ! failed {count(broken)}" if broken else ""
        lines.append(
            _text(f"{screen.named(guard.guard)}{count(guard.judged):>9}  ", done or ("-", DIM), (failed, GRAVE))
        )
    return Block(_text((f"{screen.named('guard')}{'judged':>9}  what was done", HEAD)), lines)


def _shared(wanted: Sequence[int], room: int) -> list[int]:
    """Lines for each, one after the other in turn, until there is no more room or nothing more wanted."""
    given = [0] * len(wanted)
    while room > 0 and any(have < want for have, want in zip(given, wanted, strict=True)):
        for at, want in enumerate(wanted):
            if room > 0 and given[at] < want:
                given[at] += 1
                room -= 1
    return given


def _cut(lines: "list[Text]", room: int) -> "list[Text]":
    """The first of them; the last line tells how many more there are."""
    if len(lines) <= room:
        return lines
    return [*lines[: room - 1], _text((f"... {len(lines) - room + 1} more", DIM))]
