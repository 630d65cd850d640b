"""PagerDuty, Events API v2: an incident is opened, acknowledged and resolved under one `dedup_key`.

Source: https://developer.pagerduty.com/docs/events-api-v2/overview/
"""

import asyncio
import json
from datetime import UTC, datetime
from typing import Any, ClassVar

from llmctl.alerts.alert import Alert, Notice
from llmctl.alerts.notify import PagerDutyOptions
from llmctl.alerts.sinks.base import TIMEOUT, NotDelivered, read_secret
from llmctl.alerts.sinks.http import Poster, shown
from llmctl.alerts.slo import Severity

SEVERITY: dict[Severity, str] = {"page": "critical", "ticket": "warning"}
_LONGEST_SUMMARY = 1024
_LONGEST_DETAIL = 16_000
_WHOM = "PagerDuty"


class PagerDuty:
    """A PagerDuty service."""

    Options: ClassVar[type[PagerDutyOptions]] = PagerDutyOptions
    repeats: ClassVar[bool] = False

    def __init__(self, options: PagerDutyOptions, host: str, timeout: float = TIMEOUT) -> None:
        """`host` is the machine that alerts are said to come from; `timeout` is in seconds."""
        self._options = options
        self._host = host
        self._poster = Poster(timeout)

    async def deliver(self, notice: Notice) -> None:
        """Open the incident, or resolve it."""
        if notice.kind == "resolve":
            await self._send({"event_action": "resolve", "dedup_key": notice.alert.key})
        else:
            await self._send(_trigger(notice, self._options, self._host))

    async def acknowledge(self, alert: Alert) -> None:
        """Say that somebody is at work on it."""
        await self._send({"event_action": "acknowledge", "dedup_key": alert.key})

    async def close(self) -> None:
        """Give back connections."""
        await self._poster.close()

    async def _send(self, event: dict[str, Any]) -> None:
        key = await asyncio.to_thread(read_secret, self._options.routing_key_file)
        status, text = await self._poster.post(_WHOM, self._options.enqueue, {"routing_key": key, **event}, key)
        if status != 202:
            reason = shown(_reason(text), key)
            raise NotDelivered(f"{_WHOM}: answered {status}{': ' if reason else ''}{reason}", retryable=False)


def _trigger(notice: Notice, options: PagerDutyOptions, host: str) -> dict[str, Any]:
    alert = notice.alert
    event: dict[str, Any] = {
        "event_action": "trigger",
        "dedup_key": alert.key,
        "client": "llmctl",
        "payload": {
            "summary": alert.summary[:_LONGEST_SUMMARY],
            "source": host,
            "severity": SEVERITY[alert.severity],
            "timestamp": datetime.fromtimestamp(alert.since, UTC).isoformat(timespec="milliseconds"),
            "component": alert.service,
            "group": alert.slo,
            "class": alert.name,
            "custom_details": {
                "description": alert.description[:_LONGEST_DETAIL],
                "runbook": alert.runbook,
                "value": alert.value,
                "labels": dict(alert.labels),
            },
        },
    }
    if options.client_url is not None:
        event["client_url"] = options.client_url
    if options.runbook_url is not None:
        event["links"] = [{"href": f"{options.runbook_url.rstrip('/')}/{alert.runbook}", "text": "Runbook"}]
    return event


def _reason(text: str) -> str:
    """What an error answer says is wrong."""
    try:
        said = json.loads(text)
        errors = said.get("errors") or []
        return ": ".join(part for part in (said.get("message"), ", ".join(map(str, errors))) if part) or text
    except (ValueError, TypeError, AttributeError):
        return text
