"""Outcomes to report on."""

from typing import Any

from llmctl.chaos.method import Done
from llmctl.chaos.outcome import Outcome, Probed

START = 1_767_225_600.0


def made(name: str = "one", **changes: Any) -> Outcome:
    """One that passed, but for the changes."""
    ready = Probed("ready", 1.0, 1.0, None, START)
    fields: dict[str, Any] = {
        "status": "passed",
        "start": START,
        "end": START + 10,
        "before": [ready],
        "after": [ready],
        "requests": 1000,
        "answered": 1000,
        "figures": {"p95_ms": 12.3, "calls_per_request": 1.25},
        "run": [Done("refuse", "a", START + 1, START + 1.5, undone=True)],
        "rollbacks": [Done("undo refuse", "a", START + 5, START + 5.5)],
    }
    return Outcome(name, "What for.", **{**fields, **changes})
