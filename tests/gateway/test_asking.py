"""What came of a call."""

import pytest

from llmctl.gateway.asking import Reply, Trouble
from llmctl.model import chat
from llmctl.model.json import encode


@pytest.mark.parametrize(
    ("choices", "said"),
    [
        ([{"message": {"content": "Hello"}}], "Hello"),
        ([{"message": {"content": [{"type": "text", "text": "Hel"}, {"type": "text", "text": "lo"}]}}], "Hello"),
        ([{"text": "Hello"}], "Hello"),
        ([{"message": {"content": None}}], ""),
        ([], ""),
    ],
)
def test_what_it_says(choices: list[object], said: str) -> None:
    assert Reply("r", "ok", 0.1, chat.answer(encode({"choices": choices})).body).text == said


def test_no_answer_says_nothing() -> None:
    assert Reply("r", "failed", 0.1, trouble=Trouble(500, "x", "y")).text == ""


@pytest.mark.parametrize(("status", "passing"), [(400, False), (404, False), (429, True), (502, True), (503, True)])
def test_what_may_pass(status: int, passing: bool) -> None:
    assert Trouble(status, "x", "y").passing is passing
