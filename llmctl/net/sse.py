"""Server-sent events: https://html.spec.whatwg.org/multipage/server-sent-events.html"""

from typing import NamedTuple

from llmctl.errors import UpstreamProtocolError

_BOM = b"\xef\xbb\xbf"


class Event(NamedTuple):
    """One dispatched event. `data` lines are joined with line feeds, as the specification says."""

    name: str
    data: bytes


def frame(data: bytes, name: str = "") -> bytes:
    """One event on the wire. `data` must be free of line breaks, as compact JSON is."""
    return b"event: %b\ndata: %b\n\n" % (name.encode(), data) if name else b"data: %b\n\n" % data


def _parse(block: bytes) -> Event | None:
    name, data = "message", []
    for line in block.split(b"\n"):
        key, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if key == b"data":
            data.append(value)
        elif key == b"event":
            name = value.decode("utf-8", "replace") or "message"
    return Event(name, b"\n".join(data)) if data else None


class EventParser:
    """Reassembles events from bytes cut anywhere. An event left unfinished at the end is dropped, as specified."""

    def __init__(self, max_event: int = 16 * 1024 * 1024) -> None:
        """`max_event`: bytes one event may have."""
        self._max_event = max_event
        self._pending: list[bytes] = []
        self._pending_size = 0
        self._head: bytes | None = b""
        self._after_cr = False

    def feed(self, data: bytes) -> list[Event]:
        """The events completed by `data`, in order. Raises UpstreamProtocolError over the size cap."""
        if self._head is not None:
            data = self._strip_bom(data)
        if self._after_cr or b"\r" in data:
            data = self._normalise(data)
        if not data:
            return []
        blocks = self._split(data)
        events = []
        for block in blocks:
            if block.startswith(b"data: ") and b"\n" not in block:
                events.append(Event("message", block[6:]))
            elif (event := _parse(block)) is not None:
                events.append(event)
        return events

    def _strip_bom(self, data: bytes) -> bytes:
        head = (self._head or b"") + data
        if len(head) < len(_BOM) and _BOM.startswith(head):
            self._head = head
            return b""
        self._head = None
        return head.removeprefix(_BOM)

    def _normalise(self, data: bytes) -> bytes:
        """One kind of line end, the second half of a CRLF cut in two included."""
        if not data:
            return data
        if self._after_cr and data.startswith(b"\n"):
            data = data[1:]
            self._after_cr = False
            if not data:
                return data
        self._after_cr = data.endswith(b"\r")
        return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")

    def _split(self, data: bytes) -> list[bytes]:
        """Complete blocks; what is left waits. Bytes are searched once, however the stream is cut."""
        pending = self._pending
        across = bool(pending) and pending[-1].endswith(b"\n") and data.startswith(b"\n")
        if not across and b"\n\n" not in data:
            pending.append(data)
            self._pending_size += len(data)
            self._check(self._pending_size)
            return []
        if pending:
            pending.append(data)
            data = b"".join(pending)
        *blocks, rest = data.split(b"\n\n")
        for block in blocks:
            self._check(len(block))
        self._check(len(rest))
        self._pending = [rest] if rest else []
        self._pending_size = len(rest)
        return blocks

    def _check(self, size: int) -> None:
        if size > self._max_event:
            raise UpstreamProtocolError(f"upstream sent an event of over {self._max_event:,} bytes; dropped its stream")
