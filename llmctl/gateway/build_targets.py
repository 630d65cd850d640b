"""Makes the models that can be called, with their breakers, health and queues."""

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from llmctl.config.load import Loaded
from llmctl.config.schema import ModelConfig
from llmctl.embedding import StaticEmbedder
from llmctl.gateway.leases import Made
from llmctl.gateway.queue import Slots, SlotsOptions
from llmctl.gateway.resilience import ResilienceOptions
from llmctl.gateway.target import Standing, Target
from llmctl.guards.language import profiles
from llmctl.providers.base import Provider
from llmctl.routing.breaker import Breaker, BreakerOptions
from llmctl.routing.features import Tools
from llmctl.routing.health import Health

if TYPE_CHECKING:
    from llmctl.gateway.build import Surroundings

NEVER = BreakerOptions(minimum_calls=1_000_000_000)
SURE = 0.55  # of a language, before a rule may rest on it


def make_targets(
    loaded: Loaded, providers: Mapping[str, Provider], resilience: ResilienceOptions, around: "Surroundings"
) -> dict[str, Target]:
    """Every configured model. Those whose provider and options did not change keep their standing over a reload."""
    targets = {}
    for name, entry in loaded.config.models.items():
        provider = providers[entry.provider]
        served = loaded.config.providers[entry.provider]
        made = Made.of(entry.provider, served.kind, served.options)
        own = entry.model_dump_json(include={"model", "concurrency", "max_queue"})
        key = ("standing", name, made, own, resilience.breaker.model_dump_json(), resilience.health.model_dump_json())
        standing = around.kept.of(key, partial(_standing, name, entry, resilience, around))
        targets[name] = Target(name, provider, entry.model or name, provider.transport or around.transport, standing)
    return targets


def parked_targets(
    loaded: Loaded, providers: Mapping[str, Provider], resilience: ResilienceOptions, around: "Surroundings"
) -> dict[str, Target]:
    """Those models whose provider has batches of its own, as requests of ours go there."""
    targets: dict[str, Target] = {}
    if around.parker is None:
        return targets
    now = around.clock.monotonic
    for name, entry in loaded.config.models.items():
        provider = providers[entry.provider]
        if (api := getattr(provider, "batch_api", None)) is not None:
            model = entry.model or name
            standing = Standing(Breaker(NEVER, now, around.random), Health(resilience.health, now), None, now)
            targets[name] = Target(name, provider, model, around.parker.transport(entry.provider, api, model), standing)
    return targets


def _standing(name: str, entry: ModelConfig, resilience: ResilienceOptions, around: "Surroundings") -> Standing:
    now = around.clock.monotonic
    slots = None
    if entry.concurrency is not None:
        options = SlotsOptions(limit=entry.concurrency, max_queue=entry.max_queue)
        slots = Slots(options, now, f"model {name!r}")
    breaker = Breaker(resilience.breaker, now, around.random, partial(around.transition, name))
    return Standing(breaker, Health(resilience.health, now), slots, now)


def feature_tools() -> Tools:
    """What routing computes features with. The table of the embedder is loaded when it is first needed."""
    embedder = StaticEmbedder()

    def language(text: str) -> str:
        found = profiles().guess(text)
        return found.language if found.certainty >= SURE else ""

    return Tools(embedder.embed, language)
