"""The vocabulary of a GGUF file, and whether one model can guess for another.

The format: ggml-org/ggml docs/gguf.md. llama.cpp goes on without speculation where the vocabularies do not fit, and
says so in its log alone; its rule is repeated here so that this is told before anything starts.
"""

import mmap
import struct
from pathlib import Path
from typing import Any, NamedTuple

STRING, ARRAY = 8, 9
SCALARS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"}
WANTED = ("tokenizer.ggml.model", "tokenizer.ggml.tokens")
# As in llama.cpp's common/speculative.cpp: the first tokens are special ones, and sizes are padded differently.
FROM, MAX_MORE = 5, 128


class Vocabulary(NamedTuple):
    """The kind of tokenizer, and the text of each token by its id."""

    kind: bytes
    tokens: list[bytes]


def vocabulary(path: Path) -> Vocabulary:
    """Raises ValueError for a file that is damaged or has none, OSError for one that cannot be read."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        try:
            if data[:4] != b"GGUF":
                raise ValueError("no magic")
            found = _Reader(data).values()
        except (struct.error, ValueError, KeyError, IndexError, OverflowError):
            raise ValueError(f"{path} is damaged, or of a GGUF version that is not known here") from None
    kind, tokens = (found.get(name) for name in WANTED)
    if not isinstance(kind, bytes) or not isinstance(tokens, list) or not all(isinstance(t, bytes) for t in tokens):
        raise ValueError(f"{path} has no vocabulary in it")
    return Vocabulary(kind, tokens)


def differing(model: Vocabulary, draft: Vocabulary) -> str | None:
    """Why `draft` cannot guess for `model`, or None."""
    if model.kind != draft.kind:
        return f"its tokenizer is {_text(draft.kind)}, the model's {_text(model.kind)}"
    sizes = len(model.tokens), len(draft.tokens)
    if abs(sizes[0] - sizes[1]) > MAX_MORE:
        return f"it has {sizes[1]:,} tokens, the model {sizes[0]:,}"
    for at in range(FROM, min(sizes)):
        if model.tokens[at] != draft.tokens[at]:
            return f"its token {at} is {_text(draft.tokens[at])!r}, the model's {_text(model.tokens[at])!r}"
    return None


def _text(name: bytes) -> str:
    return name.decode("utf-8", "replace")


class _Reader:
    """Reads a file's keys from its beginning; `at` is where it is."""

    def __init__(self, data: mmap.mmap) -> None:
        self._data = data
        self._at = 4

    def values(self) -> dict[str, Any]:
        """Those of `WANTED` that are there."""
        if self._scalar("<I") not in (2, 3):
            raise ValueError("another version")
        self._scalar("<Q")  # tensors
        found = {}
        for _ in range(self._scalar("<Q")):
            name = _text(self._string())
            value = self._value(self._scalar("<I"), name in WANTED)
            if name in WANTED:
                found[name] = value
        return found

    def _value(self, kind: int, wanted: bool) -> Any:
        if kind == STRING:
            return self._string()
        if kind != ARRAY:
            return self._scalar(SCALARS[kind])
        inner, count = self._scalar("<I"), self._scalar("<Q")
        if inner == STRING and wanted:
            return [self._string() for _ in range(count)]
        if inner == STRING:
            for _ in range(count):
                self._pass(self._scalar("<Q"))
        elif inner == ARRAY:
            raise ValueError("arrays of arrays")
        else:
            self._pass(count * struct.calcsize(SCALARS[inner]))
        return None

    def _scalar(self, form: str) -> Any:
        (value,) = struct.unpack_from(form, self._data, self._at)
        self._at += struct.calcsize(form)
        return value

    def _string(self) -> bytes:
        start = self._at + 8
        self._pass(self._scalar("<Q"))
        return self._data[start : self._at]

    def _pass(self, size: int) -> None:
        if size > len(self._data) - self._at:
            raise ValueError("ends too early")
        self._at += size
