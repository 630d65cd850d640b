"""Guards that an installed package brings: entry points of the group `llmctl.guards`, by their name.

    [project.entry-points."llmctl.guards"]
    houserules = "acme.guards:HouseRules"

Then `kind: houserules` names it. A built-in kind of the same name wins: it is looked up first.
"""

import inspect
from importlib.metadata import EntryPoint, entry_points
from typing import Any, ClassVar

from pydantic import ConfigDict

from llmctl.guards.asked.custom import DIRECTIONS, Foreign
from llmctl.guards.asked.custom_load import attempted, imported, made
from llmctl.guards.base import About, Direction, GuardOptions, Verdict
from llmctl.net.transport import Transport

GROUP = "llmctl.guards"


class AnyOptions(GuardOptions):
    """Options of a plugin whose class has no `Options` derived from GuardOptions: it is handed what is written."""

    model_config = ConfigDict(extra="allow", frozen=True)


def find(kind: str) -> type[Any] | None:
    """The plugin of that kind as an `Asked` class, or None. Raises ValueError where it cannot be loaded.

    For a kind that is neither in `TABLE` nor in `ADAPTERS`. Nothing but that one plugin is imported.
    """
    found = list({entry.value: entry for entry in entry_points(group=GROUP, name=kind)}.values())
    if not found:
        return None
    if len(found) > 1:
        names = ", ".join(sorted(_origin(entry) for entry in found))
        raise ValueError(f"guard {kind}: {len(found)} packages bring one of that name: {names}; uninstall all but one")
    spec = found[0].value.partition("[")[0].strip()
    try:
        target = imported(spec)
    except ValueError as error:
        raise ValueError(f"guard {kind} of {_origin(found[0])}: {error}") from None
    return wrapped(kind, spec, target)


def wrapped(kind: str, spec: str, target: Any) -> type[Any]:
    """A class that makes `target` as `custom` would, with its own `Options` where they derive from GuardOptions."""
    own = getattr(target, "Options", None)
    typed = inspect.isclass(own) and issubclass(own, GuardOptions)
    declared = getattr(target, "directions", None)
    model: Any = own if typed else AnyOptions

    class Plugin:
        """A guard from another package, asked in threads of its own."""

        Options: ClassVar[type[GuardOptions]] = model
        directions: ClassVar[frozenset[Direction]] = declared if isinstance(declared, frozenset) else DIRECTIONS

        def __init__(self, options: GuardOptions, transport: Transport) -> None:
            if typed:
                guard = attempted(spec, lambda: target(options), options.model_dump())
            else:
                guard = made(spec, target, options.model_extra or {})
            self._foreign = Foreign(f"{kind} ({spec})", guard)

        async def judge(self, text: str, about: About) -> Verdict:
            """Its verdict."""
            return await self._foreign.judge(text, about)

        def close(self) -> None:
            """Close it."""
            self._foreign.close()

    return Plugin


def _origin(entry: EntryPoint) -> str:
    return f"{entry.dist.name} ({entry.value})" if entry.dist is not None else entry.value
