"""A function of the user's own."""

import asyncio
import importlib
import importlib.util
import inspect
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar

import msgspec
from pydantic import Field

from llmctl.scoring.base import Output, Sample, Score, ScorerOptions, Tools, Unscorable


class PythonOptions(ScorerOptions):
    """Which function, and what it is given beside."""

    function: str = Field(
        pattern=r"^[^:]+:[A-Za-z_][A-Za-z0-9_]*$", description="`file.py:name` in the suite's folder, or `module:name`."
    )
    config: dict[str, Any] = Field(default_factory=dict, description="Handed over as `config`.")
    timeout: float = Field(10.0, gt=0, le=600, description="Seconds; the function is not stopped, but not waited for.")


class Python:
    """What `function(output: str, context: dict)` says: True or False, a number from 0 to 1, a Score, or a mapping.

    `context` has `sample` (all columns), `expected`, `config`, `output` (all that is known of the answer). A mapping
    has `score` (or `pass`), and may have `reason`. It runs in a thread, with the rights of this process.
    """

    Options: ClassVar[type[ScorerOptions]] = PythonOptions
    rendered: ClassVar[frozenset[str]] = frozenset({"config"})
    threshold: ClassVar[float] = 0.5

    def __init__(self, options: ScorerOptions, tools: Tools) -> None:
        """Imports the function. Raises ValueError."""
        assert isinstance(options, PythonOptions)
        self._name = options.function
        self._function = _function(options.function, tools.folder)

    async def score(self, sample: Sample, output: Output, options: ScorerOptions) -> Score:
        """Raises Unscorable where the function raises, takes too long, or returns something else."""
        assert isinstance(options, PythonOptions)
        context = {
            "sample": {"id": sample.id, **sample.columns},
            "expected": sample.expected,
            "config": options.config,
            "output": msgspec.to_builtins(output),
        }
        try:
            said = await asyncio.wait_for(_in_thread(self._function, output.text, context), options.timeout)
            if inspect.isawaitable(said):
                said = await asyncio.wait_for(said, options.timeout)
        except TimeoutError:
            raise Unscorable(f"{self._name} took more than {options.timeout:g} s") from None
        except Exception as error:  # the user's code: whatever it raises is told, and stops nothing
            raise Unscorable(f"{self._name} raised {type(error).__name__}: {error}") from None
        return self._read(said)

    def _read(self, said: Any) -> Score:
        reason = ""
        if isinstance(said, Score) and 0 <= said.value <= 1:
            return said
        if isinstance(said, Mapping):
            reason = str(said.get("reason", ""))
            said = said.get("score", said.get("pass"))
        if not isinstance(said, bool | int | float) or not 0 <= said <= 1:
            raise Unscorable(f"{self._name} returned {said!r}; give True, False, or a number from 0 to 1"[:200])
        return Score(float(said), reason=reason)


def _in_thread(function: Callable[..., Any], *arguments: Any) -> "asyncio.Future[Any]":
    """In a thread of its own, which nobody waits for when the process ends."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[Any] = loop.create_future()

    def tell(set_: Callable[[Any], None], value: Any) -> None:
        if not done.done():
            set_(value)

    def run() -> None:
        try:
            said, told = function(*arguments), done.set_result
        except Exception as error:  # whatever the user's code raises is the future's
            said, told = error, done.set_exception
        except BaseException as error:  # functions have been seen to exit: this thread would end, and nobody be told
            said, told = RuntimeError(f"{type(error).__name__}({error})"), done.set_exception
        with suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(tell, told, said)

    threading.Thread(target=run, name="llmctl-scorer", daemon=True).start()
    return done


def _function(place: str, folder: Path) -> Callable[[str, dict[str, Any]], Any]:
    module, _, name = place.rpartition(":")
    try:
        loaded = _file(folder / module) if module.endswith(".py") else importlib.import_module(module)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a module of the user's can raise anything, and has been seen to exit
        raise ValueError(f"function: {module} cannot be imported: {type(error).__name__}: {error}") from None
    found = getattr(loaded, name, None)
    if found is None:
        raise ValueError(f"function: {module} has no {name}")
    if not callable(found):
        raise ValueError(f"function: {name} in {module} is no function")
    function: Callable[[str, dict[str, Any]], Any] = found
    return function


def _file(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(f"llmctl_suite_{path.stem}", path)
    if spec is None or spec.loader is None or not path.is_file():
        raise ValueError(f"there is no file {path}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module
