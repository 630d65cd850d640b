"""What an embedder is: it turns texts into vectors that are near each other where the texts mean the same."""

from collections.abc import Sequence
from hashlib import sha256
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

Vector = NDArray[np.float32]


class EmbedderOptions(BaseModel):
    """Base of every embedder's options: unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Embedder(Protocol):
    """Made as `TABLE[kind](options, transport, clock)`, which connects to nothing and raises ValueError."""

    Options: ClassVar[type[EmbedderOptions]]

    @property
    def size(self) -> int:
        """Numbers in a vector; 0 as long as that is not known, which is before the first answer of an endpoint."""
        ...

    @property
    def identity(self) -> str:
        """32 hexadecimal digits for what makes its vectors. Vectors of different identities must not be compared."""
        ...

    def now(self, text: str) -> Vector | None:
        """The vector at once; None where it must be awaited."""
        ...

    async def vector(self, text: str) -> Vector:
        """Shape (size,), of unit length; zeros for a text without a token. Raises LlmctlError."""
        ...

    async def start(self) -> None:
        """Load what is heavy and learn the size. Raises LlmctlError; `vector` may be called all the same."""
        ...

    async def close(self) -> None:
        """Give back threads; who still waits gets Unavailable. May be called twice."""
        ...


def unit(vector: NDArray[np.float64]) -> Vector:
    """`vector`, which must be finite, at length 1; zeros stay."""
    largest = float(np.abs(vector).max(initial=0.0))
    if largest:
        vector = vector / largest  # so that squares neither vanish nor overflow
        vector = vector / np.linalg.norm(vector)
    return vector.astype(np.float32)


def digest(parts: Sequence[str | bytes]) -> str:
    """An identity: the same for the same parts in the same order, wherever they are cut."""
    whole = sha256()
    for part in parts:
        data = part.encode("utf-8", "replace") if isinstance(part, str) else part
        whole.update(len(data).to_bytes(8, "little") + data)
    return whole.hexdigest()[:32]


def sendable(text: str) -> str:
    """`text` as JSON and tokenizers can carry it: each lone surrogate is replaced by one character."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace").decode()
    return text
