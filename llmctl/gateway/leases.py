"""Providers, the cache, and what else runs, shared by the gateways before and after a reload.

One whose configuration did not change is kept with all it has: its connections, its loaded model, its answers. It is
started by the first gateway that uses it and closed by the last.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

import msgspec


class Resource(Protocol):
    """What has to be started and closed."""

    async def start(self) -> None:
        """Get ready; on failure nothing is left running."""
        ...

    async def close(self) -> None:
        """Stop, and give back what is held."""
        ...


class Made(NamedTuple):
    """What a resource was made from; equal ones need no second one. `options` are canonical JSON."""

    name: str
    kind: str
    options: bytes

    @classmethod
    def of(cls, name: str, kind: str, options: Mapping[str, Any]) -> "Made":
        """The key of one that is configured so."""
        return cls(name, kind, msgspec.json.encode(options, order="deterministic"))


class Leases:
    """Counts who uses what."""

    def __init__(self) -> None:
        self._resources: dict[Made, Any] = {}
        self._users: dict[Made, int] = {}

    def running(self, made: Made) -> Any:
        """What already runs so, or None. Must be acquired before anything else is awaited."""
        return self._resources.get(made)

    async def acquire(self, resources: Mapping[Made, Resource]) -> None:
        """Start those that do not run yet; on failure nothing is held."""
        held = {made: resource for made, resource in resources.items() if made in self._resources}
        for made in held:  # before anything is awaited: another gateway may be about to let go of them
            self._users[made] += 1
        try:
            for made, resource in resources.items():
                if made not in held:
                    await resource.start()
                    held[made] = self._resources[made] = resource
                    self._users[made] = 1
        except BaseException:
            await self.release(held)
            raise

    async def release(self, resources: Mapping[Made, Resource]) -> None:
        """Close those that nobody uses any more; what was never acquired is left alone."""
        for made, resource in resources.items():
            if made not in self._users:
                continue
            self._users[made] -= 1
            if not self._users[made]:
                del self._users[made], self._resources[made]
                await resource.close()
