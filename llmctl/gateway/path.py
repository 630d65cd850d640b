"""The path, in order, and the shorter ones of copies."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from llmctl.config.load import Loaded
from llmctl.gateway.attempt import Caller
from llmctl.gateway.build_budgets import Budgets
from llmctl.gateway.build_cache import Caching
from llmctl.gateway.build_policies import Policies
from llmctl.gateway.build_routes import Routes
from llmctl.gateway.build_targets import feature_tools
from llmctl.gateway.caching import Asking
from llmctl.gateway.comparing import ModelJudge, Verdicts
from llmctl.gateway.copies import Copies, copy_of
from llmctl.gateway.course import Again
from llmctl.gateway.parking import Parking
from llmctl.gateway.pipeline import Closing, Pipeline, Stage
from llmctl.gateway.plans import Plans
from llmctl.gateway.reserves import Reserves
from llmctl.gateway.resilience import ResilienceOptions
from llmctl.gateway.retry import RetryBudget, RetryPolicy
from llmctl.gateway.stages.auth import Auth, Keyring
from llmctl.gateway.stages.budget import Budget, SettleBudget
from llmctl.gateway.stages.cache_lookup import CacheLookup, Land
from llmctl.gateway.stages.cache_store import CacheStore
from llmctl.gateway.stages.input_guards import InputGuards
from llmctl.gateway.stages.limits import Reserve, Settle
from llmctl.gateway.stages.mirror import Mirror
from llmctl.gateway.stages.output_guards import OutputGuards
from llmctl.gateway.stages.read import Read
from llmctl.gateway.stages.record import WriteRecord
from llmctl.gateway.stages.respond import Charge, Respond
from llmctl.gateway.stages.route import Learn, Route
from llmctl.gateway.stages.upstream import Upstream
from llmctl.gateway.target import Target
from llmctl.model.exchange import Exchange
from llmctl.model.pricing import PriceList
from llmctl.model.record import CacheOutcome

if TYPE_CHECKING:
    from llmctl.gateway.build import Surroundings


@dataclass(frozen=True, slots=True)
class Parts:
    """What `build` has made, for the stages."""

    loaded: Loaded
    around: "Surroundings"
    keyring: Keyring
    prices: PriceList
    policies: Policies
    routes: Routes
    targets: Mapping[str, Target]
    resilience: ResilienceOptions
    caching: Caching
    compress: Stage | None = None
    budgets: Budgets | None = None
    parked: Mapping[str, Target] = field(default_factory=dict)


class Path:
    """Makes the stages and puts them in their order."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        config, around, routes, targets = parts.loaded.config, parts.around, parts.routes, parts.targets
        clock, random, resilience = around.clock, around.random, parts.resilience
        self._names = frozenset({*config.models, *config.routes})
        self._keeps = config.records.enabled and config.records.content == "redacted"
        policy, budget = RetryPolicy(resilience.retry, random), resilience.retry_budget
        again, apart = (
            Again(policy, RetryBudget(budget, clock.monotonic), clock) for _ in range(2)
        )  # copies spend no client's retries
        caller = Caller(clock, random)
        self._upstream: Stage = Upstream(targets, routes.reserves, again, caller)
        self.parking = self._parking(caller)
        self._upstream = self.parking or self._upstream
        self._accounts = parts.budgets.accounts if parts.budgets is not None else ()
        self._budget = [Budget(self._accounts, parts.prices, routes.reserves)] if self._accounts else []
        standings = {name: target.standing for name, target in targets.items()}
        self._tools = feature_tools()
        self.route = Route(routes.branches, standings, self._tools, random)
        bare = Upstream(targets, dict.fromkeys(routes.reserves, Reserves()), apart, caller)
        self._judged = Plans(parts.policies.output, self._names)
        copies = self._made((bare, *self._output_guards(None), self._respond()), ())
        self._compress = [parts.compress] if parts.compress is not None else []
        tried = self._made((*self._compress, bare, *self._output_guards(None), self._respond()), ())
        self._learns = any(branch.learns for branch in routes.branches.values())
        self._mirror = Mirror(routes.branches, tried, random)
        self.judging = Copies(copies)
        self._lookup, self._store, refreshing = self._cache(self.judging)
        self.copying: tuple[Mirror | Copies, ...] = (self._mirror, *refreshing, self.judging)

    def pipeline(self) -> Pipeline:
        """Every stage of an exchange."""
        parts, names = self._parts, self._names
        policies, now = parts.policies, parts.around.clock.monotonic
        stages: tuple[Stage, ...] = (
            Auth(parts.keyring),
            Read(),
            *([Reserve(policies.limits, names)] if policies.limits else []),
            InputGuards(Plans(policies.input, names), now),
            *self._lookup,
            self.route,
            *self._budget,
            *([self._mirror] if self._mirror else []),
            *self._compress,
            self._upstream,
            *self._output_guards(self._upstream),
            *self._store,
            self._respond(),
        )
        cached = [Land()] if self._store else []
        return self._made(stages, (*cached, Settle(), *([Learn()] if self._learns else [])))

    def _parking(self, caller: Caller) -> Parking | None:
        """What asks models, where some have batches of their own: there nothing is asked twice but by the lane."""
        parts = self._parts
        if not parts.parked:
            return None
        clock, resilience = parts.around.clock, parts.resilience
        once = RetryPolicy(resilience.retry.model_copy(update={"attempts": 1}), parts.around.random)
        again = Again(once, RetryBudget(resilience.retry_budget, clock.monotonic), clock)
        parked = Upstream(parts.parked, dict.fromkeys(parts.routes.reserves, Reserves()), again, caller)
        return Parking(self._upstream, parked, parts.parked)

    def _cache(self, judging: Copies) -> tuple[Sequence[Stage], Sequence[Stage], Sequence[Copies]]:
        """The lookup, the store, and what fetches anew beside the path."""
        caching, around = self._parts.caching, self._parts.around
        cache = caching.cache
        if cache is None:
            return [], [], []
        judges = {model: ModelJudge(model, judging) for model in caching.judges}
        store = CacheStore(cache, around.clock, caching.max_answer, Verdicts(cache, judges))
        made: tuple[Stage, ...] = (
            self.route,
            *self._budget,
            *self._compress,
            self._upstream,
            *self._output_guards(None),
        )
        refreshing = Copies(self._made((*made, store, self._respond()), (Land(),)))

        def refresh(exchange: Exchange, asking: Asking) -> None:
            if cache.flights.under_way(asking.key.exact) is None:
                copy = copy_of(exchange, "refresh", None)
                copy.deadline = around.clock.monotonic() + exchange.deadline - exchange.started
                copy.cache = CacheOutcome("revalidation")
                copy.cached = Asking(asking.key, asking.terms, flight=cache.flights.lead(asking.key.exact))
                refreshing.start(copy)

        lookup = CacheLookup(cache, caching.terms, self._tools, around.clock, refresh)
        return [lookup], [store], [refreshing]

    def _output_guards(self, upstream: Stage | None) -> Sequence[Stage]:
        """Without `upstream` no answer is asked for again, as none of a copy is."""
        rails = self._parts.loaded.config.guardrails
        again = upstream.run if upstream is not None and rails.repair else None
        around = self._parts.around
        guards = OutputGuards(self._judged, rails.segment, around.clock.monotonic, again, around.tokens)
        return [guards] if self._parts.policies.output else []

    def _respond(self) -> Respond:
        around = self._parts.around
        return Respond(around.clock, self._parts.prices, keep_content=self._keeps, tokens=around.tokens)

    def _made(self, stages: Sequence[Stage], closing: Sequence[Closing]) -> Pipeline:
        loaded, around = self._parts.loaded, self._parts.around
        limit = loaded.config.records.max_content
        record = WriteRecord(loaded.digest, around.clock, around.sinks, keep_content=self._keeps, max_content=limit)
        budget: list[Closing] = [SettleBudget(self._accounts)] if self._accounts else []
        ends = (Charge(self._parts.prices), *budget, *closing, record)
        return Pipeline(stages, ends, around.clock, around.bug, loaded.secrets)
