"""Reading a results file: what was run in the first line, then one answer per line; gzipped or not."""

import gzip
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

import msgspec

from llmctl.errors import UsageError
from llmctl.scoring.result import Result, Run

_RUN = msgspec.json.Decoder(Run)
_RESULT = msgspec.json.Decoder(Result)


@dataclass(frozen=True, slots=True)
class Results:
    """A results file. Where a run was resumed, the last line of an item's repeat is the one that counts."""

    run: Run
    results: tuple[Result, ...]

    def of(self, variant: str) -> list[Result]:
        """One variant's answers, in the order of the dataset."""
        found = [result for result in self.results if result.variant == variant]
        return sorted(found, key=lambda result: (result.number, result.repeat))

    @property
    def variants(self) -> list[str]:
        """As the run names them, and any other that has answers after them."""
        return list(dict.fromkeys((*self.run.variants, *(result.variant for result in self.results))))


def read_results(path: Path) -> Results:
    """The whole file. A torn last line, which a run that was killed leaves, is passed over.

    Raises UsageError naming the file and line that is wrong.
    """
    try:
        with path.open("rb") as file:
            zipped = file.read(2) == b"\x1f\x8b"
        with cast(BinaryIO, gzip.open(path, "rb")) if zipped else path.open("rb") as lines:
            return _decode(path, enumerate(lines, 1))
    except (OSError, EOFError, zlib.error) as error:
        said = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise UsageError(f"{path}: cannot be read: {said}") from None


def _decode(path: Path, lines: Iterator[tuple[int, bytes]]) -> Results:
    number, first = next(lines, (1, b""))
    try:
        run = _RUN.decode(first)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}:{number}: is no results file of `llmctl eval`: {error}") from None
    found: dict[tuple[str, str, int], Result] = {}
    for number, line in lines:
        if not line.strip():
            continue
        try:
            result = _RESULT.decode(line)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            if not line.endswith(b"\n"):
                break
            raise UsageError(f"{path}:{number}: is no result: {error}") from None
        found[result.variant, result.item, result.repeat] = result
    return Results(run, tuple(found.values()))
