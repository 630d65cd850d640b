"""A function of the user's own."""

import time
from pathlib import Path

import pytest

from llmctl.scoring.base import Unscorable
from tests.scoring.made import scored

CODE = """
from __future__ import annotations
import time
from dataclasses import dataclass
from llmctl.scoring.base import Score

@dataclass
class Mine:
    a: int

def long(output, context): return len(output) > context["config"]["least"]
def told(output, context): return {"score": 0.25, "reason": context["expected"]}
def whole(output, context): return Score(0.5, reason="half")
def passes(output, context): return {"pass": True}
def raises(output, context): raise KeyError("oh")
def odd(output, context): return "yes"
def slow(output, context): time.sleep(5)
def much(output, context): return Score(7.0)
async def later(output, context): return 1
"""


@pytest.fixture(name="folder")
def _folder(tmp_path: Path) -> Path:
    (tmp_path / "mine.py").write_text(CODE)
    return tmp_path


def test_what_it_may_return(folder: Path) -> None:
    assert scored("python", "hello", function="mine.py:long", config={"least": 3}, folder=folder).value == 1
    told = scored("python", "x", "because", function="mine.py:told", folder=folder)
    assert (told.value, told.reason) == (0.25, "because")
    assert scored("python", "x", function="mine.py:whole", folder=folder).value == 0.5
    assert scored("python", "x", function="mine.py:passes", folder=folder).value == 1
    assert scored("python", "x", function="mine.py:later", folder=folder).value == 1


@pytest.mark.parametrize(("name", "said"), [("raises", "raised KeyError"), ("odd", "returned 'yes'")])
def test_what_goes_wrong_is_no_score(name: str, said: str, folder: Path) -> None:
    with pytest.raises(Unscorable, match=said):
        scored("python", "x", function=f"mine.py:{name}", folder=folder)


def test_it_is_not_waited_for(folder: Path) -> None:
    began = time.monotonic()
    with pytest.raises(Unscorable, match="took more than"):
        scored("python", "x", function="mine.py:slow", timeout=0.05, folder=folder)
    assert time.monotonic() - began < 3  # nor at the end of the loop


def test_a_score_out_of_range_is_none(folder: Path) -> None:
    with pytest.raises(Unscorable, match="returned Score"):
        scored("python", "x", function="mine.py:much", folder=folder)


@pytest.mark.parametrize(
    ("function", "said"),
    [("none.py:f", "no file"), ("mine.py:nothing", "has no nothing"), ("no_such_module:f", "cannot be imported"),
     ("json:__doc__", "is no function")],
)  # fmt: skip
def test_what_cannot_be_found_is_told(function: str, said: str, folder: Path) -> None:
    with pytest.raises(ValueError, match=said):
        scored("python", "x", function=function, folder=folder)


def test_one_that_exits_is_told(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("def f(output, context): raise SystemExit(3)")
    with pytest.raises(Unscorable, match="SystemExit"):
        scored("python", "x", function="mine.py:f", folder=tmp_path)
    (tmp_path / "mine.py").write_text("raise SystemExit(3)")
    with pytest.raises(ValueError, match="cannot be imported: SystemExit"):
        scored("python", "x", function="mine.py:f", folder=tmp_path)
