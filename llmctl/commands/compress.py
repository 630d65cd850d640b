"""`llmctl compress`: bench."""

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from llmctl.clock import SystemClock
from llmctl.commands.options import JsonOption, print_json
from llmctl.commands.rows import read_rows
from llmctl.errors import UsageError

if TYPE_CHECKING:
    from llmctl.compress.measure import Measured, Meeting, Outcome, Question

app = typer.Typer(help="Measure prompt compression.", no_args_is_help=True)

PROXY = (
    "Retention is a proxy: what is kept may still not be found by a model, and what is lost may not have been needed. "
    "Judge a policy by the answers that come of it."
)
SHAPES = (
    "give `question`, `answers` and `ctxs` (Natural Questions), or `meeting_transcripts` and `specific_query_list` "
    "(QMSum)"
)
DRAWS = 2000

Row = TypeVar("Row")


@app.callback()
def root() -> None:
    """Measure prompt compression."""


@app.command()
def bench(
    data: Annotated[Path, typer.Option("--data", help="JSON lines, also gzipped: Natural Questions or QMSum rows.")],
    budget: Annotated[float, typer.Option(min=0.01, max=1.0, help="Share of the tokens to keep.")] = 0.33,
    distractors: Annotated[int, typer.Option(min=1, max=200, help="Passages beside the one with the answer.")] = 19,
    limit: Annotated[int | None, typer.Option(min=1, help="Measure the first so many rows.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the order of passages, the random baseline, resampling.")] = 0,
    json: JsonOption = False,
) -> None:
    """Measure what extraction keeps, with truncation and random units beside it, and what it costs.

    Natural Questions: answers kept, each gold passage among the BM25 distractors of the file's other passages, with
    titles and without. QMSum: relevant turns kept. Tokens are taken as four bytes.
    """
    questions, meetings = read(data, limit)
    found: dict[str, Any] = {"data": str(data), "budget": budget, "seed": seed, "note": PROXY}
    if questions:
        found["nq"] = _questions(questions, budget, distractors, seed)
    if meetings:
        found["qmsum"] = _meetings(meetings, budget, seed)
    if json:
        print_json(found)
        return
    for line in lines(found):
        print(line)


def _questions(questions: "Sequence[Question]", budget: float, distractors: int, seed: int) -> dict[str, Any]:
    from llmctl.compress.extract import estimate
    from llmctl.compress.measure import answers, has_answer

    usable = [one for one in questions if has_answer(one.gold.text, one.answers)]
    if len({one.gold for one in usable}) < 2:
        raise UsageError("fewer than two passages have their answer in them; there is nothing to measure")
    found: dict[str, Any] = {"n": len(usable), "left_out": len(questions) - len(usable), "distractors": distractors}
    for name, titles in (("with_titles", True), ("without_titles", False)):
        steps = answers(
            usable, budget, count=estimate, clock=SystemClock(), distractors=distractors, titles=titles, seed=seed
        )
        measured = _last(_watched(steps, len(usable)))
        found[name] = _figures(measured, _retained)
    return found


def _meetings(found: "Sequence[Meeting]", budget: float, seed: int) -> dict[str, Any]:
    from llmctl.compress.extract import estimate
    from llmctl.compress.measure import meetings

    total = sum(len(meeting.queries) for meeting in found)
    if not total:
        raise UsageError("no query says which turns are relevant (`relevant_text_span`); there is nothing to measure")
    measured = _last(_watched(meetings(found, budget, count=estimate, clock=SystemClock(), seed=seed), total))
    figures = _figures(measured, lambda outcomes: _recall(outcomes, measured.clusters, seed))
    return {"n": total, "meetings": len(found), **figures}


def _last(steps: "Iterable[Measured]") -> "Measured":
    measured = None
    for step in steps:
        measured = step
    assert measured is not None
    return measured


def _figures(measured: "Measured", judge: "Callable[[Sequence[Outcome]], dict[str, Any]]") -> dict[str, Any]:
    methods: dict[str, Any] = {}
    for name, outcomes in measured.outcomes.items():
        before, after = sum(one.before for one in outcomes), sum(one.after for one in outcomes)
        share = after / before if before else 1.0
        fewer = round(before / after, 3) if after else None
        methods[name] = {**judge(outcomes), "tokens_share": round(share, 4), "times_fewer_tokens": fewer}
    first, fastest = (sorted(times) for times in zip(*measured.ms, strict=True))
    costs = {
        "p50": first[len(first) // 2],
        "p99": first[int(0.99 * len(first))],
        "warm_p50": fastest[len(fastest) // 2],
    }
    return {"methods": methods, "ms_per_10000_characters": {name: round(cost, 3) for name, cost in costs.items()}}


def _retained(outcomes: "Sequence[Outcome]") -> dict[str, Any]:
    from llmctl.statistics.wilson import limits

    hits = sum(one.hits for one in outcomes)
    low, high = limits(hits / len(outcomes), len(outcomes))
    return {"retained": round(hits / len(outcomes), 4), "interval": [round(low, 4), round(high, 4)]}


def _recall(outcomes: "Sequence[Outcome]", clusters: Sequence[int], seed: int) -> dict[str, Any]:
    """The mean over queries, resampled by meeting; `all_turns` is over all relevant turns, where long spans rule."""
    from llmctl.compress.measure import resampled

    low, high = resampled(outcomes, clusters, draws=DRAWS, seed=seed)
    mean = sum(one.kept for one in outcomes) / len(outcomes)
    turns = sum(one.hits for one in outcomes) / sum(one.of for one in outcomes)
    return {"recall": round(mean, 4), "interval": [round(low, 4), round(high, 4)], "all_turns": round(turns, 4)}


def lines(found: dict[str, Any]) -> Iterator[str]:
    """The figures for people."""
    if "nq" in found:
        nq = found["nq"]
        left = f", {nq['left_out']} left out (no answer in their passage)" if nq["left_out"] else ""
        yield f"Natural Questions: {nq['n']} questions{left}, {nq['distractors']} distractors, budget {found['budget']}"
        for name in ("with_titles", "without_titles"):
            yield from _table(name.replace("_", " "), "answers kept", "retained", nq[name])
    if "qmsum" in found:
        qm = found["qmsum"]
        yield f"QMSum: {qm['n']} queries over {qm['meetings']} meetings, budget {found['budget']}"
        yield from _table("", "relevant turns kept, mean over queries", "recall", qm)
    yield found["note"]


def _table(title: str, label: str, key: str, found: dict[str, Any]) -> Iterator[str]:
    yield f"  {title + ': ' if title else ''}{label}"
    for name, one in found["methods"].items():
        low, high = one["interval"]
        share = f"tokens {one['tokens_share']:.1%}, {one['times_fewer_tokens'] or 0:.2f} times fewer"
        yield f"    {name:<12} {one[key]:.1%}  ({low:.1%} to {high:.1%})   {share}"
    cost = found["ms_per_10000_characters"]
    rest = f"p99 {cost['p99']:.2f}; fastest of three {cost['warm_p50']:.2f}"
    yield f"    {cost['p50']:.2f} ms for 10,000 characters ({rest})"


def _watched(rows: Iterable[Row], total: int) -> Iterable[Row]:
    """The rows, with a progress bar where someone watches a terminal."""
    if not sys.stderr.isatty():
        return rows
    from rich.console import Console
    from rich.progress import track

    return track(rows, "compressing", total=total, console=Console(stderr=True), transient=True)


def read(path: Path, limit: int | None) -> "tuple[list[Question], list[Meeting]]":
    """Rows of a JSON-lines file, gzipped or not. Raises UsageError naming the line that is wrong."""
    from llmctl.compress.measure import Question

    questions, meetings = [], []
    for row in islice(read_rows(path, _row), limit):
        if isinstance(row, Question):
            questions.append(row)
        else:
            meetings.append(row)
    if not questions and not meetings:
        raise UsageError(f"{path}: has no rows; {SHAPES}")
    return questions, meetings


def _row(raw: dict[str, Any]) -> "Question | Meeting":
    try:
        if "meeting_transcripts" in raw:
            return _meeting(raw)
        return _question(raw)
    except (KeyError, TypeError, IndexError, StopIteration, AttributeError):
        raise ValueError(f"is of neither shape; {SHAPES}") from None


def _question(raw: dict[str, Any]) -> "Question":
    from llmctl.compress.measure import Passage, Question

    gold = next((one for one in raw["ctxs"] if one.get("isgold")), raw["ctxs"][0])
    texts = (raw["question"], gold["text"], gold.get("title", ""), *raw["answers"])
    if isinstance(raw["answers"], str) or not all(isinstance(text, str) for text in texts):
        raise ValueError("question, answers and the passage's title and text: give strings")
    return Question(raw["question"], tuple(raw["answers"]), Passage(gold.get("title", ""), gold["text"]))


def _meeting(raw: dict[str, Any]) -> "Meeting":
    from llmctl.compress.measure import Meeting, Turn

    turns = tuple(Turn(str(one["speaker"]), str(one["content"])) for one in raw["meeting_transcripts"])
    queries = []
    for one in raw.get("specific_query_list") or ():
        relevant: set[int] = set()
        for first, last in one["relevant_text_span"]:
            relevant.update(range(max(0, int(first)), min(int(last) + 1, len(turns))))
        if relevant:
            queries.append((str(one["query"]), frozenset(relevant)))
    return Meeting(turns, tuple(queries))
