"""What is told: incidents begin, go on and end. One per `Alert.key`, however many alerts make it up.

As with Alertmanager, a page on a promise keeps back the ticket on the same one, until the page is over.
"""

from collections.abc import Iterable, Sequence

import msgspec

from llmctl.alerts.alert import Alert, Notice
from llmctl.alerts.slo import Severity

HOUR = 3600.0
REPEAT: dict[Severity, float] = {"page": 4 * HOUR, "ticket": 24 * HOUR}
"""Seconds after which what goes on is told again, as `alertmanager.REPEAT`."""


class Incident(msgspec.Struct):
    """What has been told and is not over; `told` is when, the last time."""

    alert: Alert
    told: float


class Incidents:
    """Those that are open. Of one key, a trigger and a resolve take turns; in between only repeats are told."""

    def __init__(self, found: Sequence[Incident] = ()) -> None:
        """With those that were open when the process before this one ended."""
        self.open = {incident.alert.key: incident for incident in found}

    def update(self, now: float, firing: Iterable[Alert]) -> list[Notice]:
        """What to tell of the alerts that fire now, those that began first being first."""
        ranked = sorted(firing, key=lambda alert: alert.since)
        first: dict[str, Alert] = {}
        for alert in ranked:
            first.setdefault(alert.key, alert)
        paged = {_about(alert) for alert in ranked if alert.severity == "page"}
        notices = [self._resolved(key, now) for key in list(self.open) if key not in first]
        for key, alert in first.items():
            kept_back = alert.severity == "ticket" and _about(alert) in paged
            if key not in self.open:
                if not kept_back:
                    self.open[key] = Incident(alert, now)
                    notices.append(Notice("trigger", alert, now))
            elif not kept_back and now - self.open[key].told >= REPEAT[alert.severity]:
                self.open[key].told = now
                notices.append(Notice("trigger", self.open[key].alert, now, repeat=True))
        return notices

    def _resolved(self, key: str, now: float) -> Notice:
        return Notice("resolve", self.open.pop(key).alert, now)


def _about(alert: Alert) -> tuple[str, str, tuple[tuple[str, str], ...]]:
    return alert.service, alert.slo, tuple(sorted(alert.labels.items()))
