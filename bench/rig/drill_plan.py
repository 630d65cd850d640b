"""How many requests each drill takes."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Plan:
    """Numbers of requests, sent `rate` a second. `say` tells progress; `scratch` is a folder, removed afterwards."""

    scratch: Path
    say: Callable[[str], None]
    rate: float = 200.0
    healthy: int = 2000
    alone: int = 2000
    together: int = 20_000
    handed_on: int = 6000
    hedged: int = 4000
    late: int = 400
    subjects: int = 3000


def quick(scratch: Path, say: Callable[[str], None]) -> Plan:
    """A look in three minutes. Bars on times suffer: what a breaker takes to open is a larger part of a shorter run."""
    return Plan(
        scratch, say, healthy=600, alone=600, together=3000, handed_on=3000, hedged=1000, late=150, subjects=1000
    )
