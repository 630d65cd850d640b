"""A gateway with one part broken on purpose: `broken.py OFFSET PART serve ...`. Only drills of drills start it."""

import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

from llmctl.chaos.launch import Launcher, jumping


def broken(offset: Path, part: str) -> Launcher:
    """The beginning of its command line."""
    return sys.executable, str(Path(__file__)), str(offset), part


def settle_skipped() -> None:
    """Nothing is charged, and reservations are never given back."""
    from llmctl.gateway.stages.budget import SettleBudget

    SettleBudget.close = lambda self, exchange: None  # type: ignore[method-assign]


def budget_unchecked() -> None:
    """Every budget has room."""
    from llmctl.limits.budget import Account

    Account.check = lambda self, subject, usd: True  # type: ignore[method-assign]


def partition_removed() -> None:
    """All tenants share one cache."""
    from llmctl.cache.key import Scope
    from llmctl.gateway.stages import cache_lookup

    def everybody(tenant: str, *more: Any) -> Scope:
        return Scope("", *more)

    setattr(cache_lookup, "Scope", everybody)  # noqa: B010  # to mypy it is a type


def records_lost() -> None:
    """Every twentieth record is not written."""
    _records(lambda number: 0 if number % 20 == 19 else 1)


def records_doubled() -> None:
    """Every twentieth record is written twice."""
    _records(lambda number: 2 if number % 20 == 19 else 1)


def _records(times: Callable[[int], int]) -> None:
    from llmctl.telemetry.store import RecordStore

    write, numbers = RecordStore.write, count()

    def some(self: Any, record: Any) -> None:
        for _ in range(times(next(numbers))):
            write(self, record)

    RecordStore.write = some  # type: ignore[method-assign]


PARTS = {
    part.__name__: part for part in (settle_skipped, budget_unchecked, partition_removed, records_lost, records_doubled)
}

if __name__ == "__main__":
    from llmctl.commands.main import main

    jumping(Path(sys.argv[1]))
    PARTS[sys.argv[2]]()
    main(sys.argv[3:])
