"""A plan as Markdown, for a pull request."""

from collections.abc import Iterator

from llmctl.plan.report import Plan, Stage
from llmctl.plan.text import estimate, interval, notes, printable, shown, spoken, when

EXAMPLES = 2
KINDS = 8


def as_markdown(plan: Plan) -> str:
    """GitHub's Markdown; what was recorded stands in code, so that nothing in it is a mention, a link or a tag."""
    return "\n".join([*_head(plan), *_answers(plan), *_kinds(plan), *_left_out(plan), *_differences(plan)]) + "\n"


def _head(plan: Plan) -> Iterator[str]:
    traffic = plan.traffic
    failed = [one for one in plan.checks if one.failed]
    yield f"## llmctl plan{': failed' if failed else ''}"
    yield ""
    yield (
        f"{_code(plan.old.file)} → {_code(plan.new.file)}, over {traffic.requests:,} recorded requests "
        f"({when(traffic.first)} to {when(traffic.last)} UTC)."
    )
    if plan.checks:
        yield ""
        for one in plan.checks:
            yield f"- {'❌' if one.failed else '✅'} {_code(one.condition)}: {_plain(one.why)}"
    yield ""


def _answers(plan: Plan) -> Iterator[str]:
    yield "| stage | figure | estimate | 95% interval | how |"
    yield "|---|---|--:|---|---|"
    for stage in plan.stages:
        if stage.status != "evaluated":
            yield f"| {stage.name} | {stage.status} | | | {_plain(stage.why)} |"
        for one in shown(stage.figures) if stage.status == "evaluated" else ():
            how = one.told + (f"; {one.note}" if one.note and one.estimate is not None else "")
            said = how if one.estimate is not None else one.note
            number = estimate(one) if one.estimate is not None else "—"
            yield f"| {stage.name} | {_plain(one.name)} | {number} | {interval(one)} | {_plain(said)} |"
    yield ""
    for note, names in notes(plan.stages).items():
        yield f"> {', '.join(names)}: {_plain(note)}"
        yield ""


def _kinds(plan: Plan) -> Iterator[str]:
    for stage in plan.stages:
        if stage.kinds:
            yield f"<details><summary>{stage.name}: what becomes of requests</summary>"
            yield ""
            yield from _stage_kinds(stage)
            yield ""
            yield "</details>"
            yield ""


def _stage_kinds(stage: Stage) -> Iterator[str]:
    for kind in stage.kinds[:KINDS]:
        yield f"- {_code(kind.name)}: {kind.requests:,.0f} requests ({kind.share:.1%})"
        for one in kind.examples[:EXAMPLES]:
            yield f"  - {_code(one.id)} {_code(one.text)}"
    if len(stage.kinds) > KINDS:
        yield f"- and {len(stage.kinds) - KINDS} more kinds"


def _left_out(plan: Plan) -> Iterator[str]:
    traffic = plan.traffic
    rows = [("all", why, count) for why, count in traffic.left_out.items()]
    rows += [(stage.name, why, count) for stage in plan.stages for why, count in stage.left_out.items()]
    if traffic.without_content:
        rows.append(("all", "have no content", traffic.without_content))
    if traffic.redacted:
        rows.append(("all", "had values redacted", traffic.redacted))
    if rows:
        yield "Left out, or known in part:"
        yield ""
        for name, why, count in rows:
            yield f"- {count:,} of {name}: {_plain(why)}"
        yield ""


def _differences(plan: Plan) -> Iterator[str]:
    total = sum(map(len, plan.groups.values()))
    yield f"<details><summary>what differs: {total:,} settings</summary>"
    yield ""
    for group, differences in plan.groups.items():
        for one in differences:
            yield f"- {group}: {_code(spoken(one))}"
    yield ""
    yield "</details>"


def _plain(text: str) -> str:
    return "".join(f"\\{char}" if char in "\\`*_{}[]<>#|~!$" else char for char in printable(text))


def _code(text: str) -> str:
    return "" if not text else "`" + printable(text).replace("`", "'").replace("|", "¦") + "`"
