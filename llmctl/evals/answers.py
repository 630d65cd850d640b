"""Answers that were paid for, on disk before anything else is done with them. Runs to come take them again.

A folder with a file per target, one JSON line per answer, appended with one write: a killed process loses none that
was put, and leaves at most a torn line, which is passed over. A power failure may lose the last second's. The one
window that no client can close is between the provider's charge and `put`, which a run calls as soon as the reply is
there, before it awaits anything.
"""

import os
import threading
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct, field

from llmctl.batches.disk import make_folder, write_all
from llmctl.errors import StoreError
from llmctl.model.json import JsonObject, encode
from llmctl.model.usage import NO_USAGE, UNPRICED, Cost, Usage

Write = Callable[[int, bytes], None]


class Answered(Struct, frozen=True, omit_defaults=True):
    """What came of asking, `error` where no answer did. `tool_calls` have `name` and `arguments`.

    `scores` are what a file of recorded answers says of it. `attempts` counts calls, those that failed too; `cost` is
    of all of them.
    """

    output: str = ""
    tool_calls: list[dict[str, str]] = field(default_factory=list)
    finish_reason: str | None = None
    refusal: str = ""
    guards: list[str] = field(default_factory=list)
    scores: dict[str, float] = field(default_factory=dict)
    error: str = ""
    detail: str = ""
    attempts: int = 1
    seconds: float | None = None
    ttft: float | None = None
    usage: Usage = NO_USAGE
    cost: Cost = UNPRICED
    model: str = ""
    request_id: str = ""


class Kept(Struct, frozen=True):
    """An answer as it lies on disk; `run` paid for it."""

    key: str
    run: str
    answer: Answered


_DECODE = msgspec.json.Decoder(Kept).decode
_CANONICAL = msgspec.json.Encoder(order="deterministic").encode
_HEAD = b'{"key":"'
_LENGTH = 32


def request_key(identity: str, payload: JsonObject) -> bytes:
    """16 bytes for a request to a target: the order of keys does not matter, everything else does."""
    return blake2b(identity.encode() + b"\0" + _CANONICAL(payload), digest_size=_LENGTH // 2).digest()


def copy_key(request: bytes, copy: int) -> str:
    """The key of the `copy`-th time that a run asks for the same: repeats are answers of their own."""
    return request.hex() if not copy else blake2b(request + b"#%d" % copy, digest_size=_LENGTH // 2).hexdigest()


class Answers:
    """A folder of answers. `get` and `put` block for some ten microseconds each."""

    def __init__(self, folder: Path, write: Write = write_all) -> None:
        """Nothing is opened before it is needed. `write` puts all bytes into a descriptor."""
        self._folder, self._write = folder, write
        self._files: dict[str, _File] = {}

    def get(self, identity: str, key: str) -> Kept | None:
        """What is kept under a key. Raises StoreError."""
        return self._file(identity).get(key)

    def put(self, identity: str, kept: Kept) -> None:
        """Write it. On return it survives this process. Raises StoreError."""
        self._file(identity).put(kept)

    def sync(self) -> None:
        """Make what was put survive the machine too; for a thread."""
        for file in list(self._files.values()):
            file.sync()

    def close(self) -> None:
        """Sync and close."""
        for file in self._files.values():
            file.close()
        self._files.clear()

    def _file(self, identity: str) -> "_File":
        file = self._files.get(identity)
        if file is None:
            path = self._folder / f"{blake2b(identity.encode(), digest_size=8).hexdigest()}.jsonl"
            try:
                make_folder(self._folder)
                file = self._files[identity] = _File(path, self._write)
            except OSError as error:
                raise StoreError(f"{path}: answers cannot be kept there: {error.strerror or error}") from None
        return file


class _File:
    """Lines of answers, and where the last one of each key begins. Several processes may append at a time."""

    def __init__(self, path: Path, write: Write) -> None:
        self.path, self._write = path, write
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._syncing = threading.Lock()
        self._at: dict[bytes, int] = {}
        with open(self._descriptor, "rb", closefd=False) as lines:
            at, line = 0, b"\n"
            for line in lines:
                if line.startswith(_HEAD) and line.endswith(b"}\n"):
                    self._at[line[len(_HEAD) : len(_HEAD) + _LENGTH]] = at
                at += len(line)
        if not line.endswith(b"\n"):  # a torn line must not swallow the next one
            os.write(self._descriptor, b"\n")

    def get(self, key: str) -> Kept | None:
        at = self._at.get(key.encode())
        if at is None:
            return None
        try:
            return _DECODE(self._line(at))
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return None  # damaged, or of another version: asked again
        except OSError as error:
            raise self._unusable(error) from None

    def put(self, kept: Kept) -> None:
        line = encode(kept) + b"\n"
        try:
            self._write(self._descriptor, line)
            self._at[kept.key.encode()] = os.lseek(self._descriptor, 0, os.SEEK_CUR) - len(line)
        except OSError as error:
            raise self._unusable(error) from None

    def sync(self) -> None:
        with self._syncing:
            if self._descriptor >= 0:
                os.fsync(self._descriptor)

    def close(self) -> None:
        self.sync()
        with self._syncing:  # a thread may be at it, and the number soon be another file's
            os.close(self._descriptor)
            self._descriptor = -1

    def _line(self, at: int, block: int = 8192) -> bytes:
        found = b""
        while not found.endswith(b"\n"):
            piece = os.pread(self._descriptor, block, at + len(found))
            if not piece:
                break
            head, newline, _ = piece.partition(b"\n")
            found += head + newline
        return found

    def _unusable(self, error: OSError) -> StoreError:
        return StoreError(f"{self.path}: answers cannot be kept there: {error.strerror or error}")


def as_tool_calls(calls: Any) -> list[dict[str, str]]:
    """An answer's tool calls, as they are kept."""
    found = []
    for call in calls or ():
        if call.function is not None:
            found.append({"name": call.function.name or "", "arguments": call.function.arguments or ""})
        elif call.custom is not None:
            found.append({"name": call.custom.name or "", "arguments": call.custom.input or ""})
    return found
