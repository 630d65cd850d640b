"""The caller's side of an exchange: an HTTP client behind the server, or code in this process."""

from collections.abc import AsyncIterator
from typing import Protocol

from llmctl.errors import LlmctlError
from llmctl.model.chat import Answer, Chunk
from llmctl.model.exchange import Exchange


class Client(Protocol):
    """What the path needs of a caller. Cancelling the path's task is how a caller says that it has gone."""

    async def read(self, exchange: Exchange) -> None:
        """Fill in the request: payload, raw, stream, requested_model. Raises RequestError."""
        ...

    async def whole(self, exchange: Exchange, answer: Answer) -> None:
        """Deliver a complete answer."""
        ...

    async def stream(self, exchange: Exchange, chunks: AsyncIterator[list[Chunk]]) -> None:
        """Deliver a stream; sets `exchange.committed` before the first byte goes out. Errors of `chunks` pass."""
        ...

    async def error(self, exchange: Exchange, error: LlmctlError) -> None:
        """Deliver an error: as the answer, or, where `exchange.committed`, as the stream's last event."""
        ...
