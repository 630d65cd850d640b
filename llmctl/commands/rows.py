"""Reading the labelled rows that `bench` and `train` take: JSON lines, gzipped or not."""

import gzip
import json
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TextIO, TypeVar

from llmctl.errors import UsageError

T = TypeVar("T")

UNREADABLE = (OSError, EOFError, UnicodeDecodeError, zlib.error)
"""What opening a file of rows and going through its lines may raise."""


def opened(path: Path) -> TextIO:
    """The file's text, whether it is gzipped or not. Raises OSError."""
    with path.open("rb") as file:
        zipped = file.read(2) == b"\x1f\x8b"
    return gzip.open(path, "rt", encoding="utf-8") if zipped else path.open(encoding="utf-8")


def read_rows(path: Path, parse: Callable[[dict[str, Any]], T]) -> Iterator[T]:
    """What `parse` makes of each line's object; blank lines are passed over.

    `parse` raises ValueError for an object that is no row. Raises UsageError naming the line that is wrong.
    """
    try:
        with opened(path) as lines:
            for number, line in enumerate(lines, 1):
                if not line.strip():
                    continue
                try:
                    raw = json.loads(line)
                    if not isinstance(raw, dict):
                        raise ValueError("is not an object")
                    row = parse(raw)
                except (ValueError, RecursionError) as error:
                    what = "is not JSON" if isinstance(error, json.JSONDecodeError) else error
                    raise UsageError(f"{path}:{number}: {what}") from None
                yield row
    except UNREADABLE as error:
        said = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise UsageError(f"{path}: cannot be read: {said}") from None
