"""`llmctl guard bench`: reading labelled rows, judging them, and what comes out."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from llmctl.clock import Clock
from llmctl.commands.rows import read_rows
from llmctl.guards.base import About, Direction, Guard, Source, Verdict
from llmctl.guards.measure import Place, Rate, auc, binary, percentile, spans

SOURCES = ("system", "user", "assistant", "tool", "retrieved")


class Row(NamedTuple):
    """One row of the data: what to judge, and what is true of it."""

    text: str
    about: About
    label: bool
    gold: tuple[Place, ...] | None


class Judged(NamedTuple):
    """A row's verdict, and what it took, in microseconds."""

    verdict: Verdict
    us: float


def read(path: Path, direction: Direction) -> Iterator[Row]:
    """Rows of a JSON-lines file, gzipped or not. Raises UsageError naming the line that is wrong."""
    return read_rows(path, lambda raw: _row(raw, direction))


def _row(raw: dict[str, Any], direction: Direction) -> Row:
    text = raw.get("text")
    if not isinstance(text, str):
        raise ValueError("text: give a string")
    gold = _gold(raw["spans"], len(text)) if raw.get("spans") is not None else None
    label = raw.get("label", None if gold is None else bool(gold))
    if label not in (0, 1):
        raise ValueError("label: give 1 (bad) or 0, or give spans")
    context = raw.get("context") or ()
    context = (context,) if isinstance(context, str) else context
    if not isinstance(context, list | tuple) or any(not isinstance(passage, str) for passage in context):
        raise ValueError("context: give a string or a list of strings")
    source: Source | None = raw.get("source")
    if source is None:
        source = "assistant" if direction == "output" else "user"
    if source not in SOURCES:
        raise ValueError(f"source: give one of {', '.join(SOURCES)}")
    said = {key: raw.get(key) or "" for key in ("question", "system")}
    for key, value in said.items():
        if not isinstance(value, str):
            raise ValueError(f"{key}: give a string")
    return Row(text, About(direction, source, tuple(context), said["question"], said["system"]), bool(label), gold)


def _gold(raw: Any, length: int) -> tuple[Place, ...]:
    if not isinstance(raw, list):
        raise ValueError("spans: give a list of objects with type, start, end")
    places = []
    for span in raw:
        try:
            kind, start, end = span["type"], span["start"], span["end"]
        except (KeyError, TypeError, IndexError):
            raise ValueError("spans: each needs type, start, end") from None
        if (
            not isinstance(kind, str)
            or type(start) is not int
            or type(end) is not int
            or not 0 <= start < end <= length
        ):
            raise ValueError("spans: type is a string, start and end are places in the text")
        places.append((kind, start, end))
    return tuple(places)


def judge(guard: Guard, row: Row, clock: Clock) -> Judged:
    """One row, timed."""
    started = clock.monotonic()
    verdict = guard.judge(row.text, row.about)
    return Judged(verdict, (clock.monotonic() - started) * 1e6)


def out_row(judged: Judged) -> str:
    """One line of the scores file."""
    verdict = judged.verdict
    found = [{"type": span.category, "start": span.start, "end": span.end} for span in verdict.spans]
    row: dict[str, Any] = {"score": verdict.score, "outcome": verdict.outcome}
    return json.dumps({**row, "category": verdict.category, "spans": found}, ensure_ascii=True) + "\n"


def result(rows: Sequence[Row], judged: Sequence[Judged], types: Sequence[str]) -> dict[str, Any]:
    """The figures. Flagged is what is not allowed: redact, block and warn."""
    labels = [row.label for row in rows]
    counts = binary(labels, [one.verdict.outcome != "allow" for one in judged])
    figures: dict[str, Any] = {"n": len(rows), "positives": sum(labels), "counts": counts._asdict()}
    figures |= {"precision": counts.precision.value, "recall": counts.recall.value, "f1": counts.f1}
    figures |= {"auc": auc(labels, [one.verdict.score for one in judged]), "fpr": counts.fpr.value}
    figures["intervals"] = {name: _interval(getattr(counts, name)) for name in ("precision", "recall", "fpr")}
    costs = [one.us for one in judged]
    figures |= {"p50_us": _rounded(percentile(costs, 0.5)), "p99_us": _rounded(percentile(costs, 0.99))}
    if any(row.gold is not None for row in rows):
        figures["spans"] = _span_figures(rows, judged, types)
    return figures


def _span_figures(rows: Sequence[Row], judged: Sequence[Judged], types: Sequence[str]) -> dict[str, Any]:
    only = {plain_type(name) for name in types}
    pairs = [(row, one) for row, one in zip(rows, judged, strict=True) if row.gold is not None]
    gold = [[(plain_type(kind), start, end) for kind, start, end in row.gold or ()] for row, _ in pairs]
    found = [[(plain_type(span.category), span.start, span.end) for span in one.verdict.spans] for _, one in pairs]

    def scored(names: set[str] | None) -> dict[str, Any]:
        def kept(row: list[Place]) -> list[Place]:
            return [place for place in row if not names or place[0] in names]

        score = spans([kept(row) for row in gold], [kept(row) for row in found])
        figures = {**score._asdict(), "precision": score.precision.value, "recall": score.recall.value}
        return figures | {"intervals": {k: _interval(getattr(score, k)) for k in ("precision", "recall")}}

    named = sorted({place[0] for row in [*gold, *found] for place in row if not only or place[0] in only})
    return {**scored(only), "by_type": {name: scored({name}) for name in named}}


_SAME_TYPE = {
    "email_address": "email", "phone_number": "phone", "credit_card": "card", "card_number": "card",
    "credit_card_number": "card", "iban_code": "iban", "us_ssn": "ssn", "ip_address": "ip", "domain_name": "url",
}  # fmt: skip


def plain_type(name: str) -> str:
    """One spelling for the types that data sets and guards write differently: EMAIL_ADDRESS is email."""
    folded = name.casefold().replace("-", "_")
    return _SAME_TYPE.get(folded, folded)


def _interval(share: Rate) -> list[float] | None:
    return None if share.low is None or share.high is None else [share.low, share.high]


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 2)


def lines(figures: dict[str, Any]) -> Iterator[str]:
    """The figures for people."""
    yield f"rows       {figures['n']}, {figures['positives']} of them bad"
    for name in ("precision", "recall", "f1", "auc", "fpr"):
        yield f"{name:<10} {_shown(figures[name], figures['intervals'].get(name))}"
    yield f"cost       p50 {figures['p50_us']} µs, p99 {figures['p99_us']} µs a row"
    if "spans" in figures:
        found = figures["spans"]
        yield f"spans      F1 {_shown(found['f1'], None)} exact, {_shown(found['overlap_f1'], None)} overlapping"
        for name, score in found["by_type"].items():
            share = f"precision {_shown(score['precision'], None)}, recall {_shown(score['recall'], None)}"
            yield f"  {name:<20} F1 {_shown(score['f1'], None)}, {share}, {score['gold']} in the data"


def _shown(value: float | None, interval: list[float] | None) -> str:
    if value is None:
        return "-"
    return f"{value:.3f}" + (f"  ({interval[0]:.3f} to {interval[1]:.3f})" if interval else "")
