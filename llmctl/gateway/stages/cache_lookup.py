"""Is there an answer already? It is served only to the tenant it was made for, under the rules it was made by."""

from collections.abc import Callable, Mapping

from llmctl.cache.key import Scope, key
from llmctl.cache.store import Found
from llmctl.clock import Clock
from llmctl.errors import LlmctlError
from llmctl.gateway.caching import Asking, Cache, Terms, serve
from llmctl.gateway.client import Client
from llmctl.gateway.shelf import Shelf
from llmctl.gateway.stages.route import features_of
from llmctl.model.exchange import Exchange
from llmctl.model.record import CacheKind, CacheOutcome
from llmctl.routing.features import Tools

Refresh = Callable[[Exchange, Asking], None]
"""Fetches anew, off the path, what was served although it was past its time."""


class CacheLookup:
    """Sets `whole` or `chunks`, `cache` and `replayed` where there is an answer; else `cached`, for the store stage."""

    name = "cache_lookup"

    def __init__(self, cache: Cache, terms: Mapping[str, Terms], tools: Tools, clock: Clock, refresh: Refresh) -> None:
        self._cache = cache
        self._terms = dict(terms)
        self._tools = tools
        self._now = clock.monotonic
        self._refresh = refresh
        # Only names and tenants of the configuration come here.
        self._shelves: dict[tuple[str, str], Shelf] = cache.held(terms)

    async def run(self, exchange: Exchange, client: Client) -> None:
        """Never fails: what the client may not have, or must have from the cache alone, the route stage refuses."""
        wish, cache = exchange.wish, self._cache
        terms = self._terms.get(exchange.requested_model)
        principal = exchange.principal
        allowed = principal.models if principal is not None else None
        if terms is None or (allowed is not None and exchange.requested_model not in allowed):
            return
        if wish == "no-store":
            exchange.cache = CacheOutcome("bypass")
            return
        tenant = principal.tenant if principal is not None else ""
        scope = Scope(tenant, self._route(exchange, terms), terms.models, terms.digest)
        by_meaning = terms.semantic is not None and wish != "refresh"
        found = key(exchange.payload, exchange.operation, scope, exchange.passages, by_meaning=by_meaning)
        asking = exchange.cached = Asking(found, terms)
        if wish == "refresh":
            exchange.cache = CacheOutcome("refresh")
            return
        if terms.semantic is not None:
            place = tenant, terms.route
            if place not in self._shelves:
                self._shelves[place] = cache.shelf(tenant, terms.route, terms.semantic)
            asking.shelf = self._shelves[place]
        await self._look(exchange, asking, cache)

    def _route(self, exchange: Exchange, terms: Terms) -> str:
        """The name asked for, and the rule that holds: rules go by what is no part of a key, as by headers."""
        if terms.rules is None:
            return terms.route
        at, _ = terms.rules.chosen(features_of(exchange, self._tools))
        return f"{terms.route} {at}"

    async def _look(self, exchange: Exchange, asking: Asking, cache: Cache) -> None:
        tenant, exact, _, _ = asking.key
        peek = cache.store.peek
        found = peek(exact, tenant) or await cache.store.get(exact, tenant) or peek(exact, tenant)  # landed meanwhile
        if found is not None and self._exact(exchange, asking, found):
            return
        if asking.terms.single_flight:
            if (flight := cache.flights.under_way(exact)) is not None:
                # Its client may be slow to take its answer: half the time is left to go on without it.
                deadline = min(exchange.deadline, exchange.started + asking.terms.timeout)
                entry = await flight.wait((deadline - self._now()) / 2)
                if entry is not None:
                    _count(asking.shelf)
                    serve(exchange, entry, "shared", age=0.0)
                    return
            else:
                asking.flight = cache.flights.lead(exact)
        if asking.shelf is not None and not await self._semantic(exchange, asking, asking.shelf, cache):
            _count(asking.shelf)
        if not exchange.replayed and exchange.cache is None:
            exchange.cache = CacheOutcome("miss")

    def _exact(self, exchange: Exchange, asking: Asking, found: Found) -> bool:
        """Whether what was found is served."""
        if found.age >= (terms := asking.terms).ttl:
            if found.age < terms.ttl + terms.if_error:
                asking.stale, asking.stale_age = found.entry, found.age
            if found.age >= terms.ttl + terms.revalidate:
                return False
            self._refresh(exchange, asking)
        _count(asking.shelf)
        serve(exchange, found.entry, "exact" if found.age < terms.ttl else "stale", age=found.age)
        return True

    async def _semantic(self, exchange: Exchange, asking: Asking, shelf: Shelf, cache: Cache) -> bool:
        """Whether the shelf's policy decided; it serves, or the model is asked and it learns."""
        text = asking.key.text
        if not text or len(text) > shelf.config.max_text or exchange.restoration is not None:
            return False  # placeholders of one question are not those of another
        vector = shelf.embedder.now(text)
        if vector is None:
            try:
                vector = await shelf.embedder.vector(text)
            except LlmctlError:
                return False  # a dead embedder costs hits, and nothing else
        semantic = shelf.ready(len(vector))
        match = semantic.lookup(shelf.partition(asking.key), text, vector)
        decision = match.decision
        if decision.serve and decision.entry is not None:
            near = await cache.store.get(semantic.key(decision.entry), asking.key.tenant)
            if near is not None and near.age < asking.terms.ttl:
                if asking.flight is not None:
                    asking.flight.land(None)
                serve(exchange, near.entry, "semantic", age=near.age, similarity=decision.similarity)
                return True
            semantic.remove(decision.entry)
        asking.match = match
        kind: CacheKind = "audit" if decision.audit else "miss"
        exchange.cache = CacheOutcome(kind, decision.similarity)
        return True


class Land:
    """Closing step: whatever became of an exchange, nobody waits for it any longer."""

    def close(self, exchange: Exchange) -> None:
        """Land its flight, if it led one."""
        asking = exchange.cached
        if asking is not None and asking.flight is not None:
            asking.flight.land(None)


def _count(shelf: Shelf | None) -> None:
    if shelf is not None:
        shelf.policy.exact()
