"""Results as Markdown for a GitHub step summary: figures, the comparison's verdict, the gate, and what failed."""

from collections.abc import Sequence
from pathlib import Path

from llmctl.errors import StoreError
from llmctl.evals.comparison import Comparison
from llmctl.evals.comparison_text import HEADER, limits, rows
from llmctl.evals.gate import Gate
from llmctl.evals.results.figures import Figures, figures
from llmctl.evals.results.plain import markdown
from llmctl.evals.results.read import Results

VARIABLE = "GITHUB_STEP_SUMMARY"
MOST = 1_000_000  # bytes: GitHub takes 1 MiB per step and drops the whole of a longer one
SHOWN = 20  # answers that failed
_SHORT = 200  # characters of one


def as_markdown(
    results: Results, comparison: Comparison | None = None, gates: Sequence[Gate] = (), confidence: float = 0.95
) -> str:
    """The document, foreign text escaped."""
    parts = [f"## {markdown(results.run.suite)}", _figures(figures(results, confidence))]
    if comparison is not None:
        parts.append(f"### A against B\n\n**{markdown(comparison.verdict)}**")
        parts.append(_table(HEADER, rows(comparison)))
        parts += [f"> {markdown(caution)}" for caution in comparison.cautions]
    parts += [f"**Gate** {markdown(gate.words)}" for gate in gates]
    parts.append(_failed(results))
    return "\n\n".join(part for part in parts if part) + "\n"


def append_summary(path: Path, text: str) -> None:
    """Adds it to the step's summary, shortened where GitHub would take nothing of it. Raises StoreError."""
    try:
        with path.open("ab") as file:
            room = MOST - file.tell()
            held = text.encode()
            if len(held) > room:
                note = b"\n\n(shortened)\n"
                held = held[: max(0, room - len(note))].decode(errors="ignore").encode() + note
            file.write(held)
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror or error}; ${VARIABLE} names it") from None


def _figures(found: Sequence[Figures]) -> str:
    names = [metric.name for metric in found[0].metrics] if found else []
    header = ("variant", "items", "passed", "failed", "errors", "unscored", *names, "cost $", "p50 s", "p95 s")
    return _table(header, [_row(one) for one in found])


def _row(one: Figures) -> list[str]:
    counts = (one.items, one.passed, one.failed, one.errors, one.unscored)
    metrics = [
        "" if metric.interval is None else f"{metric.interval.estimate:.4g} ({limits(metric.interval)})"
        for metric in one.metrics
    ]
    cost = f"{one.cost.usd:.4g}" + (f" + {one.cost.unpriced} unpriced" if one.cost.unpriced else "")
    times = ["" if time is None else f"{time.estimate:.3g}" for time in (one.p50, one.p95)]
    return [one.variant, *map(str, counts), *metrics, cost, *times]


def _failed(results: Results) -> str:
    bad = [result for result in results.results if result.error or result.passed is False]
    if not bad:
        return ""
    told = [
        (result.variant, result.item, result.error or f"score {result.score:.4g}", result.output[:_SHORT])
        if result.score is not None
        else (result.variant, result.item, result.error or "not scored", result.output[:_SHORT])
        for result in bad[:SHOWN]
    ]
    more = f"\n\n{len(bad) - SHOWN:,} more." if len(bad) > SHOWN else ""
    return f"### Not passed: {len(bad):,}\n\n{_table(('variant', 'item', 'why', 'answer'), told)}{more}"


def _table(header: Sequence[str], cells: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *cells]
    return "\n".join(
        f"| {' | '.join(cell if at == 1 else markdown(cell) for cell in row)} |" for at, row in enumerate(lines)
    )
