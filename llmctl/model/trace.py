"""W3C Trace Context, level 1: https://www.w3.org/TR/trace-context/"""

from random import Random

from msgspec import Struct


class Trace(Struct, frozen=True, gc=False):
    """Where this exchange stands in a trace. Ids are lower-case hex; `parent_id` is empty at a trace's root."""

    trace_id: str
    span_id: str
    parent_id: str = ""
    flags: str = "01"
    state: str = ""

    def header(self, span_id: str) -> str:
        """`traceparent` for a call made within the span `span_id`."""
        return f"00-{self.trace_id}-{span_id}-{self.flags}"


_HEX = frozenset("0123456789abcdef")


def parse(value: str) -> tuple[str, str, str] | None:
    """(trace id, parent id, flags) of a `traceparent` header, or None where the specification says to restart."""
    parts = value.strip().split("-")
    if len(parts) < 4 or (parts[0] == "00" and len(parts) != 4):
        return None
    version, trace_id, parent_id, flags = parts[:4]
    well_formed = (len(version), len(trace_id), len(parent_id), len(flags)) == (2, 32, 16, 2)
    if not well_formed or version == "ff" or not _HEX.issuperset(version + trace_id + parent_id + flags):
        return None
    if trace_id == "0" * 32 or parent_id == "0" * 16:
        return None
    return trace_id, parent_id, f"{int(flags, 16) & 1:02x}"  # flags that level 1 does not define must not be sent on


def start(traceparent: str | None, random: Random, state: str = "") -> Trace:
    """Continue the caller's trace, or begin one; `state` is the caller's `tracestate`, kept only with its parent."""
    if traceparent is not None and (parent := parse(traceparent)):
        trace_id, parent_id, flags = parent
        return Trace(trace_id, f"{random.getrandbits(64) | 1:016x}", parent_id, flags, state)
    ids = f"{random.getrandbits(192) | 1 << 64 | 1:048x}"
    return Trace(ids[:32], ids[32:])
