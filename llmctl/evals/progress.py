"""A run as it goes, in a terminal: results so far, what was spent, how long it will take. Silent elsewhere."""

from collections.abc import Callable
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from llmctl.clock import Clock
from llmctl.evals.budget import Budget

EVERY = 0.1
"""Seconds between two looks."""


class Watched:
    """A context in which `tick` shows how far a run is. `total` is the number of results there will be."""

    def __init__(self, total: int, budget: Budget, clock: Clock, console: Console, *, quiet: bool = False) -> None:
        self._budget, self._clock = budget, clock
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[told]}"),
            console=console,
            transient=True,
            disable=quiet or not console.is_terminal,
        )
        self._task = self._progress.add_task("results", total=total, told="")
        self._next = 0.0

    def __enter__(self) -> "Callable[[int, int], None]":
        self._progress.start()
        return self.tick

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._progress.stop()

    def tick(self, done: int, errors: int) -> None:
        """So many results there are now, errors among them."""
        if self._progress.disable or self._clock.monotonic() < self._next:
            return
        self._next = self._clock.monotonic() + EVERY
        fields: dict[str, Any] = {"told": ", ".join(filter(None, [self.spent(), f"{errors} errors" if errors else ""]))}
        self._progress.update(self._task, completed=done, **fields)

    def spent(self) -> str:
        """What was paid so far, in words; nothing where nothing was."""
        return spent(self._budget)


def spent(budget: Budget) -> str:
    """What a run has paid, in words. An unknown price is never nothing."""
    of = f" of ${budget.limit:.4f}" if budget.limit is not None else ""
    known = f"${budget.paid:.4f}{of}" if budget.paid or budget.limit is not None else ""
    unknown = f"{budget.unpriced} answers without a known price" if budget.unpriced else ""
    return " + ".join(filter(None, [known, unknown]))
