"""`llmctl route experiments`: what records say of experiments on live traffic, and whether the arms can be trusted."""

import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from llmctl.commands.options import JsonOption, print_json
from llmctl.commands.traces import (
    DEFAULT_DIR,
    SinceOption,
    TenantOption,
    TracesOption,
    UntilOption,
    filter_of,
    reading,
)
from llmctl.commands.traces_show import plain
from llmctl.model.record import Decision, Record
from llmctl.routing.experiment import read_reason
from llmctl.routing.sample_ratio import MISMATCH, sample_ratio
from llmctl.statistics.wilson import limits

_ROUNDING = 1e-6
NEVER_SEEN = "(never seen)"


@dataclass(slots=True)
class Assigned:
    """One arm under one policy: the subjects that came, and requests that were drawn on their own."""

    shares: set[float] = field(default_factory=set)
    slots: set[str] = field(default_factory=set)
    drawn: int = 0

    @property
    def units(self) -> int:
        """What was assigned independently. The requests of one subject were not."""
        return len(self.slots) + self.drawn


@dataclass(slots=True)
class Arm:
    """One arm's exchanges."""

    n: int = 0
    answered: int = 0
    unsticky: int = 0


Period = dict[str, Assigned]
"""Arms while one policy was in force."""


class Experiment:
    """One experiment's arms, and who was assigned to them under each policy."""

    def __init__(self) -> None:
        self.arms: dict[str, Arm] = defaultdict(Arm)
        self._policies: dict[str, Period] = defaultdict(lambda: defaultdict(Assigned))

    def add(self, record: Record, decision: Decision) -> None:
        """Count one exchange."""
        arm, said = self.arms[decision.arm], read_reason(decision.reason)
        arm.n += 1
        arm.answered += record.state == "ok"
        assigned = self._policies[record.policy][decision.arm]
        # Twelve digits, as in reasons: an arm's share is one number whichever way it was written.
        assigned.shares.add(float(f"{decision.propensity if said is None else said.share:.12g}"))
        if said is not None and said.slot is not None:
            assigned.slots.add(said.slot)
        else:
            assigned.drawn += 1
            arm.unsticky += said is not None and said.unsticky

    def periods(self) -> list[Period]:
        """Times with the same weights. Policies that differ in other things are one: their subjects are the same."""
        found: list[Period] = []
        for period in sorted(self._policies.values(), key=len, reverse=True):
            same = next((other for other in found if _agree(period, other)), None)
            if same is None:
                found.append(same := {})
            for arm, assigned in period.items():
                known = same.setdefault(arm, Assigned())
                known.shares |= assigned.shares
                known.slots |= assigned.slots
                known.drawn += assigned.drawn
        return found


def experiments(
    traces: TracesOption = DEFAULT_DIR,
    since: SinceOption = None,
    until: UntilOption = None,
    tenant: TenantOption = None,
    json: JsonOption = False,
) -> None:
    """Print each experiment's arms: shares against weights, and how much was answered, with 95% intervals.

    Where a subject stays in its arm, shares are of subjects, not of requests. The ratio is off (p < 0.001) where arms
    lose or double subjects: then what the arms show is not to be believed.
    """
    with reading(traces) as reader:
        found = collect(reader.read(filter_of(since, until, tenant, None, None, None)))
    reports = [report(name, one) for name, one in sorted(found.items())]
    if json:
        print_json(reports)
    elif not reports:
        print(f"no exchange in {traces} took part in an experiment", file=sys.stderr)
    else:
        print("\n\n".join("\n".join(_lines(one)) for one in reports))
    for one in reports:
        if one["mismatch"]:
            print(
                f"warning: {plain(one['experiment'])}: the ratio of its arms is off (p = {one['p']:.2g}): subjects were"
                " lost or counted twice; find out where before reading anything into its arms",
                file=sys.stderr,
            )


def collect(records: Iterable[Record]) -> dict[str, Experiment]:
    """Experiments by name. Mirrored copies do not count: nobody was answered by them."""
    found: dict[str, Experiment] = defaultdict(Experiment)
    for record in records:
        decision = record.decision
        if decision is not None and decision.experiment and not record.shadow_of:
            found[decision.experiment].add(record, decision)
    return found


def report(name: str, experiment: Experiment) -> dict[str, Any]:
    """One experiment as `--json` prints it. `p` and what rests on it is None where it cannot be said."""
    periods = experiment.periods()
    shares = [_shares(period) for period in periods]
    p = _p(periods, shares)
    return {
        "experiment": name,
        "n": sum(arm.n for arm in experiment.arms.values()),
        "unsticky": sum(arm.unsticky for arm in experiment.arms.values()),
        "periods": len(periods),
        "p": p,
        "mismatch": p is not None and p < MISMATCH,
        "arms": [_arm(arm, experiment.arms, periods, shares) for arm in _names(experiment, shares)],
    }


def _arm(
    name: str, arms: Mapping[str, Arm], periods: list[Period], shares: list[dict[str, float] | None]
) -> dict[str, Any]:
    arm = arms.get(name) or Arm()
    units = sum(period[name].units for period in periods if name in period)
    totals = [sum(one.units for one in period.values()) for period in periods]
    known = [share for share in shares if share is not None]
    expected = (
        sum(total * share.get(name, 0) for total, share in zip(totals, known, strict=True)) / sum(totals)
        if len(known) == len(shares)
        else None
    )
    answered = arm.answered / arm.n if arm.n else None
    return {
        "arm": name,
        "n": arm.n,
        "units": units,
        "share": _rounded(units / sum(totals)),
        "expected": _rounded(expected),
        "answered": _rounded(answered),
        "interval": None if answered is None else [_rounded(limit) for limit in limits(answered, arm.n)],
    }


def _shares(period: Period) -> dict[str, float] | None:
    """Each arm's share of the weights, of those without an exchange together; None where records contradict."""
    if any(len(assigned.shares) != 1 for assigned in period.values()):
        return None
    shares = {arm: next(iter(assigned.shares)) for arm, assigned in period.items()}
    rest = 1 - sum(shares.values())
    if rest < -_ROUNDING or min(shares.values()) <= 0:
        return None
    return shares | ({NEVER_SEEN: rest} if rest > _ROUNDING else {})


def _p(periods: list[Period], shares: list[dict[str, float] | None]) -> float | None:
    """Of the worst period, by Bonferroni: a subject that came in several is in each, so they cannot be added up."""
    judged: list[float] = []
    for period, share in zip(periods, shares, strict=True):
        if share is not None and len(share) > 1:
            counts = [period[arm].units if arm in period else 0 for arm in share]
            p = sample_ratio(counts, list(share.values())).p
            judged += [] if p is None else [p]
    return min(1.0, min(judged) * len(judged)) if judged else None


def _agree(one: Period, other: Period) -> bool:
    """Whether no arm has another share in `other`, and every arm is there or has room there."""
    if any(one[arm].shares != other[arm].shares for arm in one if arm in other):
        return False
    both = {arm: min(period[arm].shares) for period in (one, other) for arm in period}
    return sum(both.values()) <= 1 + _ROUNDING


def _names(experiment: Experiment, shares: list[dict[str, float] | None]) -> list[str]:
    return sorted(experiment.arms) + [NEVER_SEEN] * any(NEVER_SEEN in (share or ()) for share in shares)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 5)


def _lines(one: dict[str, Any]) -> Iterator[str]:
    p = "too few to say, or weights not known" if one["p"] is None else f"p = {one['p']:.2g}"
    yield f"{plain(one['experiment'])}: {one['n']} exchanges; ratio of the arms: {p}"
    width = max(12, *(len(plain(arm["arm"])) for arm in one["arms"])) + 2
    yield f"  {'ARM':{width}}{'EXCHANGES':>10}{'SUBJECTS':>10}{'SHARE':>9}{'EXPECTED':>10}  ANSWERED"
    for arm in one["arms"]:
        yield (
            f"  {plain(arm['arm']):{width}}{arm['n']:>10}{arm['units']:>10}{_percent(arm['share']):>9}"
            f"{_percent(arm['expected']):>10}  {_answered(arm)}"
        )
    if one["periods"] > 1:
        yield f"  weights changed: {one['periods']} periods, each checked by itself"
    if one["unsticky"]:
        yield f"  {one['unsticky']} exchanges named no subject and were drawn one by one"


def _answered(arm: dict[str, Any]) -> str:
    if arm["interval"] is None:
        return "-"
    low, high = arm["interval"]
    return f"{arm['answered']:.2%} ({low:.2%} to {high:.2%})"


def _percent(share: float | None) -> str:
    return "?" if share is None else f"{share:.2%}"
