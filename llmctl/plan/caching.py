"""What the cache would have answered: keys, times to live and identical requests under way, by the records' times.

Every answer that was complete is taken to be kept until its time is over: that memory and disk have room is assumed.
Answers found by meaning rest on answers compared and on what a policy learns by them; they are not played.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace
from random import Random

from msgspec import Struct

from llmctl.cache.key import Scope, key
from llmctl.clock import Clock
from llmctl.config.load import Loaded
from llmctl.gateway.build import Surroundings, routing
from llmctl.gateway.build_cache import CacheMaker
from llmctl.gateway.caching import Terms
from llmctl.gateway.leases import Leases
from llmctl.gateway.rejudged import Nobody
from llmctl.gateway.stages.cache_store import COMPLETE
from llmctl.plan.report import Example, Stage, kinds_of, untold, without
from llmctl.plan.shares import share
from llmctl.plan.traffic import NO_CONTENT, Seen

SHOWN = 3
HITS_GAINED, HITS_LOST = "hits gained", "hits lost"
BY_MEANING = "not evaluated: answers found by meaning are not played, only identical requests are"
DEAD = 1 << 20
"""Keys from which on those past their time are dropped."""


class Place(Struct, frozen=True, gc=False):
    """Where a request's answer is kept under one configuration; `life` and `late` in seconds."""

    key: bytes
    life: float
    late: float
    shares: bool


class Asked(Struct, frozen=True, gc=False):
    """A request: where it looks under OLD and under NEW, None where nothing is cached, and what it leaves."""

    start: float
    end: float
    id: str
    text: str
    old: Place | None
    new: Place | None
    looks: bool
    complete: bool
    hit: bool


class CacheSeen:
    """Takes note of every request; `stage` plays them."""

    def __init__(self, old: Loaded, new: Loaded, clock: Clock) -> None:
        """Raises ConfigError."""
        self._old, self._new = _Terms(old, clock), _Terms(new, clock)
        self._asked: list[Asked] = []
        self.left_out: Counter[str] = Counter()

    def see(self, seen: Seen) -> None:
        """One request."""
        record, outcome = seen.record, seen.record.cache
        if seen.payload is None:
            self.left_out[NO_CONTENT] += 1
            return
        if record.state == "blocked" and record.decision is None and outcome is None:
            self.left_out["refused before the cache"] += 1
            return
        if outcome is not None and outcome.kind == "bypass":
            self.left_out["the client wished no cache"] += 1
            return
        complete = record.state == "ok" and record.degraded is None
        if record.operation != "embedding":
            complete = complete and (record.finish_reason in COMPLETE or (outcome is not None and not record.attempts))
        hit = outcome is not None and outcome.kind in ("exact", "semantic", "shared", "stale")
        looks = outcome is None or outcome.kind != "refresh"
        end = record.started + record.duration_us / 1e6
        text = "" if len(self._asked) > SHOWN_FROM else seen.text()
        self._asked.append(
            Asked(record.started, end, record.id, text, self._old.place(seen), self._new.place(seen), looks, complete,
                  hit)
        )  # fmt: skip

    def stage(self) -> Stage:
        """Play them under both."""
        asked = sorted(self._asked, key=lambda one: one.start)
        if not asked:
            return without("cache", [(HITS_GAINED, "share"), (HITS_LOST, "share")], self.left_out)
        before, after = played(asked, [one.old for one in asked]), played(asked, [one.new for one in asked])
        pairs = list(zip(before, after, strict=True))
        partly = self._old.by_meaning or self._new.by_meaning
        figures = [untold(name, "share", "not evaluated", BY_MEANING) for name in (HITS_GAINED, HITS_LOST) if partly]
        kind = "of identical requests, " if partly else ""
        figures += [
            share(f"{kind}{HITS_GAINED}", [int(new > old) for old, new in pairs]),
            share(f"{kind}{HITS_LOST}", [int(old > new) for old, new in pairs]),
        ]
        counts: Counter[str] = Counter()
        examples: dict[str, list[Example]] = defaultdict(list)
        for one, (old, new) in zip(asked, pairs, strict=True):
            if old != new:
                kind = "miss → hit" if new else "hit → miss"
                counts[kind] += 1
                if len(examples[kind]) < SHOWN:
                    examples[kind].append(Example(one.id, kind, one.text))
        notes = [
            f"as a check: records have {sum(one.hit for one in asked):,} hits, OLD played over them {sum(before):,}",
            "requests that follow one another are not independent: the intervals tend to be too narrow",
            *self._cold(),
        ]
        found = [(kind, float(count), examples[kind]) for kind, count in counts.items()]
        return Stage(
            "cache", "evaluated", "", len(asked), figures, kinds_of(found, len(asked)), dict(self.left_out), notes
        )

    def _cold(self) -> list[str]:
        """Names whose answers are kept under other keys from then on."""
        cold = [name for name, terms in self._new.terms.items() if name in self._old.terms
                and self._old.terms[name].digest != terms.digest]  # fmt: skip
        return [f"NEW begins with nothing cached for {', '.join(sorted(cold))}: their keys change"] if cold else []


SHOWN_FROM = 20_000
"""Requests after which texts are no longer kept for examples."""


class _Terms:
    """What a configuration caches, and under which keys."""

    def __init__(self, loaded: Loaded, clock: Clock) -> None:
        routes, _ = routing(loaded, clock)
        trouble: list[str] = []
        around = Surroundings(Nobody(), clock, Random(0), (), lambda request_id, bug: None)
        self.terms = dict(CacheMaker(_in_memory(loaded), routes, Leases(), around, trouble).caching().terms)
        self.by_meaning = any(one.semantic is not None for one in self.terms.values())
        self._allowed = {one.id: one.models for one in loaded.config.keys}

    def place(self, seen: Seen) -> Place | None:
        """Where this request's answer is kept."""
        record, payload = seen.record, seen.payload
        terms: Terms | None = self.terms.get(record.requested_model)
        allowed = self._allowed.get(record.key)
        if terms is None or payload is None or (allowed is not None and record.requested_model not in allowed):
            return None
        route = terms.route if terms.rules is None else f"{terms.route} {terms.rules.chosen(seen.features)[0]}"
        scope = Scope(record.tenant, route, terms.models, terms.digest)
        exact = key(payload, seen.features.operation, scope, by_meaning=False).exact
        return Place(exact, terms.ttl, terms.revalidate, terms.single_flight)


def played(asked: Sequence[Asked], places: Sequence[Place | None]) -> list[bool]:
    """Which of the requests, in the order of their times, are answered from the cache."""
    kept: dict[bytes, float] = {}  # since when, or until when somebody asks for it
    hits = []
    for one, place in zip(asked, places, strict=True):
        if place is None:
            hits.append(False)
            continue
        since = kept.get(place.key)
        hit = False
        if since is not None and one.looks:
            under_way = one.start < since
            hit = place.shares if under_way else one.start - since < place.life + place.late
            if hit and not under_way and one.start - since >= place.life:
                kept[place.key] = one.end  # fetched anew beside it
        hits.append(hit)
        if not hit and one.complete and (since is None or one.end > since or not one.looks):
            kept[place.key] = one.end
        if len(kept) > DEAD:
            kept = {name: at for name, at in kept.items() if one.start - at < place.life + place.late}
    return hits


def _in_memory(loaded: Loaded) -> Loaded:
    cache = loaded.config.cache
    if cache is None:
        return loaded
    return replace(loaded, config=loaded.config.model_copy(update={"cache": cache.model_copy(update={"dir": None})}))
