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
from llmctl.config.secrets import Environment
from llmctl.errors import ConfigError
from llmctl.gateway.build_budgets import budgets
from llmctl.gateway.build_cache import CacheMaker
from llmctl.gateway.build_compress import compressing
from llmctl.gateway.build_policies import Maker
from llmctl.gateway.build_routes import RouteMaker, Routes
from llmctl.gateway.build_targets import make_targets, parked_targets
from llmctl.gateway.gateway import Beside, Gateway
from llmctl.gateway.kept import Kept
from llmctl.gateway.leases import Leases, Made
from llmctl.gateway.parking import Parker
from llmctl.gateway.path import Parts, Path
from llmctl.gateway.prices import Priced, price_list
from llmctl.gateway.prices_options import declared
from llmctl.gateway.probes import Prober
from llmctl.gateway.promises import promises
from llmctl.gateway.resilience import ResilienceOptions
from llmctl.gateway.stages.auth import Key, Keyring, Trusting
from llmctl.gateway.stages.record import Sink
from llmctl.gateway.tokens import Tokens
from llmctl.model.exchange import Principal
from llmctl.model.pricing import PriceList
from llmctl.net.transport import Transport
from llmctl.providers import TABLE as PROVIDERS
from llmctl.providers.base import Provider
from llmctl.routing.base import ModelFacts
from llmctl.telemetry.span_target import target_of

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
    warn: Callable[[str], None] = lambda message: None
    """Told, in one sentence, of what does not work and what is done without it. May be called from another thread."""
    tokens: Tokens | None = None
    """Counts what a provider has not; without it lengths are taken."""
    parker: Parker | None = None
    """Has requests of batches wait in those of their providers; without it they are asked like others."""
    env: Environment = field(default_factory=Environment.of_process)
    """What the promises' file may refer to."""
    trusting: bool = False
    """Code in this process says who asks, and is believed: no key is looked for."""


def build(loaded: Loaded, around: Surroundings) -> Gateway:
    """A gateway that is ready to `start`. Raises ConfigError with every finding."""
    trouble: list[str] = []
    providers, bases, made = _providers(loaded, around.leases, trouble)
    prices = _prices(loaded, bases, around.clock, trouble)
    facts = _facts(loaded, prices)
    routes = RouteMaker(loaded, facts, around.kept, trouble).routes()
    resilience = _resilience(loaded, trouble)
    caching = CacheMaker(loaded, routes, around.leases, around, trouble).caching()
    policies = Maker(loaded, around.transport, around.bug, trouble).policies(around.kept, around.clock.monotonic)
    compress = compressing(loaded, around, trouble)
    money, booked = budgets(loaded, around, trouble)
    slos = promises(loaded, around.env, trouble)
    _collector(loaded, around.env, trouble)
    if trouble or resilience is None:
        raise ConfigError(trouble)
    targets = make_targets(loaded, providers, resilience, around)
    parked = parked_targets(loaded, providers, resilience, around)
    keyring = _keyring(loaded, around)
    path = Path(
        Parts(loaded, around, keyring, prices, policies, routes, targets, resilience, caching, compress, money, parked)
    )
    probes = Prober(targets.values(), resilience.probe_every or math.inf, around.clock.monotonic)
    beside = Beside(probes, policies, path.copying, path.parking, slos, path.judging)
    resources = {**made, **caching.resources, **booked}
    return Gateway(
        loaded, path.pipeline(), keyring, path.route, list(made.values()), resources, targets, beside, around
    )


def routing(loaded: Loaded, clock: Clock) -> tuple[Routes, dict[str, ModelFacts]]:
    """What chooses models, and what it knows of them, without a gateway around it. Raises ConfigError."""
    trouble: list[str] = []
    _, bases, _ = _providers(loaded, Leases(), trouble)
    facts = _facts(loaded, _prices(loaded, bases, clock, trouble))
    routes = RouteMaker(loaded, facts, Kept(), trouble).routes()
    if trouble:
        raise ConfigError(trouble)
    return routes, facts


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
        if getattr(options, "batch", False) and loaded.config.batches is None:
            why = "only requests of batches go there, and /v1/batches is off; add `batches: {}`, or drop it"
            trouble.append(loaded.finding((*path, "batch"), why))
        key = Made.of(name, entry.kind, entry.options)
        try:
            made[key] = providers[name] = leases.running(key) or PROVIDERS[entry.kind](name, options)
        except (ValueError, OSError) as error:
            trouble.append(loaded.finding(path, str(error)))
        given = "base_url" in options.model_fields_set
        bases[name] = getattr(options, "base_url", None) if given else None
    return providers, bases, made


def prices_of(loaded: Loaded, clock: Clock) -> PriceList:
    """The prices of configured models, without a gateway around them. Raises ConfigError."""
    trouble: list[str] = []
    _, bases, _ = _providers(loaded, Leases(), trouble)
    prices = _prices(loaded, bases, clock, trouble)
    if trouble:
        raise ConfigError(trouble)
    return prices


def _prices(loaded: Loaded, bases: Mapping[str, str | None], clock: Clock, trouble: list[str]) -> PriceList:
    """Prices of those models whose provider is in order, and those that are declared."""
    config = loaded.config
    return price_list(
        {
            name: Priced(config.providers[entry.provider].kind, bases[entry.provider], entry.model or name)
            for name, entry in config.models.items()
            if entry.provider in bases
        },
        clock,
        declared(loaded, trouble),
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


def _collector(loaded: Loaded, env: Environment, trouble: list[str]) -> None:
    """Whether spans have a place to go to, where they are to go anywhere. The sink itself is made at start."""
    try:
        target_of(loaded.config.telemetry, env)
    except ConfigError as error:
        place = ("telemetry", "otlp")
        trouble.extend(loaded.finding(place, line.removeprefix("telemetry.otlp: ")) for line in error.findings)


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


def _keyring(loaded: Loaded, around: Surroundings) -> Keyring:
    ring = {}
    for entry in loaded.config.keys:
        models = frozenset(entry.models) if entry.models is not None else None
        expires = entry.expires.timestamp() if entry.expires is not None else None
        principal = Principal(entry.id, entry.tenant, models, entry.admin, expires, entry.priority)
        ring[entry.id] = Key(principal, entry.hash)
    return (Trusting if around.trusting else Keyring)(ring, around.clock, keys.split, keys.verify)
