"""Lines of results."""

import msgspec

from llmctl.model.json import encode
from llmctl.scoring.result import Result, Run, Scored


def test_they_come_back_as_they_were() -> None:
    scored = [Scored("m", "equals", 1.0, True), Scored("n", "words", None, None, reason="why")]
    result = Result("i", 3, 0, "a", 0.5, True, columns={"x": [1]}, scored=scored)
    assert msgspec.json.decode(encode(result), type=Result) == result
    run = Run("s", "d", ["a"], 1, 1, 0, 1.0, "0")
    assert msgspec.json.decode(encode(run), type=Run) == run
