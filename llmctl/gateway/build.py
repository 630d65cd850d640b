"""Makes a gateway from a configuration. Everything that can fail fails here, before anything is live."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from pydantic import BaseModel

from llmctl.clock import Clock, SystemClock
from llmctl.config import keys
from llmctl.config.load import Loaded, decode
from llmctl.config.schema import GuardrailsConfig
from llmctl.errors import ConfigError
from llmctl.gateway.build_policies import Maker, Policies
from llmctl.gateway.gateway import Gateway
from llmctl.gateway.leases import Leases, Made
from llmctl.gateway.pipeline import Pipeline, Stage
from llmctl.gateway.plans import Plans
from llmctl.gateway.prices import Priced, price_list
from llmctl.gateway.stages.auth import Auth, Key, Keyring
from llmctl.gateway.stages.input_guards import InputGuards
from llmctl.gateway.stages.limits import Limiters, Reserve, Settle
from llmctl.gateway.stages.output_guards import OutputGuards
from llmctl.gateway.stages.read import Read
from llmctl.gateway.stages.record import Sink, WriteRecord
from llmctl.gateway.stages.respond import Charge, Respond
from llmctl.gateway.stages.route import Route
from llmctl.gateway.stages.upstream import Target, Upstream
from llmctl.model.exchange import Principal
from llmctl.model.pricing import PriceList
from llmctl.net.transport import Transport
from llmctl.providers import TABLE as PROVIDERS
from llmctl.providers.base import Provider
from llmctl.routing import TABLE as STRATEGIES
from llmctl.routing.base import Strategy
from llmctl.routing.fixed import Fixed, FixedOptions


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a gateway is given rather than makes; shared by the gateways before and after a reload."""

    transport: Transport
    clock: Clock
    random: Random
    sinks: Sequence[Sink]
    bug: Callable[[str, BaseException], None]
    leases: Leases = field(default_factory=Leases)
    limiters: Limiters = field(default_factory=Limiters)


def build(loaded: Loaded, around: Surroundings) -> Gateway:
    """A gateway that is ready to `start`. Raises ConfigError with every finding."""
    config = loaded.config
    trouble: list[str] = []
    providers, bases, made = _providers(loaded, around.leases, trouble)
    routes = _routes(loaded, trouble)
    policies = Maker(loaded, around.transport, around.bug, trouble).policies(around.limiters, around.clock.monotonic)
    if trouble:
        raise ConfigError(trouble)
    targets: dict[str, Target] = {}
    priced: dict[str, Priced] = {}
    for name, entry in config.models.items():
        provider, model = providers[entry.provider], entry.model or name
        targets[name] = Target(provider, model, provider.transport or around.transport)
        priced[name] = Priced(config.providers[entry.provider].kind, bases[entry.provider], model)
    prices = price_list(priced, around.clock)
    keyring = _keyring(loaded, around.clock)
    route = Route(routes, around.random)
    pipeline = _pipeline(
        loaded, around, keyring, route, Upstream(targets, around.clock, around.random), prices, policies
    )
    return Gateway(loaded, pipeline, keyring, route, made, policies, around)


def _pipeline(
    loaded: Loaded,
    around: Surroundings,
    keyring: Keyring,
    route: Route,
    upstream: Upstream,
    prices: PriceList,
    policies: Policies,
) -> Pipeline:
    """The path, in order."""
    config, now = loaded.config, around.clock.monotonic
    keep = config.records.enabled and config.records.content == "redacted"
    names = frozenset({*config.models, *config.routes})
    rails = config.guardrails
    stages: tuple[Stage, ...] = (
        Auth(keyring),
        Read(),
        *([Reserve(policies.limits, names)] if policies.limits else []),
        InputGuards(Plans(policies.input, names), now),
        route,
        upstream,
        *([_output_guards(policies, names, rails, now, upstream)] if policies.output else []),
        Respond(around.clock, prices, keep_content=keep),
    )
    limit = config.records.max_content
    record = WriteRecord(loaded.digest, around.clock, around.sinks, keep_content=keep, max_content=limit)
    closing = (Charge(prices), Settle(), record)
    return Pipeline(stages, closing, around.clock, around.bug, loaded.secrets)


def _output_guards(
    policies: Policies, names: frozenset[str], rails: GuardrailsConfig, now: Callable[[], float], upstream: Upstream
) -> OutputGuards:
    return OutputGuards(Plans(policies.output, names), rails.segment, now, upstream.run if rails.repair else None)


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


def _routes(loaded: Loaded, trouble: list[str]) -> dict[str, Strategy]:
    models = loaded.config.models
    routes: dict[str, Strategy] = {name: Fixed(FixedOptions(model=name)) for name in models}
    for name, entry in loaded.config.routes.items():
        path = ("routes", name)
        if (options := _options(STRATEGIES, entry.kind, entry.options, loaded, path, trouble)) is None:
            continue
        strategy: Strategy = STRATEGIES[entry.kind](options)
        for model in strategy.models:
            if model not in models:
                known = ", ".join(sorted(models))
                trouble.append(loaded.finding(path, f"no model {model!r}; there are {known}"))
        routes[name] = strategy
    return routes


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
        ring[entry.id] = Key(Principal(entry.id, entry.tenant, models, entry.admin, expires), entry.hash)
    return Keyring(ring, clock, keys.split, keys.verify)
