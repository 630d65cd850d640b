"""The end of `llmctl eval`: every variant's figures with their intervals."""

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from llmctl.evals.results.figures import Figures, Metric, Money
    from llmctl.evals.results.read import Results
    from llmctl.scoring.result import Result

SHOWN = 3
HEADER = ("variant", "metric", "mean", "interval", "n")


def print_summary(results: "Results", paid: str) -> None:
    """On stdout. `paid` is what this run spent, in words."""
    from llmctl.evals.comparison_text import plain
    from llmctl.evals.results.figures import figures

    rows: list[Sequence[str]] = [HEADER]
    about: list[str] = []
    for one in figures(results):
        rows += [_row(one.variant if not at else "", metric) for at, metric in enumerate(_told(one))]
        about.append(f"{one.variant}: {', '.join(_about(one))}")
        about += _errors(results.of(one.variant))
    for line in (*_aligned(rows), *about, *([f"spent in this run: {paid}"] if paid else [])):
        sys.stdout.write(plain(line) + "\n")


def _told(one: "Figures") -> "list[Metric]":
    """One scorer alone says what the score says."""
    named = [metric for metric in one.metrics if metric.name not in ("score", "passed")]
    return [metric for metric in one.metrics if len(named) > 1 or metric not in named]


def _row(variant: str, metric: "Metric") -> tuple[str, ...]:
    from llmctl.evals.comparison_text import limits

    found = metric.interval
    if found is None:
        return (variant, metric.name, "?", "no item has it", "0")
    return (variant, metric.name, f"{found.estimate:.4g}", limits(found), str(found.n))


def _about(one: "Figures") -> Iterator[str]:
    yield f"{one.answers} answers"
    if one.errors:
        yield f"{one.errors} errors"
    if one.unscored:
        yield f"{one.unscored} not scored"
    if one.cached:
        yield f"{one.cached} taken from earlier runs or recordings"
    if one.p50 is not None and one.p95 is not None:
        yield f"p50 {one.p50.estimate:.3g} s, p95 {one.p95.estimate:.3g} s"
    yield f"cost {_money(one.cost, one.answers)}"
    if one.judging.usd or one.judging.unpriced:
        yield f"judges {_money(one.judging, one.answers)}"


def _errors(found: "Sequence[Result]") -> list[str]:
    """The most frequent ones, each with what was said of one."""
    counts = Counter(result.error for result in found if result.error)
    said = {result.error: result.detail for result in found if result.error}
    return [f"  {count} times {error}: {said[error][:300]}" for error, count in counts.most_common(SHOWN)]


def _money(money: "Money", answers: int) -> str:
    """Never $0 for what nobody has a price of."""
    if money.unpriced >= answers:
        return "unknown: no price"
    return f"${money.usd:.6g}" + (
        f" and {money.unpriced} answers without a price, or with part of one" if money.unpriced else ""
    )


def _aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
