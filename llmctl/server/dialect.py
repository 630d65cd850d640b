"""What a dialect is: a translator, without I/O, between a client's wire format and the inner one (OpenAI's)."""

from typing import Protocol

from llmctl.errors import LlmctlError
from llmctl.model.chat import Answer, Chunk
from llmctl.model.exchange import Exchange
from llmctl.model.json import JsonObject


class StreamEncoder(Protocol):
    """Writes one stream to one client, SSE framing included. Exactly one of `finish` and `error` is called, last."""

    def feed(self, chunks: list[Chunk]) -> bytes:
        """The events these chunks become; may be empty."""
        ...

    def finish(self) -> bytes:
        """The events that close a complete stream."""
        ...

    def error(self, error: LlmctlError, request_id: str) -> bytes:
        """The events that close a stream that broke after it had begun."""
        ...


class Dialect(Protocol):
    """One wire format."""

    def parse(self, body: bytes) -> tuple[JsonObject, bytes | None]:
        """The validated request as an inner payload, and `body` itself if it already is that payload's encoding.

        Raises InvalidRequest with the offending field as `param`.
        """
        ...

    def answer(self, exchange: Exchange, answer: Answer) -> bytes:
        """The body of a 200."""
        ...

    def encoder(self, exchange: Exchange) -> StreamEncoder:
        """A fresh encoder for one stream."""
        ...

    def error(self, error: LlmctlError, request_id: str) -> bytes:
        """The body that goes with `error.http_status`."""
        ...
