"""Makes a gateway from a configuration. Everything that can fail fails here, before anything is live."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from pydantic import BaseModel

from llmctl.clock import Clock, SystemClock
from llmctl.config import keys
from llmctl.config.load import Loaded, decode
from llmctl.errors import ConfigError
from llmctl.gateway.attempt import Caller
from llmctl.gateway.build_policies import Maker, Policies
from llmctl.gateway.build_routes import RouteMaker, Routes
from llmctl.gateway.build_targets import feature_tools, make_targets
from llmctl.gateway.course import Again
from llmctl.gateway.gateway import Gateway
from llmctl.gateway.kept import Kept
from llmctl.gateway.leases import Leases, Made
from llmctl.gateway.pipeline import Closing, Pipeline, Stage
from llmctl.gateway.plans import Plans
from llmctl.gateway.prices import Priced, price_list
from llmctl.gateway.probes import Prober
from llmctl.gateway.reserves import Reserves
from llmctl.gateway.resilience import ResilienceOptions
from llmctl.gateway.retry import RetryBudget, RetryPolicy
from llmctl.gateway.stages.auth import Auth, Key, Keyring
from llmctl.gateway.stages.input_guards import InputGuards
from llmctl.gateway.stages.limits import Reserve, Settle
from llmctl.gateway.stages.mirror import Mirror
from llmctl.gateway.stages.output_guards import OutputGuards
from llmctl.gateway.stages.read import Read
from llmctl.gateway.stages.record import Sink, WriteRecord
from llmctl.gateway.stages.respond import Charge, Respond
from llmctl.gateway.stages.route import Learn, Route
from llmctl.gateway.stages.upstream import Upstream
from llmctl.gateway.target import Target
from llmctl.model.exchange import Principal
from llmctl.model.pricing import PriceList
from llmctl.net.transport import Transport
from llmctl.providers import TABLE as PROVIDERS
from llmctl.providers.base import Provider
from llmctl.routing.base import ModelFacts

Transition = Callable[[str, str, str, str], None]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a gateway is given rather than makes; shared by the gateways before and after a reload."""

    transport: Transport
    clock: Clock
    random: Random
    sinks: Sequence[Sink]
    bug: Callable[[str, BaseException], None]
    leases: Leases = field(default_factory=Leases)
    kept: Kept = field(default_factory=Kept)
    transition: Transition = lambda model, before, after, reason: None
    """Told of every breaker that changes its state: the model's name, from, to, why."""


def build(loaded: Loaded, around: Surroundings) -> Gateway:
    """A gateway that is ready to `start`. Raises ConfigError with every finding."""
    trouble: list[str] = []
    providers, bases, made = _providers(loaded, around.leases, trouble)
    prices = _prices(loaded, bases, around.clock)
    facts = _facts(loaded, prices)
    routes = RouteMaker(loaded, facts, around.kept, trouble).routes()
    resilience = _resilience(loaded, trouble)
    policies = Maker(loaded, around.transport, around.bug, trouble).policies(around.kept, around.clock.monotonic)
    if trouble or resilience is None:
        raise ConfigError(trouble)
    targets = make_targets(loaded, providers, resilience, around)
    path = _Path(loaded, around, _keyring(loaded, around.clock), prices, policies, routes, targets, resilience)
    probes = Prober(targets.values(), resilience.probe_every or math.inf, around.clock.monotonic)
    beside = (probes, path.mirror, policies)
    return Gateway(loaded, path.pipeline(), path.keyring, path.route, made, targets, beside, around)


def routing(loaded: Loaded, clock: Clock) -> tuple[Routes, dict[str, ModelFacts]]:
    """What chooses models, and what it knows of them, without a gateway around it. Raises ConfigError."""
    trouble: list[str] = []
    _, bases, _ = _providers(loaded, Leases(), trouble)
    facts = _facts(loaded, _prices(loaded, bases, clock))
    routes = RouteMaker(loaded, facts, Kept(), trouble).routes()
    if trouble:
        raise ConfigError(trouble)
    return routes, facts


class _Path:
    """The path, in order, and the shorter one of copies."""

    def __init__(
        self,
        loaded: Loaded,
        around: Surroundings,
        keyring: Keyring,
        prices: PriceList,
        policies: Policies,
        routes: Routes,
        targets: Mapping[str, Target],
        resilience: ResilienceOptions,
    ) -> None:
        self.keyring = keyring
        self._loaded, self._around, self._prices, self._policies = loaded, around, prices, policies
        clock, random = around.clock, around.random
        policy, budget = RetryPolicy(resilience.retry, random), resilience.retry_budget
        again, apart = (
            Again(policy, RetryBudget(budget, clock.monotonic), clock) for _ in range(2)
        )  # copies spend no client's retries
        self._caller = Caller(around.clock, random)
        self._upstream = Upstream(targets, routes.reserves, again, self._caller)
        standings = {name: target.standing for name, target in targets.items()}
        self.route = Route(routes.branches, standings, feature_tools(), random)
        bare = Upstream(targets, dict.fromkeys(routes.reserves, Reserves()), apart, self._caller)
        self._judged = Plans(policies.output, self._names)
        copies = self._made((bare, *self._output_guards(None), self._respond()), ())
        self._learns = any(branch.learns for branch in routes.branches.values())
        self.mirror = Mirror(routes.branches, copies, random)

    def pipeline(self) -> Pipeline:
        """Every stage of an exchange."""
        now, policies, names = self._around.clock.monotonic, self._policies, self._names
        stages: tuple[Stage, ...] = (
            Auth(self.keyring),
            Read(),
            *([Reserve(policies.limits, names)] if policies.limits else []),
            InputGuards(Plans(policies.input, names), now),
            self.route,
            *([self.mirror] if self.mirror else []),
            self._upstream,
            *self._output_guards(self._upstream),
            self._respond(),
        )
        return self._made(stages, (Settle(), *([Learn()] if self._learns else [])))

    def _output_guards(self, upstream: Upstream | None) -> Sequence[Stage]:
        """Without `upstream` no answer is asked for again, as none of a copy is."""
        rails = self._loaded.config.guardrails
        again = upstream.run if upstream is not None and rails.repair else None
        guards = OutputGuards(self._judged, rails.segment, self._around.clock.monotonic, again)
        return [guards] if self._policies.output else []

    def _respond(self) -> Respond:
        return Respond(self._around.clock, self._prices, keep_content=self._keeps)

    @property
    def _names(self) -> frozenset[str]:
        config = self._loaded.config
        return frozenset({*config.models, *config.routes})

    @property
    def _keeps(self) -> bool:
        records = self._loaded.config.records
        return records.enabled and records.content == "redacted"

    def _made(self, stages: Sequence[Stage], closing: Sequence[Closing]) -> Pipeline:
        loaded, around = self._loaded, self._around
        limit = loaded.config.records.max_content
        record = WriteRecord(loaded.digest, around.clock, around.sinks, keep_content=self._keeps, max_content=limit)
        ends = (Charge(self._prices), *closing, record)
        return Pipeline(stages, ends, around.clock, around.bug, loaded.secrets)


def check(loaded: Loaded) -> None:
    """Build and throw away. Raises ConfigError."""
    build(loaded, Surroundings(_Nowhere(), SystemClock(), Random(0), (), lambda request_id, error: None))


class _Nowhere:
    """The transport of a gateway that is only checked."""

    async def send(self, request: Any) -> Any:
        raise AssertionError("a gateway that is only checked was asked to send")


def _providers(
    loaded: Loaded, leases: Leases, trouble: list[str]
) -> tuple[dict[str, Provider], dict[str, str | None], dict[Made, Provider]]:
    """Providers by name, their base URLs where given, and the same providers by what they were made from."""
    providers: dict[str, Provider] = {}
    made: dict[Made, Provider] = {}
    bases: dict[str, str | None] = {}
    for name, entry in loaded.config.providers.items():
        path = ("providers", name)
        if (options := _options(PROVIDERS, entry.kind, entry.options, loaded, path, trouble)) is None:
            continue
        key = Made.of(name, entry.kind, entry.options)
        try:
            made[key] = providers[name] = leases.running(key) or PROVIDERS[entry.kind](name, options)
        except (ValueError, OSError) as error:
            trouble.append(loaded.finding(path, str(error)))
        given = "base_url" in options.model_fields_set
        bases[name] = getattr(options, "base_url", None) if given else None
    return providers, bases, made


def _prices(loaded: Loaded, bases: Mapping[str, str | None], clock: Clock) -> PriceList:
    """Prices of those models whose provider is in order."""
    config = loaded.config
    return price_list(
        {
            name: Priced(config.providers[entry.provider].kind, bases[entry.provider], entry.model or name)
            for name, entry in config.models.items()
            if entry.provider in bases
        },
        clock,
    )


def _facts(loaded: Loaded, prices: PriceList) -> dict[str, ModelFacts]:
    facts = {}
    for name, entry in loaded.config.models.items():
        price = prices.of(name)
        tier = price.tiers[0] if price is not None else None
        facts[name] = ModelFacts(tier.input if tier else None, tier.output if tier else None, entry.context)
    return facts


def _resilience(loaded: Loaded, trouble: list[str]) -> ResilienceOptions | None:
    try:
        return decode(ResilienceOptions, loaded.config.resilience, loaded, ("resilience",))
    except ConfigError as error:
        trouble.extend(error.findings)
        return None


def _options(
    table: Mapping[str, type[Any]],
    kind: str,
    options: dict[str, Any],
    loaded: Loaded,
    path: tuple[str, ...],
    trouble: list[str],
) -> BaseModel | None:
    """An extension's own options, decoded by its own model."""
    if kind not in table:
        trouble.append(loaded.finding((*path, "kind"), f"no kind {kind!r}; there are {', '.join(sorted(table))}"))
        return None
    try:
        decoded: BaseModel = decode(table[kind].Options, options, loaded, path)
    except ConfigError as error:
        trouble.extend(error.findings)
        return None
    return decoded


def _keyring(loaded: Loaded, clock: Clock) -> Keyring:
    ring = {}
    for entry in loaded.config.keys:
        models = frozenset(entry.models) if entry.models is not None else None
        expires = entry.expires.timestamp() if entry.expires is not None else None
        principal = Principal(entry.id, entry.tenant, models, entry.admin, expires, entry.priority)
        ring[entry.id] = Key(principal, entry.hash)
    return Keyring(ring, clock, keys.split, keys.verify)
