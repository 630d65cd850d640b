"""A comparison for people: a table of estimates, each with its interval, n, confidence and method, then the verdict."""

import math
from collections.abc import Sequence

from llmctl.evals.comparison import Comparison, Estimate
from llmctl.statistics.interval import Interval

HEADER = ("metric", "A", "B", "A - B", "interval", "n", "method", "verdict")
LEFT = (0, 6, 7)
"""Columns of words, which stand to the left."""
LOOKED = "intervals of quality may be looked at at any time (confidence sequences, one observation per cluster)"


def rows(comparison: Comparison) -> list[tuple[str, ...]]:
    """A row of `HEADER` per estimate, primary metrics first."""
    return [_row(one) for one in comparison.estimates]


def head(comparison: Comparison) -> list[str]:
    """Who was compared."""
    sides = zip("AB", (comparison.a, comparison.b), strict=True)
    return [
        f"{letter}  {side.name}: {side.items:,} items, {side.results:,} answers"
        + (f", {side.errors:,} errors" if side.errors else "")
        + (f", {len(side.unscored):,} items unscored" if side.unscored else "")
        for letter, side in sides
    ]


def foot(comparison: Comparison) -> list[str]:
    """The verdict, and every caution."""
    lines = [f"verdict: {comparison.verdict}"]
    if comparison.looked:
        lines.append(LOOKED)
    return lines + [f"caution: {one}" for one in comparison.cautions]


def as_text(comparison: Comparison) -> str:
    """The whole of it, in plain characters."""
    lines = [*head(comparison), "", *aligned([HEADER, *rows(comparison)], LEFT), "", *foot(comparison)]
    return "\n".join(plain(line) for line in lines) + "\n"


def aligned(cells: Sequence[Sequence[str]], left: Sequence[int]) -> list[str]:
    """Lines of columns, those named to the left, others to the right; no line ends in blanks."""
    shown = [[plain(cell) for cell in row] for row in cells]
    widths = [max(len(row[at]) for row in shown) for at in range(len(shown[0]))]
    return [
        "  ".join(
            cell.ljust(width) if at in left else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in shown
    ]


def plain(text: str) -> str:
    """What a terminal will not obey: control and direction characters written out."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def figure(value: float, unit: str = "") -> str:
    """Four digits, and dollars or seconds where that is what it is."""
    if not math.isfinite(value):
        return "?"
    if unit == "USD":  # without an exponent, which nobody reads as money
        digits = 3 - math.floor(math.log10(abs(value))) if value else 2
        return f"{'-' if value < 0 else ''}${abs(value):.{min(12, max(2, digits))}f}"
    return f"{value:.4g} s" if unit == "s" else f"{value:.4g}"


def limits(interval: Interval, unit: str = "") -> str:
    """`low to high at 95%`; a limit that cannot be told is `?`."""
    return f"{figure(interval.low, unit)} to {figure(interval.high, unit)} at {100 * interval.confidence:.4g}%"


def _row(one: Estimate) -> tuple[str, ...]:
    means = [figure(side.estimate, one.unit) if side is not None else "?" for side in (one.a, one.b)]
    if one.difference is None:
        return (one.name, *means, "?", "", f"{one.items:,}", "", one.note)
    found = one.difference
    words = one.note
    if one.verdict is not None:  # without its interval, which has a column
        words = one.verdict.words.partition(f" ({one.verdict.difference.confidence:.4g} interval")[0]
    return (
        one.name,
        *means,
        figure(found.estimate, one.unit),
        limits(found, one.unit),
        f"{found.n:,}",
        found.method,
        words,
    )
