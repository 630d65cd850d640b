"""SSE reading: whatever the cuts, the same events; framing and reading are inverse."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmctl.errors import UpstreamProtocolError
from llmctl.net.sse import Event, EventParser, frame

LINES = st.sampled_from(
    [b"data: a", b"data:b", b"data: {\"x\": 1}", b"data", b": comment", b"event: ping", b"id: 1", b"retry: 5", b"", b"",
     b"nonsense", b"data:  two spaces", "data: žluťoučký".encode(), b"event", b"data: \xff\xfe"]
)  # fmt: skip
ENDS = st.sampled_from([b"\n", b"\r\n", b"\r"])


def read(pieces: list[bytes]) -> list[Event]:
    parser = EventParser()
    return [event for piece in pieces for event in parser.feed(piece)]


def reference(stream: bytes) -> list[Event]:
    """The specification's algorithm, line by line, over the whole stream."""
    events: list[Event] = []
    name, data = "", list[bytes]()
    text = stream.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    for line in text.split(b"\n")[:-1]:
        if not line:
            if data:
                events.append(Event(name or "message", b"\n".join(data)))
            name, data = "", []
        elif not line.startswith(b":"):
            key, _, value = line.partition(b":")
            value = value[1:] if value.startswith(b" ") else value
            if key == b"event":
                name = value.decode("utf-8", "replace")
            elif key == b"data":
                data.append(value)
    return events


@given(st.lists(st.tuples(LINES, ENDS)), st.lists(st.integers(0, 400)), st.booleans())
def test_any_cut_reads_as_the_specification_does(lines: list[tuple[bytes, bytes]], cuts: list[int], bom: bool) -> None:
    stream = (b"\xef\xbb\xbf" if bom else b"") + b"".join(line + end for line, end in lines)
    places = [0, *sorted({cut for cut in cuts if cut < len(stream)}), len(stream)]
    pieces = [stream[a:b] for a, b in itertools.pairwise(places)]
    if stream.endswith(b"\r"):  # a lone CR ends a line only once it is known that no LF follows
        pieces.append(b"\n")
        stream += b"\n"
    assert read(pieces) == reference(stream)


@given(st.lists(st.binary().filter(lambda b: b"\n" not in b and b"\r" not in b)))
def test_what_is_framed_is_read_back(payloads: list[bytes]) -> None:
    assert read([b"".join(map(frame, payloads))]) == [Event("message", payload) for payload in payloads]


def test_a_named_frame() -> None:
    assert read([frame(b"{}", "ping")]) == [Event("ping", b"{}")]


def test_an_event_over_the_cap_is_refused_whether_it_ends_or_not() -> None:
    with pytest.raises(UpstreamProtocolError, match="over 100 bytes"):
        EventParser(max_event=100).feed(b"data: " + b"x" * 200)
    with pytest.raises(UpstreamProtocolError, match="over 100 bytes"):
        EventParser(max_event=100).feed(b"data: " + b"x" * 200 + b"\n\n")


def test_a_large_event_in_many_pieces_costs_linear_time() -> None:
    parser = EventParser()
    for _ in range(100_000):
        assert parser.feed(b"x" * 100) == []
    assert len(parser.feed(b"\n\ndata: y\n\n")) == 1
