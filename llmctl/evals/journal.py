"""A run's results as they come, one line each, so that a run that was killed goes on where it was.

The first line is the Run. Lines are appended with one write, in the order of completion: a killed process loses none
of them. The file of a finished run is written from these, in the order of variant, item and repeat, in one step.
"""

import fcntl
import os
import threading
from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path
from typing import NamedTuple

import msgspec

from llmctl.batches.disk import PART, create, make_folder, sync_folder, write_all
from llmctl.errors import StoreError, UsageError
from llmctl.evals.answers import Write
from llmctl.model.json import encode
from llmctl.scoring.result import Result, Run

JOURNAL, RESULTS = "journal.jsonl", "results.jsonl"

_RUN = msgspec.json.Decoder(Run).decode
_RESULT = msgspec.json.Decoder(Result).decode
_BLOCK = 1 << 20
_TOGETHER = 256  # lines of one write


class Place(NamedTuple):
    """A result's place in a run."""

    variant: str
    number: int
    repeat: int


def head(path: Path) -> Run | None:
    """The Run of a journal or a results file; None where there is none, or no whole first line of one."""
    try:
        with path.open("rb") as file:
            line = file.readline()
    except OSError:
        return None
    try:
        return _RUN(line) if line.endswith(b"\n") else None
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None


def _together(lines: Iterator[bytes]) -> Iterator[bytes]:
    while some := list(islice(lines, _TOGETHER)):
        yield b"".join(some)


def _place(result: Result) -> Place:
    return Place(result.variant, result.number, result.repeat)


class Journal:
    """The journal of one run in a folder, held by one process at a time. Its methods block for microseconds."""

    def __init__(self, folder: Path, run: Run, write: Write = write_all) -> None:
        """Goes on with the journal there, or begins one. `run` is then the one that was begun.

        Raises UsageError where another process holds it, StoreError.
        """
        self.path, self._folder, self._write = folder / JOURNAL, folder, write
        self._at: dict[Place, tuple[int, int]] = {}
        self._syncing = threading.Lock()
        self._end = 0
        try:
            make_folder(folder)
            self._descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise self._unusable(error) from None
        try:
            self._hold()
            self.run = self._read(run)
        except BaseException as error:
            self.close()
            if isinstance(error, OSError):
                raise self._unusable(error) from None
            raise

    def __contains__(self, place: Place) -> bool:
        return place in self._at

    def __len__(self) -> int:
        return len(self._at)

    def results(self) -> Iterator[Result]:
        """Those there are, in no order. Raises StoreError."""
        for at, length in list(self._at.values()):
            yield _RESULT(self._bytes(at, length))

    def forget(self, place: Place) -> None:
        """As if it had not come: what is appended for it later counts."""
        self._at.pop(place, None)

    def append(self, result: Result) -> None:
        """Write it. On return it survives this process. Raises StoreError, and then nothing of it is kept."""
        line = encode(result) + b"\n"
        at = self._end
        try:
            os.lseek(self._descriptor, at, os.SEEK_SET)
            self._write(self._descriptor, line)
        except OSError as error:
            os.ftruncate(self._descriptor, at)
            raise self._unusable(error) from None
        self._end = at + len(line)
        self._at[_place(result)] = (at, len(line))

    def sync(self) -> None:
        """Make what was appended survive the machine too; for a thread."""
        with self._syncing:
            if self._descriptor >= 0:
                os.fsync(self._descriptor)

    def finish(self, *, complete: bool) -> Path:
        """Write the results file, sorted; of a complete run the journal goes. Raises StoreError."""
        target = self._folder / RESULTS
        part = self._folder / f"{RESULTS}{PART}"  # one that is left is ours: who holds the journal writes it
        order = {name: at for at, name in enumerate(self.run.variants)}
        places = sorted(self._at, key=lambda one: (order.get(one.variant, len(order)), *one))
        try:
            part.unlink(missing_ok=True)
            descriptor = create(part)
            try:
                for data in _together(chain([encode(self.run) + b"\n"], map(self._line, places))):
                    self._write(descriptor, data)
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            part.replace(target)
            if complete:
                self.path.unlink()
            sync_folder(self._folder)
        except OSError as error:
            raise self._unusable(error) from None
        return target

    def close(self) -> None:
        """Let go of it."""
        with self._syncing:  # a thread may be at it, and the number soon be another file's
            os.close(self._descriptor)
            self._descriptor = -1

    def _hold(self) -> None:
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageError(
                f"{self.path}: another `llmctl eval` is at work there; give this one its own --out"
            ) from None

    def _read(self, run: Run) -> Run:
        """Where lines begin and end. What is left of a last line is cut off."""
        found, at = None, 0
        with open(self._descriptor, "rb", buffering=_BLOCK, closefd=False) as lines:
            for number, line in enumerate(lines, 1):
                if not line.endswith(b"\n"):
                    break
                try:
                    if found is None:
                        found = _RUN(line)
                    else:
                        self._at[_place(_RESULT(line))] = (at, len(line))
                except (msgspec.MsgspecError, UnicodeDecodeError):
                    raise StoreError(
                        f"{self.path}:{number}: is damaged, or no journal; begin anew with --fresh"
                    ) from None
                at += len(line)
        os.ftruncate(self._descriptor, at)
        self._end = at
        if found is None:
            line = encode(run) + b"\n"
            os.lseek(self._descriptor, 0, os.SEEK_SET)
            self._write(self._descriptor, line)
            self._end = len(line)
        return found or run

    def _line(self, place: Place) -> bytes:
        return self._bytes(*self._at[place])

    def _bytes(self, at: int, length: int) -> bytes:
        found = os.pread(self._descriptor, length, at)
        if len(found) != length:
            raise StoreError(f"{self.path}: became shorter while it was read; run again")
        return found

    def _unusable(self, error: OSError) -> StoreError:
        return StoreError(f"{self.path}: results cannot be kept there: {error.strerror or error}")
