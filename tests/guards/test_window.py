"""Where a stream is cut and what is delivered of it depend on the text alone, not on how it came."""

import re
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmctl.guards.base import Span
from llmctl.guards.window import ALIGN, Channel

WORDS = st.sampled_from(
    ["a", "word", "X9", "end.", "so!", "「終。」", "(see.)", "x" * 200, "?", "e.g.", "one\n", "...", '."']
)
TEXTS = st.lists(st.tuples(WORDS, st.sampled_from([" ", "", "\n", "  "])), max_size=40).map(
    lambda parts: "".join(word + blank for word, blank in parts)
)
SEGMENTS = st.sampled_from([0, 1, 5, 40])


def split(text: str, cuts: list[int]) -> list[str]:
    edges = sorted({0, len(text), *(cut % (len(text) + 1) for cut in cuts)})
    return [text[start:end] for start, end in pairwise(edges)]


def name(span: Span, value: str) -> str:
    return f"<{value.upper()}>"


def found(text: str, at: int) -> list[Span]:
    return [Span(at + m.start(), at + m.end(), "X") for m in re.finditer(r"x+9?|word a", text)]


def run(text: str, pieces: list[str], segment: int, lookbehind: int = 8) -> tuple[list[tuple[int, int, str]], str]:
    """The windows that were judged and what was delivered, piece by piece."""
    channel, windows, out = Channel(segment), [], ""
    waiting: list[tuple[int, int]] = []

    def judge(upto: int, *, final: bool) -> None:
        start, window = channel.window(lookbehind, upto)
        windows.append((start, upto, window))
        channel.settle(upto, found(window, start), 0 if final else 7, name, final=final)

    def deliver() -> str:
        said = ""
        while waiting and waiting[0][1] <= channel.settled:
            start, end = waiting.pop(0)
            words = channel.delivered(start, end)
            said += text[start:end] if words is None else words
        channel.forget(waiting[0][0] if waiting else channel.end, lookbehind)
        return said

    for piece in pieces:
        waiting.append(channel.feed(piece))
        while (cut := channel.cut()) is not None:
            judge(cut, final=False)
        out += deliver()
    judge(channel.end, final=True)
    return windows, out + deliver()


@settings(max_examples=200, deadline=None)
@given(TEXTS, st.lists(st.integers(0, 3000), max_size=40), SEGMENTS)
def test_windows_and_deliveries_do_not_depend_on_the_split(text: str, cuts: list[int], segment: int) -> None:
    whole = run(text, [text], segment)
    assert run(text, split(text, cuts), segment) == whole
    assert run(text, list(text), segment) == whole


@settings(max_examples=100, deadline=None)
@given(TEXTS, SEGMENTS)
def test_what_is_not_found_is_delivered_as_it_is(text: str, segment: int) -> None:
    text = text.replace("x", "y").replace("word", "wort")
    windows, out = run(text, list(text), segment)
    assert out == text
    assert windows[-1][1] == len(text)


def test_cuts_are_at_sentence_ends_a_segment_apart() -> None:
    channel = Channel(20)
    channel.feed("One. Two. Three is longer than the others. Four")
    cut = channel.cut()
    assert cut is not None
    assert channel.everything()[:cut].endswith("others. ") or channel.everything()[cut - 1] == " "
    assert cut > 20
    channel.settle(cut, [], 0, name)
    assert channel.cut() is None


@pytest.mark.parametrize("segment", [0, 10])
def test_text_without_blanks_is_cut_in_any_case(segment: int) -> None:
    channel = Channel(segment)
    channel.feed("x" * 1000)
    cut = channel.cut()
    assert cut is not None
    assert cut <= 4 * segment + ALIGN + 1


def test_windows_begin_at_a_word() -> None:
    channel = Channel(0)
    channel.feed("alpha beta gamma delta")
    channel.settle(17, [], 0, name)
    assert channel.window(9, 22) == (11, "gamma delta")  # 8 is within beta
    assert channel.window(100, 22) == (0, "alpha beta gamma delta")
    assert channel.window(0, 22) == (17, "delta")


def test_a_span_that_reaches_into_what_is_held_waits_whole() -> None:
    channel = Channel(0)
    channel.feed("call 030 1234")
    channel.settle(13, [Span(5, 13, "PHONE")], 3, name)
    assert channel.settled == 5
    channel.feed("56 now")
    channel.settle(19, [Span(5, 15, "PHONE")], 0, name, final=True)
    assert channel.delivered(0, 13) == "call <030 123456>"
    assert channel.delivered(13, 19) == " now"


def test_what_stands_for_a_value_comes_with_its_first_piece() -> None:
    channel = Channel(0)
    for piece in ("to jo", "@x.", "org", " or me@y.org"):
        channel.feed(piece)
    channel.settle(channel.end, [Span(3, 11, "E"), Span(15, 23, "E")], 0, name, final=True)
    parts = [channel.delivered(start, end) for start, end in ((0, 5), (5, 8), (8, 11), (11, 23))]
    assert parts == ["to <JO@X.ORG>", "", "", " or <ME@Y.ORG>"]


def test_parts_without_a_span_are_none() -> None:
    channel = Channel(0)
    channel.feed("abc def")
    channel.settle(7, [Span(4, 7, "E")], 0, name, final=True)
    assert channel.delivered(0, 4) is None
    assert channel.delivered(4, 7) == "<DEF>"


def test_only_the_rest_of_a_value_is_edited_whose_beginning_has_gone() -> None:
    channel = Channel(0)
    channel.feed("abc ")
    channel.settle(4, [], 0, name)
    channel.feed("def")
    channel.settle(7, [Span(0, 7, "E")], 0, name, final=True)
    assert channel.delivered(0, 4) is None
    assert channel.delivered(4, 7) == "<DEF>"


def test_a_long_stream_is_forgotten_as_it_goes() -> None:
    channel = Channel(10)
    for _ in range(2000):
        channel.feed("ten chars ")
        while (cut := channel.cut()) is not None:
            channel.settle(cut, [], 0, name)
        assert channel.delivered(max(0, channel.settled - 10), channel.settled) is None
        channel.forget(channel.settled, 50)
    assert channel.end == 20_000
    start, window = channel.window(50, channel.end)
    assert start > 19_000
    assert len(window) == 20_000 - start
    with pytest.raises(AssertionError):
        channel.everything()
