"""A guard of one's own, or of another maker: `class: package.module:Name`."""

import inspect
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, ClassVar, get_args

from pydantic import ConfigDict, Field

from llmctl.errors import LlmctlError, UpstreamError
from llmctl.guards.asked import custom_shapes
from llmctl.guards.asked.checked import checked
from llmctl.guards.asked.custom_load import imported, made
from llmctl.guards.asked.threads import LoopThread, Workers
from llmctl.guards.base import About, Direction, GuardOptions, Verdict
from llmctl.net.transport import Transport

Judge = Callable[[str, About], Awaitable[Verdict]]

DIRECTIONS: frozenset[Direction] = frozenset(get_args(Direction))
THREADS = 2


class CustomOptions(GuardOptions):
    """Options of `custom`."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    class_: str = Field(
        alias="class",
        pattern=r"^[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*$",
        description="`package.module:Name` of a class, or of a function that returns the guard.",
    )
    options: dict[str, Any] = Field(
        default_factory=dict, repr=False, description="What it is made with: its own `Options`, else keywords."
    )
    threads: int = Field(THREADS, ge=1, le=16, description="Calls at once, where its code is not async.")


class Foreign:
    """An object of a known shape, asked where it can do no harm: its calls run in threads of their own.

    Known are our own `Guard` and `Asked` (`judge(text, about)`), Guardrails AI (`validate`), and NeMo Guardrails
    (`check_async` or `generate_async`). What they return is `checked`; whatever they raise is an UpstreamError.
    """

    directions: frozenset[Direction]

    def __init__(self, name: str, guard: Any, threads: int = THREADS) -> None:
        """Raises ValueError where the shape is none of these."""
        self.name = name
        self._guard = guard
        self._workers = Workers(name, threads)
        self._loop = LoopThread(name)
        self._judge = self._shape()
        given = getattr(guard, "directions", DIRECTIONS)
        if not isinstance(given, frozenset | set | tuple | list) or not given or not set(given) <= DIRECTIONS:
            raise ValueError(f"{name}: its `directions` must hold input, output or both")
        self.directions = frozenset(given)
        self._closed = False

    async def judge(self, text: str, about: About) -> Verdict:
        """Its verdict. Raises UpstreamError on whatever it raises, and on a verdict that is none."""
        try:
            answer = await self._judge(text, about)
        except LlmctlError:
            raise
        except Exception as error:  # its message might quote the text
            if (failed := custom_shapes.failed_validation(error)) is not None:
                return failed
            raise UpstreamError(f"guard {self.name} failed with {type(error).__name__}") from error
        try:
            return checked(answer, text)
        except ValueError as error:
            raise UpstreamError(f"guard {self.name}: {error}") from None

    def close(self) -> None:
        """Close the guard, if it can be closed, and give back the threads."""
        if self._closed:
            return
        self._closed = True
        self._workers.close()
        self._loop.close()
        close = getattr(self._guard, "close", None)
        if callable(close) and not inspect.iscoroutinefunction(close):
            with suppress(Exception):  # its own trouble must not keep the gateway from closing the rest
                close()

    def _shape(self) -> Judge:
        guard = self._guard
        if callable(getattr(guard, "judge", None)):
            return self._called(guard.judge, lambda text, about: ((text, about), {}), lambda answer, text: answer)
        if callable(getattr(guard, "check_async", None)):
            explicit = "rail_types" in _parameters(guard.check_async)

            def checks(text: str, about: About) -> tuple[tuple[Any, ...], dict[str, Any]]:
                rails = {"rail_types": [custom_shapes.Rail(about.direction)]} if explicit else {}
                return (custom_shapes.conversation(text, about),), rails

            return self._called(guard.check_async, checks, custom_shapes.from_check)
        if callable(getattr(guard, "generate_async", None)):

            def rails(text: str, about: About) -> tuple[tuple[Any, ...], dict[str, Any]]:
                options = {"rails": [about.direction], "log": {"activated_rails": True}}
                return (), {"messages": custom_shapes.conversation(text, about), "options": options}

            return self._called(guard.generate_async, rails, custom_shapes.from_generate)
        if callable(getattr(guard, "validate", None)):
            # A Validator of Guardrails AI insists on metadata; its Guard takes whatever is given.
            rest: tuple[Any, ...] = ({},) if "metadata" in _parameters(guard.validate) else ()
            return self._called(guard.validate, lambda text, _: ((text, *rest), {}), custom_shapes.from_guardrails)
        raise ValueError(
            f"{self.name}: {type(guard).__name__} is no guard that we can ask; give it judge(text, about) as in "
            "llmctl.guards.base, or name a Guardrails AI guard (validate) or NeMo rails (check_async, generate_async)"
        )

    def _called(
        self,
        function: Callable[..., Any],
        arguments: Callable[[str, About], tuple[tuple[Any, ...], dict[str, Any]]],
        read: Callable[[Any, str], Any],
    ) -> Judge:
        async def judge(text: str, about: About) -> Verdict:
            args, kwargs = arguments(text, about)
            if inspect.iscoroutinefunction(function):
                answer = await self._loop.run(lambda: function(*args, **kwargs))
            else:
                answer = await self._workers.run(lambda: function(*args, **kwargs))
            if inspect.iscoroutine(answer):  # an `async def` behind a decorator
                coroutine = answer
                answer = await self._loop.run(lambda: coroutine)
            try:
                verdict: Verdict = read(answer, text)
            except ValueError as error:
                raise UpstreamError(f"guard {self.name}: {error}") from None
            return verdict

        return judge


class Custom:
    """A guard from a class that the operator names. It is trusted like our own code: it runs in this process."""

    Options: ClassVar[type[GuardOptions]] = CustomOptions
    directions: ClassVar[frozenset[Direction]] = DIRECTIONS

    def __init__(self, options: CustomOptions, transport: Transport) -> None:
        """Imports and makes it. Raises ValueError saying which of the two went wrong."""
        guard = made(options.class_, imported(options.class_), options.options)
        self._foreign = Foreign(f"custom ({options.class_})", guard, options.threads)
        self.directions = self._foreign.directions  # type: ignore[misc]  # the class's are the most it can be

    async def judge(self, text: str, about: About) -> Verdict:
        """Its verdict."""
        return await self._foreign.judge(text, about)

    def close(self) -> None:
        """Close it."""
        self._foreign.close()


def _parameters(function: Callable[..., Any]) -> frozenset[str]:
    try:
        return frozenset(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        return frozenset()
