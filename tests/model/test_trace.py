"""https://www.w3.org/TR/trace-context/#traceparent-header"""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmctl.model.trace import Trace, parse, start

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
GOOD = f"00-{TRACE}-{SPAN}-01"


@pytest.mark.parametrize(
    ("header", "parsed"),
    [
        (GOOD, (TRACE, SPAN, "01")),
        (f"00-{TRACE}-{SPAN}-00", (TRACE, SPAN, "00")),
        (f"  {GOOD}\t", (TRACE, SPAN, "01")),
        (f"cc-{TRACE}-{SPAN}-01", (TRACE, SPAN, "01")),  # a future version
        (f"cc-{TRACE}-{SPAN}-01-what-the-future-will-be", (TRACE, SPAN, "01")),
        (f"{GOOD}-more", None),  # version 00 ends after the flags
        (f"{GOOD}-", None),
        (f"ff-{TRACE}-{SPAN}-01", None),
        (f"cc-{TRACE}-{SPAN}-01.x", None),
        (f"00-{'0' * 32}-{SPAN}-01", None),
        (f"00-{TRACE}-{'0' * 16}-01", None),
        (GOOD.upper(), None),
        (f"00-{TRACE.replace('a', 'A')}-{SPAN}-01", None),
        (f"00-{TRACE[:-1]}-{SPAN}-01", None),
        (f"00-{TRACE}0-{SPAN}-01", None),
        (f"00-{TRACE}-{SPAN}-1", None),
        (f"0-{TRACE}-{SPAN}-01", None),
        (f"00-{TRACE}-{SPAN}-0x", None),
        (f"00-{TRACE[:-1]}٣-{SPAN}-01", None),  # a digit, but not hexadecimal
        (f"00-{TRACE}-{SPAN}", None),
        ("", None),
        ("-" * 55, None),
    ],
)
def test_the_specifications_table(header: str, parsed: tuple[str, str, str] | None) -> None:
    assert parse(header) == parsed


@pytest.mark.parametrize(("flags", "sent"), [("ff", "01"), ("03", "01"), ("02", "00"), ("00", "00")])
def test_flags_nobody_defined_are_not_sent_on(flags: str, sent: str) -> None:
    trace = start(f"00-{TRACE}-{SPAN}-{flags}", Random(1))
    assert trace.header(SPAN) == f"00-{TRACE}-{SPAN}-{sent}"


def test_a_callers_trace_is_continued() -> None:
    trace = start(GOOD, Random(1), "vendor=1")
    assert (trace.trace_id, trace.parent_id, trace.flags, trace.state) == (TRACE, SPAN, "01", "vendor=1")
    assert trace.span_id != SPAN


@pytest.mark.parametrize("header", [None, "", f"ff-{TRACE}-{SPAN}-01"])
def test_otherwise_a_trace_begins_without_the_callers_state(header: str | None) -> None:
    trace = start(header, Random(1), "vendor=1")
    assert (trace.parent_id, trace.state) == ("", "")
    assert trace.trace_id != TRACE


class Zeros(Random):
    def getrandbits(self, k: int) -> int:
        return 0


@given(st.one_of(st.randoms(use_true_random=True), st.just(Zeros())))
def test_what_is_sent_is_always_valid(random: Random) -> None:
    trace: Trace = start(None, random)
    assert parse(trace.header(trace.span_id)) == (trace.trace_id, trace.span_id, "01")


@given(st.text(max_size=60))
def test_no_header_trips_it(header: str) -> None:
    parse(header)
