"""A plan for people, on one screen: what differs, what it would have done, examples, what is left out."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from llmctl.config.diff import Difference
from llmctl.plan.report import Figure, Plan, Stage, Unit

DIFFERENCES = 4
"""Of a group, shown; JSON has all."""

KINDS = 4
ALONE = "by weights alone"
WIDE = 28
_UNITS: dict[Unit, str] = {"share": "", "USD": " a request", "s": "", "tokens": " a request", "score": ""}


def as_text(plan: Plan, *, examples: int = 2) -> str:
    """Plain characters, a line at a time."""
    lines = [*_head(plan), "", *_changed(plan), "", *_answers(plan.stages), *_kinds(plan.stages, examples)]
    lines += _left_out(plan)
    if plan.checks:
        lines += ["", "--fail-on"]
        lines += [f"  {'FAILED' if one.failed else 'ok':6}  {one.condition}  ({one.why})" for one in plan.checks]
    return "\n".join(printable(line).rstrip() for line in lines) + "\n"


def when(seconds: float | None) -> str:
    """A time, UTC, to the minute."""
    return "?" if seconds is None else datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M")


def spoken(one: Difference) -> str:
    """A difference as `config diff` writes it."""
    if one.change == "added":
        return f"+ {one.path}: {_said(one.new)}"
    if one.change == "removed":
        return f"- {one.path}: {_said(one.old)}"
    return f"~ {one.path}: {_said(one.old)} -> {_said(one.new)}"


def _said(value: Any) -> Any:
    """Without what is not set."""
    if isinstance(value, dict):
        return {key: _said(inner) for key, inner in value.items() if inner not in (None, [], {})}
    return value


def estimate(one: Figure) -> str:
    """The estimate: a share as it is, other figures as a change, with the relative one where there is one."""
    if one.estimate is None:
        return one.told
    if one.unit == "share" and one.base is None:
        return f"{one.estimate:.2%}"
    relative = one.relative
    if relative is not None and one.unit != "share":
        return f"{relative[0]:+.2%} ({_amount(one.estimate, one.unit)}{_UNITS[one.unit]})"
    return _amount(one.estimate, one.unit)


def interval(one: Figure) -> str:
    """Its limits, in the same way."""
    if one.estimate is None or (one.low is None and one.high is None):
        return ""
    low, high = one.low, one.high
    if one.unit == "share" and one.base is None:
        return f"{_share(low, '.2%')} to {_share(high, '.2%')}"
    relative = one.relative
    if relative is not None and one.unit != "share":
        return f"{_share(relative[1], '+.2%')} to {_share(relative[2], '+.2%')}"
    return " to ".join("?" if limit is None else _amount(limit, one.unit) for limit in (low, high))


def printable(text: str) -> str:
    """What a terminal will not obey: control and direction characters written out."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def _head(plan: Plan) -> list[str]:
    traffic = plan.traffic
    return [
        f"plan     {plan.old.file} ({plan.old.digest[:8]}) -> {plan.new.file} ({plan.new.digest[:8]})",
        f"records  {traffic.folder}: {traffic.requests:,} requests, {when(traffic.first)} to {when(traffic.last)} UTC",
    ]


def _changed(plan: Plan) -> Iterator[str]:
    if not plan.groups:
        yield "nothing differs in meaning"
        return
    yield "what differs"
    for group, differences in plan.groups.items():
        for at, one in enumerate(differences[:DIFFERENCES]):
            yield f"  {group if not at else '':<12}{spoken(one)[:160]}"
        if len(differences) > DIFFERENCES:
            yield f"  {'':<12}… and {len(differences) - DIFFERENCES} more"


def _answers(stages: Sequence[Stage]) -> Iterator[str]:
    yield "what it would have done"
    rows = [row for stage in stages for row in _rows(stage)]
    widths = [max((len(row[at]) for row in rows), default=0) for at in range(4)]
    for row in rows:
        if not row[2] and not row[3]:
            yield f"  {row[0]:<{widths[0]}}  {row[1]}: {row[4]}"
        elif not row[3] and row[4].startswith(row[2]):
            yield f"  {row[0]:<{widths[0]}}  {row[1]:<{widths[1]}}  {row[4]}"
        else:
            figures = f"{row[2]:>{widths[2]}}  {row[3]:<{widths[3]}}"
            yield f"  {row[0]:<{widths[0]}}  {row[1]:<{widths[1]}}  {figures}  {row[4]}"
    for note, names in notes(stages).items():
        yield f"  note: {', '.join(names)}: {note}"


def _rows(stage: Stage) -> Iterator[tuple[str, str, str, str, str]]:
    """Stage, figure, estimate, interval, how; shares that are none stand on one line."""
    if stage.status != "evaluated" or not stage.figures:
        why = stage.why if stage.status != "evaluated" else "no request reached it"
        yield stage.name, stage.status, "", "", why
        return
    first = stage.name
    none = [one for one in stage.figures if nothing(one)]
    for one in shown(stage.figures):
        said = one.note if one.estimate is None else one.told + (f"; {one.note}" if one.note else "")
        if one not in none:
            yield first, one.name, estimate(one), interval(one), said
            first = ""
    if none:
        most = max(one.high or 0.0 for one in none)
        names = ", ".join(one.name for one in none)
        yield first, "none", "", "", f"{names} (exact; {'each ' if len(none) > 1 else ''}at most {most:.2%})"


def shown(figures: Sequence[Figure]) -> list[Figure]:
    """Without those that are there to check others by, which JSON has."""
    return [one for one in figures if not one.name.endswith(ALONE)]


def nothing(one: Figure) -> bool:
    """Whether a share is none of the requests."""
    return one.unit == "share" and one.base is None and one.estimate == 0


def notes(stages: Sequence[Stage]) -> dict[str, list[str]]:
    """Each note once, with the stages it is about."""
    found: dict[str, list[str]] = {}
    for stage in stages:
        for note in stage.notes:
            found.setdefault(note, []).append(stage.name)
    return found


def _kinds(stages: Sequence[Stage], examples: int) -> Iterator[str]:
    for stage in stages:
        if not stage.kinds:
            continue
        yield ""
        yield f"{stage.name}: what becomes of requests"
        for kind in stage.kinds[:KINDS]:
            yield f"  {kind.name}: {kind.requests:,.0f} requests ({kind.share:.1%})"
            for one in kind.examples[:examples]:
                yield f"    {one.id}  {one.text}"
        if len(stage.kinds) > KINDS:
            yield f"  … and {len(stage.kinds) - KINDS} more kinds (--format json has all)"


def _left_out(plan: Plan) -> Iterator[str]:
    traffic = plan.traffic
    told = [("all stages", traffic.left_out), *((stage.name, stage.left_out) for stage in plan.stages)]
    rows = [(name, why, count) for name, counts in told for why, count in sorted(counts.items(), key=lambda x: -x[1])]
    if traffic.without_content or traffic.redacted or rows:
        yield ""
        yield "left out, or known in part"
        if traffic.without_content:
            yield f"  {traffic.without_content:>9,}  have no content (records.content, or too large)"
        if traffic.redacted:
            yield f"  {traffic.redacted:>9,}  had values redacted: their text is what was left of it"
    for name, why, count in rows:
        yield f"  {count:>9,}  {name}: {why}"


def _amount(value: float, unit: Unit) -> str:
    if unit == "USD":
        return f"{'-' if value < 0 else '+'}${abs(value):.3g}"
    if unit == "share":
        return f"{100 * value:+.2f} points"
    return f"{value:+.3g}{' s' if unit == 's' else ''}"


def _share(value: float | None, form: str) -> str:
    return "?" if value is None else format(value, form)
