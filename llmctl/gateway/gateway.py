"""A built gateway: a value that runs exchanges, starts and stops what its providers need, and says how it is."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from llmctl.config.load import Loaded
from llmctl.errors import LlmctlError
from llmctl.gateway.build_budgets import Budgets
from llmctl.gateway.build_policies import Policies
from llmctl.gateway.caching import Cache
from llmctl.gateway.client import Client
from llmctl.gateway.copies import Copies
from llmctl.gateway.leases import Made, Resource
from llmctl.gateway.parking import Parking
from llmctl.gateway.pipeline import Pipeline
from llmctl.gateway.probes import Prober
from llmctl.gateway.stages.auth import Keyring
from llmctl.gateway.stages.mirror import Mirror
from llmctl.gateway.stages.route import Route
from llmctl.gateway.target import Target
from llmctl.model.chat import Answer
from llmctl.model.exchange import Exchange, Principal
from llmctl.providers.base import Provider

if TYPE_CHECKING:
    from llmctl.alerts.slo import Slos
    from llmctl.gateway.build import Surroundings

DRAIN_POLL = 0.05
BREAKER_STATES = {"closed": 0.0, "half_open": 1.0, "open": 2.0}


@dataclass(frozen=True, slots=True)
class Beside:
    """What runs beside the path, and ends with it."""

    prober: Prober
    policies: Policies
    copies: Sequence[Mirror | Copies] = ()
    parking: Parking | None = None
    promises: "Slos | None" = None
    judging: Copies | None = None


class Gateway:
    """Made by `build`. One configuration, one gateway; a reload makes another."""

    def __init__(
        self,
        loaded: Loaded,
        pipeline: Pipeline,
        keyring: Keyring,
        route: Route,
        providers: Sequence[Provider],
        resources: Mapping[Made, Resource],
        targets: Mapping[str, Target],
        beside: Beside,
        around: "Surroundings",
    ) -> None:
        """`resources` are started and closed with it, providers among them."""
        self.loaded = loaded
        self.config = loaded.config
        self.policy = loaded.digest
        self.clock = around.clock
        self.random = around.random
        self._pipeline = pipeline
        self._keyring = keyring
        self._route = route
        self._providers = tuple(providers)
        self._resources = dict(resources)
        self._cache = next((one for one in resources.values() if isinstance(one, Cache)), None)
        self._budgets = next((one for one in resources.values() if isinstance(one, Budgets)), None)
        self._targets = dict(targets)
        self._beside = beside
        self._leases = around.leases
        self.parker = around.parker

    @property
    def open(self) -> bool:
        """True where no keys are configured, so anyone who reaches the port may call."""
        return not self._keyring

    @property
    def promises(self) -> "Slos | None":
        """What it is to watch of itself."""
        return self._beside.promises

    @property
    def in_flight(self) -> int:
        """Exchanges under way."""
        return self._pipeline.in_flight

    async def run(self, exchange: Exchange, client: Client) -> None:
        """Take an exchange along the path; leaves exactly one record."""
        await self._pipeline.run(exchange, client)

    async def ask_beside(self, exchange: Exchange) -> Answer | None:
        """The answer to an exchange of our own, which has its decision; recorded, and booked as the shadow it is."""
        return await self._beside.judging.ask(exchange) if self._beside.judging is not None else None

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
        await self._leases.acquire(self._resources)
        self._beside.prober.start()

    async def close(self, drain: float = 0.0) -> None:
        """Wait up to `drain` seconds for exchanges under way, then stop the providers that nobody else uses.

        Those that are parked are waited for first, for hours if need be: whoever wants to stop ends them before.
        """
        loop = asyncio.get_running_loop()
        while (parking := self._beside.parking) is not None and parking.count:  # noqa: ASYNC110  # as below
            await asyncio.sleep(DRAIN_POLL)
        give_up = loop.time() + drain
        while self.in_flight and loop.time() < give_up:  # noqa: ASYNC110  # an event would cost every exchange
            await asyncio.sleep(DRAIN_POLL)
        self._beside.prober.stop()
        for copies in self._beside.copies:
            await copies.close()
        self._beside.policies.close()
        await self._leases.release(self._resources)

    def breakers_open(self) -> dict[str, float]:
        """By model, 1 where its breaker is not closed."""
        return {name: float(target.standing.breaker.state != "closed") for name, target in self._targets.items()}

    def breaker_states(self) -> dict[str, float]:
        """By model, 0 where its breaker is closed, 1 half open, 2 open."""
        return {name: BREAKER_STATES[target.standing.breaker.state] for name, target in self._targets.items()}

    def calls(self) -> dict[str, float]:
        """By model, calls of it under way."""
        return {name: float(target.standing.health.inflight) for name, target in self._targets.items()}

    def queue_depths(self) -> dict[str, float]:
        """By model with a limit on calls at a time, calls that wait for their turn."""
        slots = {name: target.standing.slots for name, target in self._targets.items()}
        return {name: float(one.depth) for name, one in slots.items() if one is not None}

    def limits_remaining(self) -> dict[str, float]:
        """By policy that limits, the share that the subject with the least left has left."""
        return {limit.name: limit.limiter.least() for limit in self._beside.policies.limits}

    def cache_bounds(self) -> dict[str, float]:
        """By name asked for, the bound on false hits over all requests; of several tenants the highest."""
        bounds: dict[str, float] = {}
        for (_, route), report in self._cache.reports().items() if self._cache is not None else ():
            if report.bound is not None:
                bounds[route] = max(bounds.get(route, 0.0), report.bound)
        return bounds

    def cache_sizes(self) -> dict[str, float]:
        """Entries and bytes of answers in memory, and entries that the disk was not given."""
        return self._cache.sizes() if self._cache is not None else {}

    def budgets_spent(self) -> dict[str, float]:
        """By budget, dollars that the subject that spent most has spent in the period that is now."""
        return self._budgets.spent() if self._budgets is not None else {}

    def budgets_remaining(self) -> dict[str, float]:
        """By budget, the share that the subject with the least left has left."""
        return self._budgets.remaining() if self._budgets is not None else {}

    def unready(self) -> dict[str, str]:
        """Providers that cannot answer now, with the reason."""
        reasons = {provider.name: provider.unready() for provider in self._providers}
        return {name: reason for name, reason in reasons.items() if reason is not None}
