"""A built gateway: a value that runs exchanges, starts and stops what its providers need, and says how it is."""

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING

from llmctl.config.load import Loaded
from llmctl.errors import LlmctlError
from llmctl.gateway.build_policies import Policies
from llmctl.gateway.client import Client
from llmctl.gateway.leases import Made
from llmctl.gateway.pipeline import Pipeline
from llmctl.gateway.probes import Prober
from llmctl.gateway.stages.auth import Keyring
from llmctl.gateway.stages.mirror import Mirror
from llmctl.gateway.stages.route import Route
from llmctl.gateway.target import Target
from llmctl.model.exchange import Exchange, Principal
from llmctl.providers.base import Provider

if TYPE_CHECKING:
    from llmctl.gateway.build import Surroundings

DRAIN_POLL = 0.05


class Gateway:
    """Made by `build`. One configuration, one gateway; a reload makes another."""

    def __init__(
        self,
        loaded: Loaded,
        pipeline: Pipeline,
        keyring: Keyring,
        route: Route,
        providers: Mapping[Made, Provider],
        targets: Mapping[str, Target],
        beside: tuple[Prober, Mirror, Policies],
        around: "Surroundings",
    ) -> None:
        """`beside` is what runs beside the path and ends with it."""
        self.loaded = loaded
        self.config = loaded.config
        self.policy = loaded.digest
        self.clock = around.clock
        self.random = around.random
        self._pipeline = pipeline
        self._keyring = keyring
        self._route = route
        self._providers = providers
        self._targets = dict(targets)
        self._prober, self._mirror, self._policies = beside
        self._leases = around.leases

    @property
    def open(self) -> bool:
        """True where no keys are configured, so anyone who reaches the port may call."""
        return not self._keyring

    @property
    def in_flight(self) -> int:
        """Exchanges under way."""
        return self._pipeline.in_flight

    async def run(self, exchange: Exchange, client: Client) -> None:
        """Take an exchange along the path; leaves exactly one record."""
        await self._pipeline.run(exchange, client)

    async def refuse(self, exchange: Exchange, client: Client, error: LlmctlError) -> None:
        """Answer and record what cannot enter the path."""
        await self._pipeline.refuse(exchange, client, error)

    def principal(self, credential: str | None) -> Principal:
        """Whose key this is. Raises Unauthorized."""
        return self._keyring.principal(credential)

    def models(self, principal: Principal) -> list[str]:
        """Models and routes this caller may ask for."""
        return self._route.visible(principal)

    async def start(self) -> None:
        """Start what providers need, as far as they do not run already; on failure nothing is left running."""
        await self._leases.acquire(self._providers)
        self._prober.start()

    async def close(self, drain: float = 0.0) -> None:
        """Wait up to `drain` seconds for exchanges under way, then stop the providers that nobody else uses."""
        loop = asyncio.get_running_loop()
        give_up = loop.time() + drain
        while self.in_flight and loop.time() < give_up:  # noqa: ASYNC110  # an event would cost every exchange
            await asyncio.sleep(DRAIN_POLL)
        self._prober.stop()
        await self._mirror.close()
        self._policies.close()
        await self._leases.release(self._providers)

    def breakers_open(self) -> dict[str, float]:
        """By model, 1 where its breaker is not closed."""
        return {name: float(target.standing.breaker.state != "closed") for name, target in self._targets.items()}

    def unready(self) -> dict[str, str]:
        """Providers that cannot answer now, with the reason."""
        reasons = {provider.name: provider.unready() for provider in self._providers.values()}
        return {name: reason for name, reason in reasons.items() if reason is not None}
