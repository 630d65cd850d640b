"""Files of lines as users give them: gzipped or not, read line by line, every mistake with its place."""

import gzip
import json
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, TextIO, cast

from llmctl.errors import UsageError

_UNREADABLE = (OSError, EOFError, UnicodeDecodeError, zlib.error)


@contextmanager
def opened(path: Path) -> Iterator[TextIO]:
    """A file's text, gzipped or not. Raises UsageError for what cannot be read."""
    with (
        _told(path),
        gzip.open(path, "rt", encoding="utf-8-sig") if _zipped(path) else path.open(encoding="utf-8-sig") as text,
    ):
        yield text


def raw_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Lines that are not blank, with their numbers from 1. Raises UsageError for what cannot be read."""
    with _told(path), cast(BinaryIO, gzip.open(path, "rb")) if _zipped(path) else path.open("rb") as lines:
        yield from ((number, line) for number, line in enumerate(lines, 1) if line.strip())


def json_rows(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """(where, object) of each line that is not blank. Raises UsageError."""
    with opened(path) as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except (ValueError, RecursionError) as error:
                what = "is not JSON" if isinstance(error, ValueError) else error
                raise UsageError(f"{path}:{number}: {what}") from None
            if not isinstance(row, dict):
                raise UsageError(f"{path}:{number}: is not an object")
            yield f"{path}:{number}", row


def _zipped(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == b"\x1f\x8b"


@contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except _UNREADABLE as error:
        said = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise UsageError(f"{path}: cannot be read: {said}") from None
