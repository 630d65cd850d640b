"""What an experiment came to."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from llmctl.chaos.method import Done
from llmctl.statistics.wilson import limits

Status = Literal["passed", "failed", "not_run", "interrupted", "aborted"]


@dataclass(frozen=True, slots=True)
class Probed:
    """A probe's figure, and whether it lies where it must."""

    probe: str
    value: float
    at_least: float | None
    at_most: float | None
    start: float

    @property
    def met(self) -> bool:
        """Whether it does."""
        low = self.at_least is None or self.value >= self.at_least
        return low and (self.at_most is None or self.value <= self.at_most)

    def __str__(self) -> str:
        sides = [f"at least {self.at_least:g}" if self.at_least is not None else ""]
        sides += [f"at most {self.at_most:g}" if self.at_most is not None else ""]
        return f"{self.probe} is {self.value:.4g}, must be {' and '.join(side for side in sides if side)}"


@dataclass(slots=True)
class Outcome:
    """One experiment's. `broken` is what each invariant found, by its name; `missed` are bars, in words.

    `counts` says whether it tells of the uptime: not where refusals are meant.
    """

    name: str
    description: str
    status: Status = "aborted"
    start: float = 0.0
    end: float = 0.0
    before: list[Probed] = field(default_factory=list)
    after: list[Probed] = field(default_factory=list)
    requests: int = 0
    answered: int = 0
    figures: dict[str, Any] = field(default_factory=dict)
    bar: float = 0.999
    counts: bool = True
    missed: list[str] = field(default_factory=list)
    broken: dict[str, list[str]] = field(default_factory=dict)
    run: Sequence[Done] = ()
    rollbacks: Sequence[Done] = ()
    reason: str = ""

    @property
    def passed(self) -> bool:
        """Whether it ran and everything held."""
        return self.status == "passed"

    @property
    def share(self) -> float:
        """Answered, of those that asked while things went wrong."""
        return self.answered / self.requests if self.requests else 0.0

    @property
    def low(self) -> float:
        """The lower limit of that share, of a two-sided 95% interval (Wilson)."""
        return limits(self.share, self.requests)[0] if self.requests else 0.0

    @property
    def seconds(self) -> float:
        """How long it took."""
        return self.end - self.start

    @property
    def trouble(self) -> list[str]:
        """All that did not hold, in words."""
        found = [self.reason] if self.reason else []
        found += self.missed
        found += [f"{name}: {one}" for name, every in self.broken.items() for one in every[:3]]
        found += [f"{name}: and {len(every) - 3} more" for name, every in self.broken.items() if len(every) > 3]
        return found
