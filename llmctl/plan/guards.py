"""What policies that differ would have made of recorded texts. Those that do not differ did what the records say."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from functools import cache
from typing import Any

from llmctl.config.load import Loaded
from llmctl.config.schema import PolicyConfig
from llmctl.gateway.rejudged import Found, Rejudging
from llmctl.gateway.stages.budget import KIND as BUDGET
from llmctl.gateway.stages.limits import KIND as RATE_LIMIT
from llmctl.model.record import Record
from llmctl.plan.changes import Policies
from llmctl.plan.report import Example, Figure, Stage, kinds_of, untold, without
from llmctl.plan.shares import share
from llmctl.plan.traffic import NO_CONTENT, Clusters, Seen

SHOWN = 3
NEWLY_BLOCKED, NO_LONGER_BLOCKED = "newly blocked", "no longer blocked"
NEWLY_REDACTED, NO_LONGER_REDACTED = "newly redacted", "no longer redacted"
_RANK = {"allow": 0, "warn": 1, "redact": 2, "block": 3}
_LEFT = {0: "allow", 1: "warn", 2: "redact", 3: "block"}
Actions = dict[str, str]


class GuardsSeen:
    """Looks at one request after the other."""

    def __init__(self, old: Loaded, new: Loaded, policies: Policies) -> None:
        """Raises ConfigError."""
        self._after = Rejudging(new)
        self._before = cache(lambda: Rejudging(old))  # only records of other configurations need it
        sides = policies.changed
        self._judged = {name: after for name, (_, after) in sides.items() if after is not None}
        asking = sorted(name for name in sides if name in self._after.asking)
        self.notes = [f"not evaluated: policy {name!r} asks somebody else; only a replay can tell" for name in asking]
        self._changed = frozenset(sides) - frozenset(asking)
        self._among = frozenset(self._judged) & self._changed
        self._answers = bool(self._among & self._after.answering)
        self.asking = asking
        self.left_out: Counter[str] = Counter()
        self.on_redacted = self.stopped = 0
        self.moves: dict[str, int] = defaultdict(int)
        self.examples: dict[str, list[Example]] = defaultdict(list)
        self.blocked: tuple[list[int], list[int]] = ([], [])
        self.redacted: tuple[list[int], list[int]] = ([], [])
        self.clusters = Clusters()

    def see(self, seen: Seen) -> None:
        """One request."""
        record = seen.record
        if why := self._obstacle(seen):
            self.left_out[why] += 1
            return
        before = _recorded(record) if seen.of_old else self._found(self._before(), seen, self._changed | _names(record))
        stopped = any(_rank(before.get(name, "")) == 3 for name in self._changed)
        # Where a policy that differs had stopped it, those after it were not asked: now they would be.
        judged = self._found(self._after, seen, None if stopped else self._among)
        after = {name: what for name, what in before.items() if name not in self._changed} | judged
        self.on_redacted += seen.redacted
        self.stopped += stopped
        self._note(seen, before, after)

    def stage(self) -> Stage:
        """The figures."""
        requests = len(self.blocked[0])
        _, groups = self.clusters.settled() if requests else ("", None)
        if not self._changed:
            names = (NEWLY_BLOCKED, NO_LONGER_BLOCKED, NEWLY_REDACTED, NO_LONGER_REDACTED)
            figures = [untold(name, "share", "not evaluated", self.notes[0]) for name in names]
            return Stage("guardrails", "not evaluated", self.notes[0], 0, figures, notes=self.notes)
        if not requests:
            every = (NEWLY_BLOCKED, NO_LONGER_BLOCKED, NEWLY_REDACTED, NO_LONGER_REDACTED)
            return without("guardrails", [(name, "share") for name in every], self.left_out)
        figures = [
            figure
            for names, (before, after) in (
                ((NEWLY_BLOCKED, NO_LONGER_BLOCKED), self.blocked),
                ((NEWLY_REDACTED, NO_LONGER_REDACTED), self.redacted),
            )
            for figure in _two(names, before, after, groups)
        ]
        notes = list(self.notes)
        if self.on_redacted:
            notes.append(f"{self.on_redacted:,} requests were judged on what redaction had left of their text")
        if self.stopped:
            notes.append(
                f"{self.stopped:,} requests had been refused by a policy that differs: records hold of them what "
                "redaction had left, so that what others would redact is not seen"
            )
        found = [(kind, float(count), self.examples[kind]) for kind, count in self.moves.items()]
        return Stage(
            "guardrails", "evaluated", "", requests, figures, kinds_of(found, requests), dict(self.left_out), notes
        )

    def _obstacle(self, seen: Seen) -> str:
        """Why nothing can be said of a request; empty where something can."""
        record = seen.record
        if record.state == "blocked" and not record.guards and record.decision is None:
            return "refused before any guard was asked"
        if not self._among and seen.of_old and not any(
            _rank(action) == 3 for name, action in _recorded(record).items() if name in self._changed
        ):  # fmt: skip
            return ""  # what is taken away needs no text to be judged
        if seen.payload is None:
            return NO_CONTENT
        if self._answers and record.state == "ok" and not _kept(record.response):
            return "the answer is not in the record"
        for one in record.guards:
            after = self._judged.get(one.policy)
            if one.action == "redact" and one.policy in self._among and _enforced(after):
                return "a policy that differs had redacted it: what it took out is gone"
        return ""

    def _found(self, judges: Rejudging, seen: Seen, among: frozenset[str] | None) -> Actions:
        if among is not None and not among:
            return {}
        record, payload = seen.record, seen.payload
        assert payload is not None
        about = (seen.features.operation, record.tenant, record.requested_model, among)
        found: Found = judges.request(payload, *about)
        if _kept(record.response):
            for name, finding in judges.answer(record.response, payload, *about).items():
                if name not in found or finding.rank > found[name].rank:
                    found[name] = finding
        return {name: finding.action for name, finding in found.items()}

    def _note(self, seen: Seen, before: Actions, after: Actions) -> None:
        for name in self._changed:
            was, now = before.get(name, "allow"), after.get(name, "allow")
            if was != now:
                kind = f"{name}: {was} → {now}"
                self.moves[kind] += 1
                if len(self.examples[kind]) < SHOWN:
                    self.examples[kind].append(seen.example(kind))
        worst = [max((_rank(action) for action in side.values()), default=0) for side in (before, after)]
        for kept, level in ((self.blocked, 3), (self.redacted, 2)):
            for side, rank in zip(kept, worst, strict=True):
                side.append(int(rank == level))
        self.clusters.add(seen)


def _two(names: tuple[str, str], before: list[int], after: list[int], groups: list[int] | None) -> list[Figure]:
    pairs = list(zip(before, after, strict=True))
    return [
        share(names[0], [int(new > old) for old, new in pairs], groups),
        share(names[1], [int(old > new) for old, new in pairs], groups),
    ]


def _recorded(record: Record) -> Actions:
    """The worst that each policy did; an answer that was mended was not refused after all."""
    found: Actions = {}
    for one in record.guards:
        if one.guard in (RATE_LIMIT, BUDGET):
            continue
        name = one.policy or one.guard
        action: str = one.action if one.action != "block" or record.state == "blocked" else "warn"
        if name not in found or _order(action) > _order(found[name]):
            found[name] = action
    return found


def _names(record: Record) -> frozenset[str]:
    return frozenset(one.policy or one.guard for one in record.guards)


def _rank(action: str) -> int:
    """How far an action goes; what is only noted in shadow does nothing."""
    return _RANK.get(action, 0)


def _order(action: str) -> tuple[int, int]:
    return _rank(action), _RANK.get(action.removeprefix("would_"), 0)


def _enforced(policy: PolicyConfig | None) -> bool:
    return policy is not None and policy.mode == "enforce"


def _kept(body: Any) -> bool:
    return isinstance(body, Mapping) and "choices" in body
