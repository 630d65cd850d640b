"""Makes the cache of a configuration, and what holds for each name that clients may ask for."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from llmctl.config.digest import digest
from llmctl.config.load import Loaded, decode
from llmctl.config.schema_cost import CacheConfig, CachePolicyConfig, SemanticConfig
from llmctl.config.section import Extension
from llmctl.embedding import TABLE
from llmctl.embedding.base import Embedder
from llmctl.errors import ConfigError
from llmctl.gateway.build_routes import Routes
from llmctl.gateway.caching import Cache, Terms
from llmctl.gateway.leases import Leases, Made, Resource
from llmctl.gateway.shelf import Embedding, Spared

STORAGE = {"dir", "memory", "disk", "secret"}
BUILT_IN = Extension(kind="static")


@dataclass(frozen=True, slots=True)
class Caching:
    """A gateway's cache, the terms of every name that is cached, and what has to run for it. No `cache`: no caching."""

    cache: Cache | None
    terms: Mapping[str, Terms]
    resources: Mapping[Made, Resource]
    max_answer: int = 0
    judges: frozenset[str] = frozenset()


class CacheMaker:
    """Makes it. What is wrong is added to `trouble`, as complete lines."""

    def __init__(self, loaded: Loaded, routes: Routes, leases: Leases, around: Any, trouble: list[str]) -> None:
        self._loaded = loaded
        self._routes = routes
        self._leases = leases
        self._around = around
        self._trouble = trouble
        self._resources: dict[Made, Resource] = {}
        self._judges: set[str] = set()

    def caching(self) -> Caching:
        """The cache, as far as it is in order."""
        config = self._loaded.config.cache
        if config is None:
            return Caching(None, {}, {})
        names = [*self._loaded.config.models, *self._loaded.config.routes]
        for name in config.routes:
            if name not in names:
                self._say(
                    ("cache", "routes", name), f"no model or route {name!r}; there are {', '.join(sorted(names))}"
                )
        cache = self._cache(config)  # before embedders, which it uses until it is closed
        terms: dict[str, Terms] = {}
        for name in names:
            own = self._policy(config, name)
            if own.enabled and name in self._routes.branches and not self._divided(config, name):
                terms[name] = self._terms(name, own, self._semantic(config, name, own))
        return Caching(cache, terms, self._resources, config.max_answer, frozenset(self._judges))

    def _cache(self, config: CacheConfig) -> Cache:
        made = Made.of("cache", "cache", config.model_dump(include=STORAGE))
        around = self._around
        cache: Cache = self._leases.running(made) or Cache(config, around.clock, around.random, around.warn)
        self._resources[made] = cache
        return cache

    def _policy(self, config: CacheConfig, name: str) -> CachePolicyConfig:
        """The gateway's settings with what the name says itself."""
        own = config.routes.get(name)
        said = {} if own is None else {field: getattr(own, field) for field in own.model_fields_set}
        shared = {field: getattr(config, field) for field in CachePolicyConfig.model_fields}
        return CachePolicyConfig.model_construct(**{**shared, **said})

    def _divided(self, config: CacheConfig, name: str) -> bool:
        """Whether an experiment divides the name's requests: an arm's answers must not be served to another."""
        split = self._routes.branches[name].split
        own = config.routes.get(name)
        if split is not None and own is not None and own.enabled:
            where = ("cache", "routes", name)
            self._say(
                where, f"route {name!r} has an experiment, whose arms must not see each other's answers; remove one"
            )
        return split is not None

    def _terms(self, name: str, own: CachePolicyConfig, semantic: Embedding | None) -> Terms:
        branch, reserves = self._routes.branches[name], self._routes.reserves[name]
        choosers = [branch.chooser, *(own for _, own in branch.rules)]
        models = {model for chooser in choosers for model in chooser.strategy.models}
        models.update(model for line in reserves.fallbacks.values() for model in line)
        ordered = tuple(sorted(models))
        return Terms(
            name,
            ordered,
            self._digest(name, ordered),
            own.ttl,
            own.stale_while_revalidate,
            own.stale_if_error,
            own.single_flight,
            semantic,
            branch if branch.rules else None,
            branch.timeout if branch.timeout is not None else math.inf,
        )

    def _digest(self, name: str, models: tuple[str, ...]) -> str:
        """Of all that makes an answer what it is: guards, the route, its models and what provides them."""
        config = self._loaded.config
        entries = {model: config.models[model] for model in models}
        parts: dict[str, Any] = {
            "guardrails": config.guardrails.model_dump(mode="json"),
            "route": config.routes[name].model_dump(mode="json") if name in config.routes else None,
            "models": {model: entry.model_dump(mode="json") for model, entry in entries.items()},
            "providers": {
                entry.provider: config.providers[entry.provider].model_dump(mode="json") for entry in entries.values()
            },
            "compress": config.compress.model_dump(mode="json") if config.compress is not None else None,
        }
        return digest(parts)

    def _semantic(self, config: CacheConfig, name: str, own: CachePolicyConfig) -> Embedding | None:
        semantic = own.semantic
        if semantic is None:
            return None
        route = config.routes.get(name)
        said_here = route is not None and "semantic" in route.model_fields_set
        path = ("cache", "routes", name, "semantic") if said_here else ("cache", "semantic")
        judge = semantic.compare.judge
        if judge is not None and judge not in self._loaded.config.models:
            known = ", ".join(sorted(self._loaded.config.models))
            self._say((*path, "compare", "judge"), f"no model {judge!r}; there are {known}")
        elif judge is not None:
            self._judges.add(judge)
        embedder = self._embedder(semantic, path)
        return Embedding.of(semantic, embedder) if embedder is not None else None

    def _embedder(self, semantic: SemanticConfig, path: tuple[str, ...]) -> Embedder | None:
        entry = semantic.embedder or BUILT_IN
        here = (*path, "embedder")
        if entry.kind not in TABLE:
            self._say((*here, "kind"), f"no kind {entry.kind!r}; there are {', '.join(sorted(TABLE))}")
            return None
        kind = TABLE[entry.kind]
        made = Made.of("embedder", entry.kind, entry.options)
        try:
            options = decode(kind.Options, entry.options, self._loaded, here)
            running: Any = self._resources.get(made) or self._leases.running(made)
            around = self._around
            found: Spared = running or Spared(kind(options, around.transport, around.clock), around.warn)
        except ConfigError as error:
            self._tell(error.findings)
            return None
        except (ValueError, OSError) as error:
            self._say(here, str(error))
            return None
        self._resources[made] = found
        return found.embedder

    def _say(self, path: tuple[str | int, ...], message: str) -> None:
        self._tell([self._loaded.finding(path, message)])

    def _tell(self, findings: Iterable[str]) -> None:
        """Once, however many names share what is wrong."""
        self._trouble.extend(finding for finding in findings if finding not in self._trouble)
