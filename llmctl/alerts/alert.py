"""An alert, and what is told of it: the one thing that whoever finds alerts and whoever delivers them both know."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from llmctl.alerts.slo import Severity


@dataclass(frozen=True, slots=True)
class Alert:
    """A broken promise. `labels` are those that its kind is kept apart by (`guard`, `route`); `since` epoch seconds."""

    name: str
    severity: Severity
    service: str
    slo: str
    labels: Mapping[str, str]
    summary: str
    description: str
    runbook: str
    value: float
    since: float

    @property
    def key(self) -> str:
        """The same for every alert of one incident: one promise, one severity, one set of labels.

        Source: PagerDuty Events API v2, `dedup_key` of at most 255 characters.
        """
        parts = (self.service, self.slo, self.severity, *(f"{k}={v}" for k, v in sorted(self.labels.items())))
        return "llmctl-" + hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:40]


@dataclass(frozen=True, slots=True)
class Notice:
    """Told to the sinks of its severity: an incident has begun (or goes on: `repeat`), or is over."""

    kind: Literal["trigger", "resolve"]
    alert: Alert
    at: float
    repeat: bool = False
