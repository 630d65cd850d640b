"""What a plan says: figures with their limits or why there is none, kinds of change with examples, stage by stage."""

import math
from collections.abc import Iterable, Mapping
from typing import Any, Literal

import msgspec
from msgspec import Struct, field

from llmctl.config.diff import Difference
from llmctl.statistics.interval import Interval

Told = Literal["exact", "estimated", "assumed", "no support", "not evaluated"]
"""How a figure was come by. `exact`: computed for every request that was recorded; its interval is for more traffic
like it. `assumed`: under the assumption that the note names. The last two have no number."""

Unit = Literal["share", "USD", "s", "tokens", "score"]
StageStatus = Literal["evaluated", "unchanged", "not evaluated"]


class Figure(Struct, frozen=True, omit_defaults=True):
    """One answer. Limits are None where they cannot be told; `relative` are estimate and limits over `base`.

    `n` counts independent units: requests, or clusters of them; `requests` those that the figure is about.
    """

    name: str
    unit: Unit
    told: Told
    estimate: float | None = None
    low: float | None = None
    high: float | None = None
    confidence: float = 0.95
    n: int = 0
    requests: int = 0
    method: str = ""
    note: str = ""
    base: float | None = None

    @property
    def relative(self) -> tuple[float, float | None, float | None] | None:
        """The same as a share of `base`, where there is one."""
        if self.estimate is None or not self.base:
            return None
        low, high = (None if one is None else one / self.base for one in (self.low, self.high))
        return self.estimate / self.base, low, high


class Example(Struct, frozen=True, omit_defaults=True):
    """A request that is of a kind of change: its id, what becomes of it, what it said, redacted and shortened."""

    id: str
    what: str
    text: str = ""


class Kind(Struct, frozen=True, omit_defaults=True):
    """One kind of change: `requests` of them, or the probability mass that moves so."""

    name: str
    requests: float
    share: float
    examples: list[Example] = field(default_factory=list)


class Stage(Struct, frozen=True, omit_defaults=True):
    """What was found of one stage. `left_out` counts requests by why nothing can be said of them."""

    name: str
    status: StageStatus
    why: str = ""
    requests: int = 0
    figures: list[Figure] = field(default_factory=list)
    kinds: list[Kind] = field(default_factory=list)
    left_out: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


class Side(Struct, frozen=True):
    """A configuration."""

    file: str
    digest: str


class Traffic(Struct, frozen=True, omit_defaults=True):
    """The records that were looked at; times in seconds since the epoch."""

    folder: str
    requests: int = 0
    first: float | None = None
    last: float | None = None
    without_content: int = 0
    redacted: int = 0
    left_out: dict[str, int] = field(default_factory=dict)


class Check(Struct, frozen=True, omit_defaults=True):
    """A condition of --fail-on, and whether it holds, which fails the plan."""

    condition: str
    failed: bool
    why: str


class Plan(Struct, frozen=True, omit_defaults=True):
    """All of it. `groups` are the differences by what they are about."""

    old: Side
    new: Side
    groups: dict[str, list[Difference]]
    traffic: Traffic
    stages: list[Stage]
    checks: list[Check] = field(default_factory=list)

    def figure(self, name: str) -> Figure | None:
        """The figure of this name over all requests."""
        return next((one for stage in self.stages for one in stage.figures if one.name == name), None)

    def told(self) -> dict[str, Any]:
        """For JSON."""
        plain: dict[str, Any] = msgspec.to_builtins(self)
        for stage, said in zip(self.stages, plain["stages"], strict=True):
            for figure, written in zip(stage.figures, said.get("figures", ()), strict=False):
                if (relative := figure.relative) is not None:
                    written["relative"] = list(relative)
        return plain


def figure(
    name: str, unit: Unit, found: Interval, requests: int, *, told: Told = "estimated", base: float | None = None,
    note: str = "",
) -> Figure:  # fmt: skip
    """A figure from an interval."""
    notes = "; ".join(one for one in (note, found.caution) if one)
    limits = (_finite(found.low), _finite(found.high))
    return Figure(
        name, unit, told, found.estimate, *limits, found.confidence, found.n, requests, found.method, notes, base
    )  # fmt: skip


def untold(name: str, unit: Unit, told: Told, note: str, requests: int = 0) -> Figure:
    """A question that has no answer, and why."""
    return Figure(name, unit, told, requests=requests, note=note)


def without(name: str, figures: Iterable[tuple[str, Unit]], left_out: Mapping[str, int]) -> Stage:
    """A stage that differs, of which no request can say anything."""
    why = "no request reached it"
    if left_out:
        most = max(left_out, key=left_out.__getitem__)
        why = f"no request can tell: {most} ({left_out[most]:,})"
    told = [untold(one, unit, "not evaluated", why) for one, unit in figures]
    return Stage(name, "not evaluated", why, 0, told, left_out=dict(left_out))


def kinds_of(found: Iterable[tuple[str, float, list[Example]]], requests: int) -> list[Kind]:
    """Kinds by what happens most."""
    ordered = sorted(found, key=lambda one: (-one[1], one[0]))
    return [Kind(name, count, count / requests if requests else 0.0, examples) for name, count, examples in ordered]


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
