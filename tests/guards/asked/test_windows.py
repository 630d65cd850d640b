"""Windows cover every character, and the worst counts."""

import asyncio
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmctl.errors import InvalidRequest, UpstreamError
from llmctl.guards.asked.windows import each, windows, worst
from llmctl.guards.base import ALLOW, Verdict


@given(st.integers(0, 5_000), st.integers(1, 300), st.data())
def test_every_character_and_every_seam_is_covered(length: int, size: int, data: st.DataObject) -> None:
    overlap = data.draw(st.integers(0, size // 2))
    places = windows(length, size, overlap, 10_000)
    assert places[0][0] == 0
    assert places[-1][1] == length
    assert all(0 < end - start <= size for start, end in places) or length == 0
    for (_, end), (start, _) in pairwise(places):
        assert end - start >= overlap  # what straddles a seam is whole in one of the two
    assert len(set(places)) == len(places)


def test_a_text_that_takes_too_many_windows_is_an_error_and_not_cut() -> None:
    assert len(windows(1_000, 100, 0, 10)) == 10
    with pytest.raises(InvalidRequest, match="11 windows, 10 at most"):
        windows(1_001, 100, 0, 10)


def test_the_worst() -> None:
    warn, weak, block = Verdict("warn", 1.0), Verdict("block", 0.2), Verdict("block", 0.6)
    assert worst([ALLOW, warn, weak, block]) is block
    assert worst([warn, ALLOW]) is warn
    assert worst([]) is ALLOW


async def test_answers_come_in_order_and_not_all_at_once() -> None:
    running = most = 0

    async def ask(item: int) -> int:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.001 * (10 - item))
        running -= 1
        return item * 2

    assert await each(ask, range(10), at_once=3) == [item * 2 for item in range(10)]
    assert most == 3


async def test_the_first_failure_ends_the_others() -> None:
    ended = 0

    async def ask(item: int) -> int:
        nonlocal ended
        if item == 1:
            raise UpstreamError("down")
        try:
            await asyncio.sleep(60)
        finally:
            ended += 1
        return item

    with pytest.raises(UpstreamError, match="down"):
        await each(ask, range(8), at_once=4)
    assert 3 <= ended <= 4  # the failed one made room for one more
    assert asyncio.all_tasks() == {asyncio.current_task()}
