"""A function of the user's own."""

from pathlib import Path

import pytest

from llmctl.scoring.base import Unscorable
from tests.scoring.made import scored

CODE = """
import time
from llmctl.scoring.base import Score

def long(output, context): return len(output) > context["config"]["least"]
def told(output, context): return {"score": 0.25, "reason": context["expected"]}
def whole(output, context): return Score(0.5, reason="half")
def passes(output, context): return {"pass": True}
def raises(output, context): raise KeyError("oh")
def odd(output, context): return "yes"
def slow(output, context): time.sleep(5)
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
    import asyncio

    from llmctl.scoring.base import Output, Sample
    from llmctl.scoring.python import Python, PythonOptions
    from tests.scoring.made import tools

    options = PythonOptions(function="mine.py:slow", timeout=0.05)

    async def run() -> None:
        with pytest.raises(Unscorable, match="took more than"):
            await Python(options, tools(folder)).score(Sample("1", {}), Output("x"), options)

    loop = asyncio.new_event_loop()
    loop.run_until_complete(run())  # asyncio.run would wait for the thread
    loop.close()


@pytest.mark.parametrize(
    ("function", "said"),
    [("none.py:f", "no file"), ("mine.py:nothing", "has no nothing"), ("no_such_module:f", "cannot be imported"),
     ("json:__doc__", "is no function")],
)  # fmt: skip
def test_what_cannot_be_found_is_told(function: str, said: str, folder: Path) -> None:
    with pytest.raises(ValueError, match=said):
        scored("python", "x", function=function, folder=folder)
