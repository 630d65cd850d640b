"""Alerts to tell, and secrets to tell them with."""

from pathlib import Path
from typing import Any

from llmctl.alerts.alert import Alert, Notice
from llmctl.alerts.notify import ReceiverOptions
from llmctl.testing.pagerduty import KEY

SINCE = 1_767_225_600.25


def alert(name: str = "a", **changes: Any) -> Alert:
    given: dict[str, Any] = {
        "name": "LlmctlGuardsBurn1h",
        "severity": "page",
        "service": "llmctl",
        "slo": "guards",
        "labels": {"guard": name},
        "summary": "llmctl: guards burns its error budget 14.4 times too fast",
        "description": "2% of 1h's judgements of the guard failed.",
        "runbook": "runbooks/guard-failures.md",
        "value": 0.02,
        "since": SINCE,
    }
    return Alert(**given | changes)


def trigger(name: str = "a", at: float = SINCE, *, repeat: bool = False, **changes: Any) -> Notice:
    return Notice("trigger", alert(name, **changes), at, repeat)


def resolve(name: str = "a", at: float = SINCE, **changes: Any) -> Notice:
    return Notice("resolve", alert(name, **changes), at)


def secret(folder: Path, name: str, text: str = KEY) -> str:
    """The path of a file with that secret."""
    path = folder / name
    path.write_text(text + "\n")
    path.chmod(0o600)
    return str(path)


def receiver(**options: Any) -> ReceiverOptions:
    return ReceiverOptions.model_validate(options)
