"""What a comparison of two variants came to: estimates with their intervals, verdicts, and what speaks against them.

Differences are A - B. The classes are plain values: `as_json` writes them without infinities, which JSON has not.
"""

from dataclasses import dataclass, field
from typing import Any, Literal

from llmctl.evals.results.plain import json_value
from llmctl.statistics.decide import Verdict
from llmctl.statistics.interval import Interval

Better = Literal["more", "less"]
Role = Literal["primary", "slice", "beside"]
NAMED = 10  # items that are named in text; JSON has all


@dataclass(frozen=True, slots=True)
class Estimate:
    """One measured thing of both sides and its difference A - B; None where it cannot be told, and `note` says why.

    `p` is before correction, the verdict's after it. `unknown` counts single results without a value, per side.
    """

    name: str
    role: Role
    unit: str
    better: Better
    a: Interval | None
    b: Interval | None
    difference: Interval | None
    items: int
    unknown: tuple[int, int] = (0, 0)
    p: float | None = None
    verdict: Verdict | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Side:
    """One variant. `unscored` are items without any value of the primary metric, `only_here` those of this side alone.

    `results` counts answers, `errors` those that are none.
    """

    name: str
    results: int
    items: int
    errors: int
    unscored: tuple[str, ...] = ()
    only_here: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Comparison:
    """A against B. `verdict` is in words, and `blocked` says why there is none although there are estimates.

    `estimates` begin with the primary metrics, then come slices, then cost and latency. `kind` is that of the first
    primary metric's verdict, or `blocked`.
    """

    a: Side
    b: Side
    estimates: tuple[Estimate, ...]
    kind: str
    verdict: str
    blocked: str = ""
    more: int | None = None
    looked: bool = False
    cautions: tuple[str, ...] = ()
    checks: dict[str, Any] = field(default_factory=dict)

    @property
    def primary(self) -> tuple[Estimate, ...]:
        """The metrics that were asked for, the first one first."""
        return tuple(one for one in self.estimates if one.role == "primary")

    def named(self, name: str) -> Estimate:
        """The estimate with this name. Raises KeyError."""
        for one in self.estimates:
            if one.name == name:
                return one
        raise KeyError(name)


def as_json(comparison: Comparison) -> dict[str, Any]:
    """All of it as JSON has it; a limit that cannot be told is null."""
    found = json_value(comparison)
    assert isinstance(found, dict)
    return found
