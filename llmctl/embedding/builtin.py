"""The built-in embedder: static vectors, on the calling thread, at once."""

from functools import cached_property
from typing import ClassVar

from llmctl.clock import Clock
from llmctl.embedding.base import EmbedderOptions, Vector, digest
from llmctl.embedding.static import DIMENSIONS, FOLDER, StaticEmbedder
from llmctl.net.transport import Transport


class StaticOptions(EmbedderOptions):
    """Options of `static`: none. It needs no service, and tens of microseconds for a question."""


class Static:
    """The built-in one: 256 numbers from a shipped table, at once. It knows words, not their order."""

    Options: ClassVar[type[EmbedderOptions]] = StaticOptions
    size = DIMENSIONS

    def __init__(self, options: StaticOptions, transport: Transport, clock: Clock) -> None:
        """Costs nothing; the table is read by `start`, or by the first text."""
        self._embedder = StaticEmbedder()

    @cached_property
    def identity(self) -> str:
        """Changes with the table and its vocabulary."""
        return digest(["static", *((FOLDER / name).read_bytes() for name in ("vocabulary.txt", "static.bin"))])

    def now(self, text: str) -> Vector:
        """The vector."""
        return self._embedder.embed(text)

    async def vector(self, text: str) -> Vector:
        """The same."""
        return self._embedder.embed(text)

    async def start(self) -> None:
        """Read the table."""
        self._embedder.load()

    async def close(self) -> None:
        """Nothing is held."""
