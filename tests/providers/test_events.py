"""Event streams: what fails takes nothing good with it."""

import pytest

from llmctl.errors import UpstreamProtocolError
from llmctl.model import chat
from llmctl.model.chat import Chunk
from llmctl.net.sse import frame
from llmctl.providers.events import EventDecoder

GOOD, BAD = frame(b'{"choices":[]}'), frame(b"bad")


class Decoder(EventDecoder):
    """Fails on `bad`."""

    def _event(self, data: bytes, chunks: list[Chunk]) -> None:
        if data == b"bad":
            raise UpstreamProtocolError("bad event")
        chunks.append(chat.chunk(data))


def test_good_events_before_a_bad_one_are_returned_and_the_failure_is_kept() -> None:
    decoder = Decoder()
    assert len(decoder.feed(GOOD + GOOD + BAD)) == 2
    assert str(decoder.failure) == "bad event"


def test_a_failure_with_nothing_before_it_is_raised() -> None:
    decoder = Decoder()
    with pytest.raises(UpstreamProtocolError, match="bad event"):
        decoder.feed(BAD)
