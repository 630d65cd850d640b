"""The part of a `StreamDecoder` that all event streams share."""

from llmctl.errors import UpstreamError
from llmctl.model.chat import Chunk
from llmctl.net.sse import EventParser


class EventDecoder:
    """Decodes a stream event by event; a provider says in `_event` what one of them means.

    An event that fails behind good ones must not take those with it: they are returned, and `failure` is set.
    """

    def __init__(self) -> None:
        self.done = False
        self.failure: UpstreamError | None = None
        self._parser = EventParser()

    @property
    def ended(self) -> bool:
        """Most providers send their token counts before they say that the answer is complete."""
        return self.done

    def feed(self, data: bytes) -> list[Chunk]:
        """Chunks completed by `data`."""
        chunks: list[Chunk] = []
        try:
            for event in self._parser.feed(data):
                self._event(event.data, chunks)
        except UpstreamError as error:
            if not chunks:
                raise
            self.failure = error
        return chunks

    def _event(self, data: bytes, chunks: list[Chunk]) -> None:
        raise NotImplementedError
