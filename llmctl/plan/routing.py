"""Which model each recorded request would have been given, and what that would have brought."""

import math
from array import array
from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from llmctl.config.load import Loaded
from llmctl.errors import InvalidRequest, UnknownModel
from llmctl.gateway.odds import Action, Odds, RouteOdds, Untold, action_of
from llmctl.model.record import Record
from llmctl.plan.changes import Changes
from llmctl.plan.identity import renamed, translated
from llmctl.plan.prices import Pricing
from llmctl.plan.report import Example
from llmctl.plan.traffic import NO_CONTENT, Clusters, Seen, WithoutContent

SHOWN = 3
"""Examples of each kind of change."""

Line = tuple[tuple[Action, float], ...]
NOTHING: Line = ()
AS_RECORDED = -1
"""In the place of odds: the same under both, whatever they are."""


class Sides(NamedTuple):
    """OLD's and NEW's odds of one request, NEW's in the records' names. `why` where OLD's cannot be told."""

    old: Odds | None
    new: Odds
    why: str = ""


class Refused(Exception):
    """NEW would refuse the request."""


class RoutingRows:
    """What is kept of every routed request, as columns: some hundred bytes each."""

    def __init__(self) -> None:
        self.names, self.taken, self.old, self.new = array("q"), array("q"), array("q"), array("q")
        self.moved = array("d")
        self.cost, self.repriced, self.assumed = array("d"), array("d"), array("d")
        self.seconds, self.ttft, self.ok, self.prompt = array("d"), array("d"), array("d"), array("d")
        self.score = array("d")
        self.actions: dict[Action, int] = {}
        self.lines: dict[Line, int] = {}
        self.routes: dict[str, int] = {}
        self.clusters = Clusters()

    def __len__(self) -> int:
        return len(self.taken)

    def line(self, odds: Mapping[Action, float]) -> int:
        """The number of these odds."""
        for action in odds:
            self.actions.setdefault(action, len(self.actions))
        return self.lines.setdefault(tuple(sorted(odds.items())), len(self.lines))


class RoutingSeen:
    """Looks at one request after the other."""

    def __init__(self, old: Loaded, new: Loaded, changes: Changes, pricing: Pricing, odds: tuple[RouteOdds, RouteOdds],
                 scores: Mapping[str, float]) -> None:  # fmt: skip
        self._old, self._new = odds
        self._names = renamed(old, new)
        self._changes = changes
        self._pricing = pricing
        self._scores = scores
        before, after = ({key.id: key.models for key in side.config.keys} for side in (old, new))
        self._keys = after
        self._keyed = before != after and bool(after)
        self.rows = RoutingRows()
        self.left_out: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.untold: Counter[str] = Counter()
        self.hidden: Counter[str] = Counter()
        self.moves: dict[str, float] = defaultdict(float)
        self.examples: dict[str, list[Example]] = defaultdict(list)

    def see(self, seen: Seen) -> None:
        """One request."""
        record = seen.record
        if record.decision is None:
            self.left_out[_why_undecided(record)] += 1
            return
        if self._keyed and (why := self._forbidden(record)):
            self._refuse(why, seen)
            return
        affected = self._changes.routes is None or record.requested_model in self._changes.routes
        try:
            sides = self._sides(seen) if affected else None
        except WithoutContent:
            self.left_out[f"{NO_CONTENT}, and the route's choice needs it"] += 1
        except Untold as untold:
            self.hidden[str(untold)] += 1
            self.left_out[f"NEW's choice cannot be told: {untold}"] += 1
        except _Otherwise:
            self.left_out["decided otherwise than OLD does when all models are well"] += 1
        except Refused as error:
            self._refuse(str(error), seen)
        else:
            self._add(seen, sides)

    def _sides(self, seen: Seen) -> Sides | None:
        record, decision = seen.record, seen.record.decision
        assert decision is not None
        name = record.requested_model
        try:
            new = self._new.of(name, seen.features)
        except UnknownModel:
            raise Refused(f"NEW has no model or route {name!r}") from None
        except InvalidRequest as error:
            raise Refused(f"no model of NEW's {name!r} can take it: {error.message.partition(':')[0]}") from None
        new = Odds(self._translated(new.given), self._translated(new.drawn))
        taken = action_of(decision)
        try:
            old = self._old.of(name, seen.features)
        except (UnknownModel, InvalidRequest):
            return Sides(None, new, "OLD could not have taken such a request")
        except Untold as untold:
            return _by_record(taken, decision.propensity, untold, new)
        if abs(old.drawn.get(taken, 0.0) - decision.propensity) > 1e-6:
            raise _Otherwise
        return Sides(old, new)

    def _translated(self, odds: Mapping[Action, float]) -> dict[Action, float]:
        found: dict[Action, float] = defaultdict(float)
        for action, share in odds.items():
            found[translated(action, self._names)] += share
        return dict(found)

    def _add(self, seen: Seen, sides: Sides | None) -> None:
        record, rows = seen.record, self.rows
        assert record.decision is not None
        taken = action_of(record.decision)
        rows.taken.append(rows.actions.setdefault(taken, len(rows.actions)))
        rows.names.append(rows.routes.setdefault(record.requested_model, len(rows.routes)))
        new = sides.new.given if sides is not None else {taken: 1.0}
        if sides is None:
            moved, old_line, new_line = 0.0, AS_RECORDED, AS_RECORDED
        elif sides.old is None:
            self.untold[sides.why] += 1
            moved, old_line, new_line = math.nan, rows.line({}), rows.line(sides.new.drawn)
        else:
            moved = _moved(sides.old.given, new)
            same = _moved(sides.old.drawn, sides.new.drawn) < 1e-9
            old_line = AS_RECORDED if same else rows.line(sides.old.drawn)
            new_line = AS_RECORDED if same else rows.line(sides.new.drawn)
            if moved:
                self._move(seen, sides.old.given, new)
        rows.moved.append(moved)
        rows.old.append(old_line)
        rows.new.append(new_line)
        self._outcomes(record, new)
        rows.clusters.add(seen)

    def _outcomes(self, record: Record, new: Mapping[Action, float]) -> None:
        rows = self.rows
        cost, repriced = self._pricing.recorded(record)
        rows.cost.append(cost)
        rows.repriced.append(repriced)
        rows.assumed.append(self._pricing.assumed(record, new, repriced))
        rows.seconds.append(record.duration_us / 1e6)
        rows.ttft.append(record.ttft_us / 1e6 if record.ttft_us is not None and record.stream else math.nan)
        rows.ok.append(float(record.state == "ok"))
        rows.prompt.append(record.usage.prompt / 1000)
        rows.score.append(self._scores.get(record.id, math.nan))

    def _move(self, seen: Seen, old: Mapping[Action, float], new: Mapping[Action, float]) -> None:
        """Which way the probability goes, shared out in proportion."""
        gone = {action: share - new.get(action, 0.0) for action, share in old.items() if share > new.get(action, 0.0)}
        come = {action: share - old.get(action, 0.0) for action, share in new.items() if share > old.get(action, 0.0)}
        total = sum(gone.values())
        for source, less in gone.items():
            for target, more in come.items():
                mass = less * more / total
                kind = f"{source} → {target}"
                self.moves[kind] += mass
                if len(self.examples[kind]) < SHOWN and mass > 0:
                    chance = "" if mass > 0.999 else f" for {mass:.0%} of such requests"
                    self.examples[kind].append(seen.example(f"{kind}{chance}"))

    def _forbidden(self, record: Record) -> str:
        if record.key not in self._keys:
            return "NEW has no such key" if record.key else ""
        allowed = self._keys[record.key]
        return (
            "NEW's key may not use this name" if allowed is not None and record.requested_model not in allowed else ""
        )

    def _refuse(self, why: str, seen: Seen) -> None:
        self.refused[why] += 1
        if len(self.examples[why]) < SHOWN:
            self.examples[why].append(seen.example(why))


class _Otherwise(Exception):
    """It was not decided as OLD decides."""


def _by_record(taken: Action, propensity: float, untold: Untold, new: Odds) -> Sides:
    """OLD's odds as far as the record has them: of what was taken."""
    if propensity >= 1 - 1e-9:
        known = {taken: 1.0}
        return Sides(Odds(known, known), new)
    others = [model for model in untold.models if model != taken]
    if not untold.explores or not others:
        return Sides(None, new, str(untold))
    known = {taken: propensity} | {model: (1 - propensity) / len(others) for model in others}
    return Sides(Odds(known, known), new)


def _moved(old: Mapping[Action, float], new: Mapping[Action, float]) -> float:
    """Total variation: the mass that goes elsewhere."""
    if old == new:
        return 0.0
    gone = sum(max(0.0, share - new.get(action, 0.0)) for action, share in old.items())
    return gone if gone > 1e-9 else 0.0


def _why_undecided(record: Record) -> str:
    if record.cache is not None and record.attempts == [] and record.state == "ok":
        return "answered from the cache, so that no model was chosen"
    return "refused before a model was chosen"


def columns(values: Any) -> Any:
    """A column of an `array` as numpy has it, (n,), without a copy."""
    return np.frombuffer(values, dtype=np.float64 if values.typecode == "d" else np.int64)
