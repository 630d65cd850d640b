"""An imitated PagerDuty on a loopback port: Events API v2, checked as the real one does, and what became of incidents.

    async with FakePagerDuty() as pagerduty:
        ...  # PagerDutyOptions(url=pagerduty.url, …), or `url: {pagerduty.enqueue}` in alertmanager.yml
        assert pagerduty.state(alert.key) == "resolved"

Source: https://developer.pagerduty.com/docs/events-api-v2/overview/ and github.com/PagerDuty/api-schema, events-v2.
"""

import re
from collections import deque
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

import msgspec

from llmctl.model.json import JsonObject, encode
from llmctl.providers.script_engine import JSON, Action, Hang, Head, Reset, Send
from llmctl.testing.listener import Listener
from llmctl.testing.scripted_connection import Received

State = Literal["triggered", "acknowledged", "resolved"]
Fault = int | Literal["hang", "lost", "late"]
ACTIONS = ("trigger", "acknowledge", "resolve")
SEVERITIES = ("critical", "error", "warning", "info")
LARGEST = 512 * 1024
KEY = "0123456789abcdef0123456789abcdef"
"""A routing key of the right form."""
_KEY = re.compile(r"[0-9A-Za-z]{32}")
_URL = re.compile(r"https?://\S+")


@dataclass(slots=True)
class Incident:
    """`history` are the events that it took, as sent; `opened` is the one that began it."""

    dedup_key: str
    routing_key: str
    state: State = "triggered"
    history: list[JsonObject] = field(default_factory=list)

    @property
    def opened(self) -> JsonObject:
        """The event that began it."""
        return self.history[0]


class FakePagerDuty(Listener):
    """`faults` are played in turn, then `always` while it is set: a status is answered and nothing done, `hang` never
    answers, `lost` does it and breaks the connection, `late` does it and never answers; None is no fault.

    `incidents` are all that were opened, in order; `events` all that were accepted; `refused` what was wrong with
    others; `count` is of all requests. `routing_keys`, where given, are the only ones that are known.
    """

    def __init__(self, *, port: int = 0, routing_keys: frozenset[str] | None = None) -> None:
        super().__init__(port=port)
        self.routing_keys = routing_keys
        self.retry_after: str | None = None
        self.faults: deque[Fault | None] = deque()
        self.always: Fault | None = None
        self.incidents: list[Incident] = []
        self.events: list[JsonObject] = []
        self.refused: list[str] = []
        self.count = 0

    @property
    def enqueue(self) -> str:
        """The URL of events."""
        return f"{self.url}/v2/enqueue"

    def incident(self, dedup_key: str) -> Incident | None:
        """The newest of that key."""
        return next((one for one in reversed(self.incidents) if one.dedup_key == dedup_key), None)

    def state(self, dedup_key: str) -> State | None:
        """Of the newest incident of that key; None where there was none."""
        found = self.incident(dedup_key)
        return found.state if found is not None else None

    @property
    def open(self) -> list[str]:
        """Keys of incidents that are not resolved."""
        return [one.dedup_key for one in self.incidents if one.state != "resolved"]

    def plan(self, received: Received) -> list[Action]:
        """The answer to a request."""
        self.count += 1
        fault = self.faults.popleft() if self.faults else self.always
        if isinstance(fault, int):
            headers = JSON if self.retry_after is None else {**JSON, b"retry-after": self.retry_after.encode()}
            return _answer(fault, {"status": "error", "message": "told to fail", "errors": []}, headers)
        if fault == "hang":
            return [Hang()]
        answer = self._answer(received)
        return [Reset()] if fault == "lost" else [Hang()] if fault == "late" else answer

    def _answer(self, received: Received) -> list[Action]:
        if received.target.partition(b"?")[0] != b"/v2/enqueue":
            return _answer(404, {"status": "not found", "message": "Not found", "errors": []})
        if received.method != b"POST":
            return _answer(405, {"status": "not allowed", "message": "Method not allowed", "errors": []})
        if len(received.body) > LARGEST:
            return self._refuse(413, "Event is too large", [f"{len(received.body)} bytes, {LARGEST} at most"])
        try:
            event = msgspec.json.decode(received.body)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return self._refuse(400, "Event object format is unrecognized", ["JSON parse error"])
        errors = check(event)
        if not errors and self.routing_keys is not None and event["routing_key"] not in self.routing_keys:
            errors = ["Invalid routing key"]
        if errors:
            return self._refuse(400, "Event object is invalid", errors)
        key = self._take(event)
        return _answer(202, {"status": "success", "message": "Event processed", "dedup_key": key})

    def _refuse(self, status: int, message: str, errors: list[str]) -> list[Action]:
        self.refused.append(f"{message}: {'; '.join(errors)}")
        return _answer(status, {"status": "invalid event", "message": message, "errors": errors})

    def _take(self, event: JsonObject) -> str:
        key = event.get("dedup_key") or f"made-{len(self.events)}"
        self.events.append(event)
        found = self.incident(key)
        going = found if found is not None and found.state != "resolved" else None
        if event["event_action"] == "trigger":
            if going is None:
                going = Incident(key, event["routing_key"])
                self.incidents.append(going)
        elif going is not None:
            going.state = "acknowledged" if event["event_action"] == "acknowledge" else "resolved"
        if going is not None:
            going.history.append(event)
        return str(key)


def check(event: Any) -> list[str]:
    """What is wrong with an event, as PagerDuty says it; fields that it does not know it does not mind."""
    if not isinstance(event, dict):
        return ["Event must be an object"]
    errors = []
    if not isinstance(key := event.get("routing_key"), str) or not _KEY.fullmatch(key):
        errors.append("Length of 'routing_key' is incorrect (should be 32 characters)")
    if (action := event.get("event_action")) not in ACTIONS:
        errors.append("'event_action' is missing or invalid")
    dedup = event.get("dedup_key")
    if dedup is None:
        errors += [] if action == "trigger" else ["'dedup_key' is missing or blank"]
    elif not isinstance(dedup, str) or not 0 < len(dedup) <= 255:
        errors.append("Length of 'dedup_key' is incorrect (should be at most 255 characters)")
    if action == "trigger":
        errors += _check_payload(event.get("payload"))
    if event.get("client_url") and not _URL.fullmatch(str(event["client_url"])):
        errors.append("'client_url' is invalid")
    for name, wanted in (("links", "href"), ("images", "src")):
        for one in event.get(name) or []:
            if not isinstance(one, dict) or not _URL.fullmatch(str(one.get(wanted))):
                errors.append(f"'{name}.{wanted}' is missing or invalid")
    return errors


def _check_payload(payload: Any) -> list[str]:
    if not isinstance(payload, dict):
        return ["'payload' is missing or blank"]
    errors = []
    for name in ("summary", "source"):
        if not isinstance(value := payload.get(name), str) or not value.strip():
            errors.append(f"'payload.{name}' is missing or blank")
        elif name == "summary" and len(value) > 1024:
            errors.append("Length of 'payload.summary' is incorrect (should be at most 1024 characters)")
    if payload.get("severity") not in SEVERITIES:
        errors.append("'payload.severity' is invalid (must be one of the following: 'critical', 'warning', ...)")
    if (at := payload.get("timestamp")) is not None:
        try:
            datetime.fromisoformat(at)
        except (TypeError, ValueError):
            errors.append("'payload.timestamp' is invalid (should be ISO 8601)")
    if not isinstance(payload.get("custom_details", {}), dict | str):
        errors.append("'payload.custom_details' is invalid")
    texts = ("component", "group", "class")
    return errors + [f"'payload.{name}' is invalid" for name in texts if not isinstance(payload.get(name, ""), str)]


def _answer(status: int, body: JsonObject, headers: dict[bytes, bytes] = JSON) -> list[Action]:
    data = encode(body)
    return [Head(status, headers, len(data)), Send(data)]
