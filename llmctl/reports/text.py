"""Figures and foreign text as people, spreadsheets and programs may safely read them."""

import csv
from collections.abc import Iterable, Sequence
from decimal import Decimal
from io import StringIO
from typing import Any

UNKNOWN = "unknown"
# The last four are the first four in full width, which some spreadsheets read alike.
_RUNS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def inert(value: Any) -> Any:
    """What a spreadsheet will not run: clients choose model names, and `=HYPERLINK(…)` is one.

    Control characters are written out: a bare carriage return, which `csv` does not quote, would begin another row.
    """
    if not isinstance(value, str):
        return value
    return f"'{plain(value)}" if value.lstrip(" ").startswith(_RUNS) else plain(value)


def plain(text: str) -> str:
    """What a terminal will not obey: control and direction characters written out."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def to_csv(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A CSV document with inert cells; None is empty."""
    out = StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([inert(cell) for cell in row] for row in rows)
    return out.getvalue()


def table(header: Sequence[str], rows: Iterable[Sequence[str]], *, left: int) -> str:
    """Aligned columns, the first `left` of them to the left; no line ends in blanks."""
    cells = [[plain(cell) for cell in row] for row in (header, *rows)]
    widths = [max(len(row[at]) for row in cells) for at in range(len(header))]
    lines = (
        "  ".join(
            cell.ljust(width) if at < left else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in cells
    )
    return "\n".join(lines) + "\n"


def dollars(usd: Decimal | float | None, digits: int = 6) -> str:
    """With so many digits after the point; None is unknown, never 0."""
    return UNKNOWN if usd is None else f"{usd:,.{digits}f}"


def number(usd: Decimal) -> str:
    """Without loss and without an exponent."""
    return f"{usd.normalize():f}" if usd else "0"
