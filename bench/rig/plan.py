"""How long and how often each scenario measures."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Plan:
    """`say` tells progress; `scratch` is a folder on a real disk, removed afterwards."""

    scratch: Path
    say: Callable[[str], None]
    seconds: float = 8.0
    repeats: int = 3
    interleaved: int = 11
    streams: int = 640
    open_streams: int = 2000
    starts: int = 5
    helps: int = 10
    soak_seconds: float = 600.0
    soak_every: float = 10.0
    peers: Path | None = None


def quick(scratch: Path, say: Callable[[str], None], soak_seconds: float, peers: Path | None) -> Plan:
    """A look in a minute: figures are rougher, bars the same."""
    return Plan(
        scratch, say, seconds=3.0, repeats=1, interleaved=5, starts=3, helps=5, soak_seconds=soak_seconds, peers=peers
    )
