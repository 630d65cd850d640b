"""What records say of one experiment on live traffic: subjects, the arm each was given, and what happened to them.

The unit is what was assigned. Requests of one subject are no independent draws, so all that is counted is summed per
subject; requests that were drawn on their own are subjects of one request.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from math import isfinite

from llmctl.model.record import Decision, Record
from llmctl.routing.experiment import read_reason

BEFORE = 14 * 86400.0  # seconds before the experiment in which subjects are looked at for CUPED
SCORES = ("score", "rating", "feedback")
"""Tags that are taken for scores, beside those beginning with `score.`; more of it is better."""

Read = Callable[[], Iterable[Record]]
_BY = re.compile(r"% by (\S.*?), slot [0-9a-f]{6}")


@dataclass(slots=True)
class Subject:
    """One subject. `sums` are by metric what was counted and over how many requests; times are in seconds."""

    arm: str
    requests: int = 0
    sums: dict[str, list[float]] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)
    before: dict[str, list[float]] = field(default_factory=dict)


@dataclass(slots=True)
class Traffic:
    """An experiment's subjects by id. `crossed` are those seen in several arms, which belong to none.

    `periods` are, for every split that was in force, the shares asked for and the subjects that came, by arm.
    """

    subjects: dict[str, Subject]
    crossed: int
    unsticky: int
    requests: int
    periods: list[tuple[dict[str, float], dict[str, int]]]
    linked: bool


def traffic(read: Read, name: str, scores: Sequence[str] = (), before: float = BEFORE) -> Traffic:
    """The experiment's traffic; `read` gives the records, and is asked twice where subjects can be found before it.

    Mirrored copies count for nothing: nobody was answered by them. Raises ValueError where nothing took part.
    """
    found = _Collected(scores)
    names: set[str] = set()
    for record in read():
        decision = record.decision
        if decision is None or not decision.experiment or record.shadow_of:
            continue
        names.add(decision.experiment)
        if decision.experiment == name:
            found.add(record, decision)
    if not found.requests:
        there = f"there are {', '.join(sorted(names))}" if names else "no request took part in any"
        raise ValueError(f"no request took part in experiment {name!r}: {there}")
    linked = found.kind in ("key", "tenant")
    if linked:
        for record in read():
            mine = record.decision is not None and record.decision.experiment == name
            if not mine and not record.shadow_of and found.first - before <= record.started < found.first:
                found.add_before(record)
    kept = {key: subject for key, subject in found.subjects.items() if key not in found.crossed}
    return Traffic(kept, len(found.crossed), found.unsticky, found.requests, found.periods(), linked)


class _Collected:
    """Subjects while records are read."""

    def __init__(self, scores: Sequence[str]) -> None:
        self._scores = scores
        self.subjects: dict[str, Subject] = {}
        self.crossed: set[str] = set()
        self.first = float("inf")
        self.kind = ""
        self.requests = self.unsticky = 0
        self._policies: dict[str, dict[str, tuple[float, set[str]]]] = defaultdict(dict)

    def add(self, record: Record, decision: Decision) -> None:
        """Counts one request of the experiment."""
        said, by = read_reason(decision.reason), _BY.search(decision.reason)
        sticky = said is not None and said.slot is not None
        self.unsticky += said is not None and said.unsticky
        self.kind = self.kind or (by[1] if by else "")
        key = self._key(record, said.slot if said is not None and said.slot else "") if sticky else f"\0{record.id}"
        share = float(f"{decision.propensity if said is None else said.share:.12g}")
        _, seen = self._policies[record.policy].setdefault(decision.arm, (share, set()))
        seen.add(key)
        subject = self.subjects.setdefault(key, Subject(decision.arm))
        if subject.arm != decision.arm:
            self.crossed.add(key)
        subject.requests += 1
        self.requests += 1
        self.first = min(self.first, record.started)
        _count(subject.sums, record, self._scores)
        if record.state == "ok":
            subject.seconds.append(record.duration_us / 1e6)

    def add_before(self, record: Record) -> None:
        """Counts one of before for the subject that it is of."""
        subject = self.subjects.get(self._key(record, ""))
        if subject is not None:
            _count(subject.before, record, self._scores)

    def _key(self, record: Record, slot: str) -> str:
        """Whose the request is, by name where the record has it, else by place, which tells subjects apart as well."""
        return {"key": record.key, "tenant": record.tenant}.get(self.kind, "") or slot

    def periods(self) -> list[tuple[dict[str, float], dict[str, int]]]:
        """Policies with the same shares are one period: their subjects are the same."""
        merged: list[dict[str, tuple[float, set[str]]]] = []
        for arms in sorted(self._policies.values(), key=len, reverse=True):
            for other in merged:
                if _agree(arms, other):
                    for arm, (share, seen) in arms.items():
                        other.setdefault(arm, (share, set()))[1].update(seen)
                    break
            else:
                merged.append({arm: (share, set(seen)) for arm, (share, seen) in arms.items()})
        return [
            ({arm: share for arm, (share, _) in of.items()}, {arm: len(seen) for arm, (_, seen) in of.items()})
            for of in merged
        ]


def _agree(one: dict[str, tuple[float, set[str]]], other: dict[str, tuple[float, set[str]]]) -> bool:
    same = all(one[arm][0] == other[arm][0] for arm in one if arm in other)
    both = {arm: of[arm][0] for of in (one, other) for arm in of}
    return same and sum(both.values()) <= 1 + 1e-6


def _count(sums: dict[str, list[float]], record: Record, scores: Sequence[str]) -> None:
    fallback = record.degraded == "fallback" or any(attempt.why == "fallback" for attempt in record.attempts)
    told: dict[str, float] = {
        "failure_rate": record.state == "failed",
        "blocked_rate": record.state == "blocked",
        "fallback_rate": fallback,
        "aborted_rate": record.state == "aborted",
    }
    if record.cost.usd is not None and record.cost.status != "partial":
        told["cost"] = record.cost.usd
    for tag, text in record.tags.items():
        if (tag in SCORES or tag.startswith("score.") or tag in scores) and (value := _number(text)) is not None:
            told[f"tag:{tag}"] = value
    for metric, value in told.items():
        pair = sums.setdefault(metric, [0.0, 0.0])
        pair[0] += value
        pair[1] += 1


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if isfinite(value) else None
