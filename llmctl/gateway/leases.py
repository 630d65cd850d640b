"""Providers that run, shared by the gateways before and after a reload.

A provider whose configuration did not change is kept with all it has: its connections, its loaded model. It is
started by the first gateway that uses it and closed by the last.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from llmctl.providers.base import Provider


class Made(NamedTuple):
    """What a provider was made from; equal ones need no second provider. `options` are canonical JSON."""

    name: str
    kind: str
    options: bytes

    @classmethod
    def of(cls, name: str, kind: str, options: Mapping[str, Any]) -> "Made":
        """The key of a provider that is configured so."""
        return cls(name, kind, msgspec.json.encode(options, order="deterministic"))


class Leases:
    """Counts who uses which provider."""

    def __init__(self) -> None:
        self._providers: dict[Made, Provider] = {}
        self._users: dict[Made, int] = {}

    def running(self, made: Made) -> Provider | None:
        """The provider that already runs so, if one does. Must be acquired before anything else is awaited."""
        return self._providers.get(made)

    async def acquire(self, providers: Mapping[Made, Provider]) -> None:
        """Start those that do not run yet; on failure nothing is held."""
        held = {made: provider for made, provider in providers.items() if made in self._providers}
        for made in held:  # before anything is awaited: another gateway may be about to let go of them
            self._users[made] += 1
        try:
            for made, provider in providers.items():
                if made not in held:
                    await provider.start()
                    held[made] = self._providers[made] = provider
                    self._users[made] = 1
        except BaseException:
            await self.release(held)
            raise

    async def release(self, providers: Mapping[Made, Provider]) -> None:
        """Close those that nobody uses any more; what was never acquired is left alone."""
        for made, provider in providers.items():
            if made not in self._users:
                continue
            self._users[made] -= 1
            if not self._users[made]:
                del self._users[made], self._providers[made]
                await provider.close()
