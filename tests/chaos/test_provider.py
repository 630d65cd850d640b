"""The imitated provider of drills."""

import json

from llmctl.chaos.client import Crowd
from llmctl.chaos.provider import Provider, signed
from llmctl.chaos.questions import Question
from llmctl.clock import SystemClock
from llmctl.gateway.resumed import CONTINUE
from llmctl.providers.script import Fault, Script

QUESTION = Question("tenant0-method-1", "tenant0", "what?", "m", stream=False)


async def test_that_it_signs_and_keeps_books() -> None:
    async with Provider("a", Script()) as provider:
        crowd = Crowd(provider.port, {"tenant0": "k"}, SystemClock(), 5)
        assert (await crowd.ask(QUESTION, 0.0)).made_for == QUESTION.id
        provider.suffer([Fault(kind="error")])
        assert (await crowd.ask(QUESTION, 0.0)).status == 500
        provider.behave(Script.model_validate({"faults": [{"kind": "cut", "after_chunks": 1}]}))
        await crowd.ask(QUESTION, 0.0)
        crowd.close()
    assert [(call.provider, call.request, call.answered) for call in provider.calls] == [
        ("a", QUESTION.id, True),
        ("a", QUESTION.id, False),
        ("a", QUESTION.id, False),
    ]


async def test_that_it_can_close_its_port_and_open_it_again() -> None:
    async with Provider("a", Script()) as provider:
        crowd = Crowd(provider.port, {"tenant0": "k"}, SystemClock(), 5)
        await provider.close()
        assert (await crowd.ask(QUESTION, 0.0)).said.startswith("no connection")
        await provider.start()
        assert (await crowd.ask(QUESTION, 0.0)).right
        crowd.close()


def test_that_it_says_the_rest_of_an_answer_that_broke_off() -> None:
    turns = [{"role": "user", "content": "what?"}, {"role": "assistant", "content": "wh"}]
    body = json.dumps({"model": "m", "messages": [*turns, {"role": "user", "content": CONTINUE}]}).encode()
    assert json.loads(signed(body, "r-1"))["messages"] == [{"role": "user", "content": "at? [r-1]"}]


def test_that_a_beginning_which_is_none_is_told() -> None:
    turns = [{"role": "user", "content": "what?"}, {"role": "assistant", "content": "no"}]
    body = json.dumps({"model": "m", "messages": [*turns, {"role": "user", "content": CONTINUE}]}).encode()
    assert "not the beginning" in json.loads(signed(body, "r-1"))["messages"][0]["content"]


def test_that_what_has_no_messages_is_left_alone() -> None:
    assert signed(b'{"input":"x"}', "r") == b'{"input":"x"}'
