"""Batches are driven by the loop's own order and by futures that the test holds; no test waits for a real window."""

import asyncio
from collections.abc import Sequence

import numpy as np
import pytest

from llmctl.embedding.base import Vector
from llmctl.embedding.microbatch import MOST_WAITING, Microbatch
from llmctl.errors import Unavailable, UpstreamError

LONG = 60.0


class Model:
    """Gives a text's length; `gate`, where it is closed, holds calls up."""

    def __init__(self) -> None:
        self.calls: list[list[str]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.error: Exception | None = None

    async def __call__(self, texts: Sequence[str]) -> list[Vector]:
        self.calls.append(list(texts))
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        return [np.array([len(text)], np.float32) for text in texts]


def batches(model: Model, *, window: float = LONG, size: int = 4, calls: int = 2) -> Microbatch:
    return Microbatch("test", model, window=window, size=size, calls=calls)


def ask(made: Microbatch, *texts: str) -> list[asyncio.Task[Vector]]:
    return [asyncio.create_task(made.vector(text)) for text in texts]


async def turns(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_as_many_as_fit_go_together_without_waiting() -> None:
    model = Model()
    made = batches(model)
    found = await asyncio.gather(*ask(made, "a", "bb", "ccc", "dddd"))
    assert [int(one[0]) for one in found] == [1, 2, 3, 4]
    assert model.calls == [["a", "bb", "ccc", "dddd"]]
    await made.close()


async def test_what_comes_within_the_window_goes_together() -> None:
    model = Model()
    made = batches(model, window=0.03)
    first = ask(made, "a")
    await asyncio.sleep(0.005)
    await asyncio.gather(*first, *ask(made, "b"))
    await made.vector("c")
    assert model.calls == [["a", "b"], ["c"]]
    await made.close()


async def test_without_a_window_the_same_turn_goes_together() -> None:
    model = Model()
    made = batches(model, window=0)
    await asyncio.gather(*ask(made, "a", "b", "c"))
    await asyncio.gather(*ask(made, "d"))
    assert model.calls == [["a", "b", "c"], ["d"]]
    await made.close()


async def test_a_text_that_is_under_way_is_computed_once() -> None:
    model = Model()
    made = batches(model, window=0, size=1)
    model.gate.clear()
    asked = ask(made, "a", "a")
    await turns()
    asked += ask(made, "a")
    await turns()
    model.gate.set()
    assert [int(one[0]) for one in await asyncio.gather(*asked)] == [1, 1, 1]
    assert model.calls == [["a"]]
    await made.vector("a")
    assert model.calls == [["a"], ["a"]]
    await made.close()


async def test_while_calls_are_under_way_the_next_collects() -> None:
    model = Model()
    made = batches(model, window=0, calls=1)
    model.gate.clear()
    asked = ask(made, "a")
    await turns()
    for text in "bcdefg":
        asked += ask(made, text)
        await turns(2)
    assert model.calls == [["a"]]
    model.gate.set()
    await asyncio.gather(*asked)
    assert model.calls == [["a"], ["b", "c", "d", "e"], ["f", "g"]]
    await made.close()


async def test_a_waiter_that_is_cancelled_disturbs_nobody() -> None:
    model = Model()
    made = batches(model, window=0)
    model.gate.clear()
    one, other, twin = ask(made, "a", "b", "a")
    await turns()
    one.cancel()
    await turns()
    model.gate.set()
    assert [int(found[0]) for found in await asyncio.gather(other, twin)] == [1, 1]
    assert one.cancelled()
    await made.close()


async def test_a_text_that_nobody_waits_for_is_not_computed() -> None:
    model = Model()
    made = batches(model, size=3)
    gone, *_ = ask(made, "gone")
    await turns()
    gone.cancel()
    await turns()
    await asyncio.gather(*ask(made, "a", "b"))
    assert model.calls == [["a", "b"]]
    again = await asyncio.gather(*ask(made, "gone", "d", "e"))
    assert int(again[0][0]) == 4
    await made.close()


async def test_an_error_goes_to_all_of_its_batch_and_to_no_other() -> None:
    model = Model()
    made = batches(model, window=0)
    model.error = UpstreamError("broken")
    gone, *asked = ask(made, "x", "a", "b")
    await turns(1)
    gone.cancel()
    outcomes = await asyncio.gather(*asked, return_exceptions=True)
    assert outcomes == [model.error, model.error]
    model.error = None
    assert int((await made.vector("a"))[0]) == 1
    await made.close()


async def test_too_few_answers_are_an_error_and_leave_nobody_waiting() -> None:
    async def compute(texts: Sequence[str]) -> list[Vector]:
        return []

    made = Microbatch("test", compute, window=0, size=4, calls=1)
    with pytest.raises(ValueError, match="shorter"):
        await made.vector("a")
    await made.close()


async def test_more_than_can_be_computed_is_refused() -> None:
    model = Model()
    made = batches(model, calls=1)
    model.gate.clear()
    asked = ask(made, *map(str, range(MOST_WAITING + 4)))
    await turns()
    with pytest.raises(Unavailable, match="256 texts wait already"):
        await made.vector("one more")
    model.gate.set()
    assert len(await asyncio.gather(*asked)) == MOST_WAITING + 4
    await made.close()


async def test_closing_tells_those_who_wait() -> None:
    model = Model()
    made = batches(model, size=1, calls=1)
    model.gate.clear()
    asked = ask(made, "a", "b")
    await turns()
    await made.close()
    outcomes = await asyncio.gather(*asked, return_exceptions=True)
    assert [type(one) for one in outcomes] == [Unavailable, Unavailable]
    with pytest.raises(Unavailable, match="closed"):
        await made.vector("c")
    await made.close()
