"""Vectors for scorers: those of the embedder that comes with llmctl."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any


class Vectors:
    """Texts as vectors, by an embedder that is loaded when it is first needed."""

    def __init__(self) -> None:
        self._embed: Callable[[str], Any] | None = None

    async def embed(self, texts: Sequence[str]) -> Sequence[Sequence[float]]:
        """Unit vectors of (256,)."""
        if self._embed is None:
            from llmctl.embedding import StaticEmbedder

            embedder = StaticEmbedder()
            await asyncio.to_thread(embedder.load)
            self._embed = embedder.embed
        embed = self._embed
        return [embed(text).tolist() for text in texts]
