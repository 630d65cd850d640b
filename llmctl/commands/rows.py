"""Reading the labelled rows that `bench` and `train` take: JSON lines, gzipped or not."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from llmctl.errors import UsageError
from llmctl.telemetry.rows import json_rows

T = TypeVar("T")


def read_rows(path: Path, parse: Callable[[dict[str, Any]], T]) -> Iterator[T]:
    """What `parse` makes of each line's object; blank lines are passed over.

    `parse` raises ValueError for an object that is no row. Raises UsageError naming the line that is wrong.
    """
    for where, raw in json_rows(path):
        try:
            row = parse(raw)
        except ValueError as error:
            raise UsageError(f"{where}: {error}") from None
        yield row
