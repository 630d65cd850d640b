"""`llmctl plan OLD NEW --traces DIR`: what a change of the configuration would have done to recorded traffic."""

import asyncio
import math
import sys
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from llmctl.clock import SystemClock
from llmctl.commands.options import print_json
from llmctl.config.load import Loaded, load
from llmctl.config.secrets import Environment
from llmctl.errors import CheckFailed, UsageError

if TYPE_CHECKING:
    from llmctl.model.record import Record
    from llmctl.plan.conditions import Condition
    from llmctl.plan.plan import Question
    from llmctl.plan.replaying import Sample
    from llmctl.plan.report import Plan

Format = Literal["text", "markdown", "json"]


def plan(
    old: Annotated[Path, typer.Argument(metavar="OLD", help="Configuration under which the traffic was recorded.")],
    new: Annotated[Path, typer.Argument(metavar="NEW", help="Configuration that is to replace it.")],
    traces: Annotated[Path, typer.Option("--traces", metavar="DIR", help="The record store.")],
    since: Annotated[
        str | None, typer.Option("--since", metavar="TIME", help="Only from then on: 24h, or 2026-01-31T12:00Z.")
    ] = None,
    most: Annotated[int, typer.Option("--limit", min=1, help="Newest records to look at.")] = 200_000,
    any_policy: Annotated[
        bool, typer.Option("--any-policy", help="Records of other configurations count too, as if OLD had been there.")
    ] = False,
    scores: Annotated[
        Path | None,
        typer.Option("--scores", metavar="FILE", help="JSON lines {id, score}: how good recorded answers were."),
    ] = None,
    fail_on: Annotated[
        list[str] | None,
        typer.Option(
            "--fail-on",
            metavar="CONDITION",
            help="Exit with 3 where it cannot be ruled out: 'blocked>1%', 'cost>+5%', no_support. May be repeated.",
        ),
    ] = None,
    replay: Annotated[
        int | None, typer.Option("--replay", min=2, max=100_000, help="Ask so many sampled requests again under NEW.")
    ] = None,
    max_cost: Annotated[
        float | None, typer.Option("--max-cost", min=0, help="With --replay: US dollars that may be spent.")
    ] = None,
    format_: Annotated[Format, typer.Option("--format", help="How to print it.")] = "text",
    json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
) -> None:
    """Say what a change would have done to recorded traffic, before it ships. Sends nothing but for --replay.

    Shares and costs come with 95% intervals; what records cannot tell is said to have no support. See docs/plan.md.
    """
    from llmctl.plan.conditions import checks
    from llmctl.plan.plan import Question

    conditions = _conditions(fail_on or [])
    env = Environment.of_process()
    question = Question(load(old, env), load(new, env), str(traces), any_policy, _scores(scores) if scores else {})
    found = _planned(question, traces, since, most, replay, max_cost)
    found = _with(found, checks=checks(found, conditions))
    _print(found, "json" if json else format_)
    failed = [one.condition for one in found.checks if one.failed]
    if failed:
        raise CheckFailed(f"--fail-on: {', '.join(failed)}")


def _planned(
    question: "Question", traces: Path, since: str | None, most: int, replay: int | None, max_cost: float | None
) -> "Plan":
    from llmctl.plan.plan import plan as planned

    clock = SystemClock()
    sample = _sample(replay, question) if replay is not None else None
    records = _records(traces, since, most)
    found = planned(question, records, clock, () if sample is None else (sample.see,))
    if not found.traffic.requests:
        raise UsageError(_nothing(found, traces))
    if sample is not None:
        found = _replayed(found, question.new, sample, max_cost)
    return found


def _records(traces: Path, since: str | None, most: int) -> "Iterator[Record]":
    """The newest, with a word on stderr where there are more, and progress where somebody watches."""
    from llmctl.telemetry.reader import Filter, RecordReader, parse_when

    if not traces.is_dir():
        raise UsageError(f"--traces: {traces} is no folder; give the record store's, such as .llmctl/records")
    try:
        start = parse_when(since, SystemClock().wall()) if since is not None else None
    except ValueError as error:
        raise UsageError(f"--since: {error}") from None
    reader = RecordReader(traces, lambda line: print(f"warning: {line}", file=sys.stderr))
    records = reader.newest(Filter(since=start))
    if not sys.stderr.isatty():
        yield from islice(records, most)
        return
    for number, record in enumerate(islice(records, most), 1):
        yield record
        if not number % 1000:
            print(f"\r{number:,} records", end="", file=sys.stderr, flush=True)
    print("\r\033[K", end="", file=sys.stderr, flush=True)


def _sample(replay: int, question: "Question") -> "Sample":
    from llmctl.gateway.odds import RouteOdds
    from llmctl.plan.prices import Pricing
    from llmctl.plan.replaying import Sample

    clock, old, new = SystemClock(), question.old, question.new
    return Sample(replay, old, new, RouteOdds(new, clock), Pricing(old, new, clock))


def _replayed(found: "Plan", new: Loaded, sample: "Sample", max_cost: float | None) -> "Plan":
    """With what was measured. Raises UsageError, with the price, where nobody has said that it may be paid."""
    from llmctl.gateway.local import LocalGateway
    from llmctl.plan.replaying import replay

    if not sample.drawn:
        raise UsageError("--replay: no record can be asked again: it takes requests with content that is as it was")
    price = sample.price()
    told = f"{len(sample.drawn):,} requests would cost about ${price:.4g}, at the recorded tokens"
    if math.isnan(price):
        told = f"what {len(sample.drawn):,} requests would cost is not known: not every model has a price"
    if max_cost is None:
        raise UsageError(f"--replay: {told}; say with --max-cost what may be spent")
    if price > max_cost:
        raise UsageError(f"--replay: {told}, which is over --max-cost {max_cost:g}; take fewer, or allow more")
    if math.isnan(price):
        raise UsageError(f"--replay: {told}; declare it under `prices`")
    stage = asyncio.run(replay(sample.drawn, LocalGateway(new), max_cost))
    return _with(found, stages=[*found.stages, stage])


def _conditions(given: Sequence[str]) -> "list[Condition]":
    from llmctl.plan.conditions import condition

    try:
        return [condition(one) for text in given for one in text.split(",") if one.strip()]
    except ValueError as error:
        raise UsageError(f"--fail-on: {error}") from None


def _scores(path: Path) -> dict[str, float]:
    from llmctl.model.json import UNDECODABLE, decode

    found: dict[str, float] = {}
    number = 0
    try:
        with path.open("rb") as file:
            for line in file:
                number += 1
                if line.strip():
                    row: Any = decode(line)
                    found[str(row["id"])] = float(row["score"])
    except OSError as error:
        raise UsageError(f"--scores: {path}: cannot be read: {error.strerror}") from None
    except (*UNDECODABLE, KeyError, TypeError, ValueError):
        raise UsageError(f'--scores: {path}:{number}: write {{"id": "req_…", "score": 0.5}}') from None
    return found


def _nothing(found: "Plan", traces: Path) -> str:
    if found.traffic.left_out:
        told = "; ".join(f"{count:,} {why}" for why, count in found.traffic.left_out.items())
        return f"--traces: {traces}: no record counts: {told}. With --any-policy those of other configurations do"
    return f"--traces: {traces}: has no records; `llmctl serve` keeps them where `records.dir` says"


def _print(found: "Plan", format_: Format) -> None:
    if format_ == "json":
        print_json(found.told())
    elif format_ == "markdown":
        from llmctl.plan.markdown import as_markdown

        print(as_markdown(found), end="")
    else:
        from llmctl.plan.text import as_text

        print(as_text(found), end="")


def _with(found: "Plan", **changes: Any) -> "Plan":
    from msgspec.structs import replace

    return replace(found, **changes)
