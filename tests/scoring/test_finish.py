"""How an answer ends, and how long it is."""

import pytest

from llmctl.scoring.base import Output, Unscorable
from tests.scoring.made import scored


def test_finish_reason() -> None:
    assert scored("finish-reason", Output("x", finish_reason="stop")).value == 1
    assert scored("finish-reason", Output("x", finish_reason="length")).reason == "ended by length"
    with pytest.raises(Unscorable):
        scored("finish-reason", "x")


def test_words() -> None:
    assert scored("words", "one two  three", least=2, most=3).value == 1
    assert scored("words", "one two three four", most=3).reason == "4 words"
    assert scored("words", "", least=1).value == 0
    with pytest.raises(ValueError, match="less than least"):
        scored("words", "", least=3, most=2)
