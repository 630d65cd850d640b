"""The client, before imitated servers."""

import asyncio
from collections.abc import Sequence

from llmctl.chaos.client import Crowd
from llmctl.chaos.experiment import LoadConfig
from llmctl.chaos.provider import Provider
from llmctl.chaos.questions import Answered, Question, questions
from llmctl.clock import SystemClock
from llmctl.providers.script import Script

KEYS = {"tenant0": "k", "tenant1": "k"}
CLOCK = SystemClock()


async def asked(script: Script, every: Sequence[Question], rate: float = 1000.0, patience: float = 5) -> list[Answered]:
    found: list[Answered] = []
    async with Provider("a", script) as provider:
        crowd = Crowd(provider.port, KEYS, CLOCK, patience)
        await crowd.steadily(every, rate, found.append)
        crowd.close()
    return found


def some(count: int = 20) -> list[Question]:
    return list(questions(LoadConfig(route="m", rate=count), "method", 1))


async def test_that_every_answer_is_right() -> None:
    found = await asked(Script(), some())
    assert [str(answer) for answer in found if not answer.right] == []
    assert len(found) == 20


async def test_that_it_asks_on_whatever_becomes_of_those_before() -> None:
    found = await asked(Script.model_validate({"latency": 0.2}), some(), rate=200)
    assert max(answer.ended for answer in found) - min(answer.due for answer in found) < 0.6
    assert min(answer.seconds for answer in found) > 0.19


async def test_that_what_breaks_is_trouble() -> None:
    cut = Script.model_validate({"faults": [{"kind": "cut", "after_chunks": 1}]})
    assert {answer.trouble for answer in await asked(cut, some())} == {"the connection was closed within the answer"}
    reset = Script.model_validate({"faults": [{"kind": "reset"}]})
    assert {answer.trouble for answer in await asked(reset, some())} == {"the connection was closed without an answer"}
    silent = Script.model_validate({"faults": [{"kind": "hang"}]})
    assert {answer.trouble for answer in await asked(silent, some(4), patience=0.05)} == {"no end within 0.05 s"}


async def test_that_nobody_there_is_no_answer_but_no_trouble() -> None:
    crowd = Crowd(1, KEYS, CLOCK, 1)
    found = await crowd.ask(some()[0], CLOCK.monotonic())
    assert (found.status, found.trouble, found.right) == (0, "", False)
    assert found.said.startswith("no connection")


async def test_that_it_can_be_abandoned() -> None:
    task = asyncio.create_task(asked(Script.model_validate({"latency": 5}), some()))
    await asyncio.sleep(0.05)
    task.cancel()
    assert isinstance((await asyncio.gather(task, return_exceptions=True))[0], asyncio.CancelledError)
