"""Files of JSON lines as users give them: gzipped or not, read line by line, every mistake with its place."""

import gzip
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from llmctl.errors import UsageError


@contextmanager
def opened(path: Path) -> Iterator[TextIO]:
    """A file's text, gzipped or not. Raises UsageError for what cannot be read."""
    try:
        with path.open("rb") as file:
            zipped = file.read(2) == b"\x1f\x8b"
        with gzip.open(path, "rt", encoding="utf-8-sig") if zipped else path.open(encoding="utf-8-sig") as text:
            yield text
    except FileNotFoundError:
        raise UsageError(f"{path}: there is no such file") from None
    except (OSError, EOFError, UnicodeDecodeError) as error:
        said = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise UsageError(f"{path}: cannot be read: {said}") from None


def json_rows(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """(where, object) of each line that is not blank. Raises UsageError."""
    with opened(path) as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except (ValueError, RecursionError):
                raise UsageError(f"{path}:{number}: is not JSON") from None
            if not isinstance(row, dict):
                raise UsageError(f"{path}:{number}: is not an object")
            yield f"{path}:{number}", row
