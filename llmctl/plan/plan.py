"""The whole plan: what differs, which stages that touches, and what those would have done with the records."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from llmctl.clock import Clock
from llmctl.config.load import Loaded
from llmctl.config.section import Extension
from llmctl.gateway.odds import RouteOdds
from llmctl.model.record import Record
from llmctl.plan.caching import CacheSeen
from llmctl.plan.changes import Changes, changes
from llmctl.plan.compressing import CompressSeen
from llmctl.plan.guards import GuardsSeen
from llmctl.plan.limits import LimitsSeen
from llmctl.plan.prices import Pricing
from llmctl.plan.report import Plan, Side, Stage
from llmctl.plan.routing import RoutingSeen
from llmctl.plan.routing_stage import routing_stage
from llmctl.plan.traffic import Reading, Seen

STAGES = ("limits", "guardrails", "cache", "routes", "compress")
"""In the order of the path."""


class _Seeing(Protocol):
    """What looks at every request, and then says what it found."""

    def see(self, seen: Seen) -> None: ...

    def stage(self) -> Stage: ...


class _Routing:
    """Routing, as the other stages are looked at."""

    def __init__(self, seen: RoutingSeen) -> None:
        self._seen = seen

    def see(self, seen: Seen) -> None:
        self._seen.see(seen)

    def stage(self) -> Stage:
        return routing_stage(self._seen)


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked: OLD, NEW, where the records are, and which count. `scores` are outcomes by record, of anybody's.

    `any_policy`: records of other configurations count too, as if OLD had been in force.
    """

    old: Loaded
    new: Loaded
    folder: str
    any_policy: bool = False
    scores: Mapping[str, float] = field(default_factory=dict)


def plan(
    question: Question, records: Iterable[Record], clock: Clock, beside: Sequence[Callable[[Seen], None]] = ()
) -> Plan:
    """Goes through the records once. `beside` are shown every request that counts, too. Raises ConfigError."""
    old, new = question.old, question.new
    found = changes(old, new)
    seeing = _seeing(question, found, clock)
    reading = Reading(question.folder, old.digest, any_policy=question.any_policy)
    for seen in reading.seen(records):
        for one in seeing.values():
            one.see(seen)
        for look in beside:
            look(seen)
    stages = [seeing[name].stage() if name in seeing else _untouched(name) for name in STAGES]
    for one in seeing.values():
        close: Callable[[], None] = getattr(one, "close", lambda: None)
        close()
    before, after = (Side(str(side.path), side.digest) for side in (old, new))
    return Plan(before, after, found.groups, reading.told(), [*_noted(found, stages), *_beside(question, found)])


def _seeing(question: Question, found: Changes, clock: Clock) -> dict[str, _Seeing]:
    """What looks at records: only what a difference touches."""
    old, new = question.old, question.new
    seeing: dict[str, _Seeing] = {}
    if found.limits.changed:
        seeing["limits"] = LimitsSeen(old, new)
    if found.guards.changed:
        seeing["guardrails"] = GuardsSeen(old, new, found.guards)
    if _cache_touched(old, new, found):
        seeing["cache"] = CacheSeen(old, new, clock)
    if found.routing:
        odds = RouteOdds(old, clock), RouteOdds(new, clock)
        seeing["routes"] = _Routing(RoutingSeen(old, new, found, Pricing(old, new, clock), odds, question.scores))
    if found.touches("compress"):
        seeing["compress"] = CompressSeen(old, new, clock)
    return seeing


def _cache_touched(old: Loaded, new: Loaded, found: Changes) -> bool:
    """Its own settings; rules and experiments of routes and permissions of keys, which say what is kept where."""
    if not (old.config.cache or new.config.cache):
        return False
    if found.touches("cache") or found.touches("keys"):
        return True
    sides = [
        {name: (route.rules, route.experiment is None) for name, route in side.config.routes.items()}
        for side in (old, new)
    ]
    return sides[0] != sides[1]


def _untouched(name: str) -> Stage:
    return Stage(name, "unchanged", "nothing that it goes by differs")


def _noted(found: Changes, stages: list[Stage]) -> list[Stage]:
    """What one stage's change means for the next, which is not followed up."""
    told = {stage.name for stage in stages if stage.status == "evaluated"}
    notes = []
    if {"guardrails", "limits"} & told:
        notes.append("each stage is judged by itself: what is newly refused still counts in the stages after it")
    for stage in stages:
        if notes and stage.status == "evaluated" and stage.name in ("cache", "routes", "compress"):
            stage.notes.extend(notes)
    if "cache" in told and found.touches("cache"):
        next(stage for stage in stages if stage.name == "cache").notes.append(
            "what hits save is not part of the cost of routes"
        )
    return stages


def _beside(question: Question, found: Changes) -> list[Stage]:
    """What differs and is not played, said aloud."""
    stages = []
    mirrored = [
        {name: route.experiment for name, route in side.config.routes.items() if _shadow(route.experiment)}
        for side in (question.old, question.new)
    ]
    if mirrored[0] != mirrored[1]:
        stages.append(Stage("shadow copies", "not evaluated", "what copies to another model cost is not estimated"))
    whys = {
        "resilience": "retries, fallbacks, hedges and timeouts matter when something fails, which is not played again",
        "budgets": "what was spent before the records begin is not known",
    }
    for group, why in whys.items():
        if found.touches(group):
            stages.append(Stage(group, "not evaluated", why))
    if found.segment:
        why = "`guardrails.segment` changes when parts of a stream go out, not what is found in whole texts"
        stages.append(Stage("segment", "not evaluated", why))
    return stages


def _shadow(experiment: Extension | None) -> bool:
    return experiment is not None and experiment.kind == "shadow"
