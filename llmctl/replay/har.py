"""HTTP Archive 1.2, as browsers and proxies save it: POSTs to OpenAI's and Anthropic's endpoints."""

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from llmctl.errors import UsageError
from llmctl.gateway.asking import Call
from llmctl.model import chat
from llmctl.model.json import UNDECODABLE, encode
from llmctl.replay.source import Before, Entry, session_of
from llmctl.telemetry.rows import opened

ENDPOINTS = ("/chat/completions",)
FOREIGN = ("/v1/messages", "/v1/responses")


def read(path: Path, model: str | None) -> Iterator[Entry]:
    """Entries in the order of time. Raises UsageError."""
    with opened(path) as text:
        try:
            entries = json.load(text)["log"]["entries"]
        except (ValueError, KeyError, TypeError, RecursionError):
            raise UsageError(f"{path}: is no HTTP Archive: there is no log.entries") from None
    found = [(_started(path, at, one), at, one) for at, one in enumerate(entries)]
    found = [one for one in found if _endpoint(one[2]) is not None]
    found.sort(key=lambda one: one[:2])
    for started, at, one in found:
        yield _entry(path, at, started - found[0][0], one, model)


def _endpoint(entry: Any) -> str | None:
    request = entry.get("request", {}) if isinstance(entry, dict) else {}
    path = str(request.get("url", "")).partition("?")[0]
    if request.get("method") != "POST":
        return None
    return next((end for end in (*ENDPOINTS, *FOREIGN) if path.endswith(end)), None)


def _started(path: Path, at: int, entry: Any) -> float:
    try:
        return datetime.fromisoformat(entry["startedDateTime"].replace("Z", "+00:00")).timestamp()
    except (KeyError, ValueError, TypeError, AttributeError):
        raise UsageError(f"{path}: log.entries[{at}].startedDateTime is missing or no time") from None


def _entry(path: Path, at: int, since: float, entry: Any, model: str | None) -> Entry:
    ident, seconds = f"har-{at}", float(entry.get("time") or 0) / 1e3
    if (endpoint := _endpoint(entry)) in FOREIGN:
        return Entry(ident, since, ident, None, f"{endpoint} is another dialect; only OpenAI's chat is asked again")
    try:
        payload = json.loads(entry["request"]["postData"]["text"])
        messages = payload["messages"]
    except (KeyError, ValueError, TypeError):
        return Entry(ident, since, ident, None, "its request body was not saved, or is no JSON")
    if model is not None:
        payload = {**payload, "model": model}
    response = entry.get("response", {})
    return Entry(ident, since, session_of(messages), Call(payload), "", _before(response, seconds))


def _before(response: Any, seconds: float) -> Before:
    status, text = response.get("status", 0), response.get("content", {}).get("text", "")
    if status != 200:
        return Before(seconds=seconds, error=f"status {status}")
    try:
        answer = chat.answer(text.encode() if isinstance(text, str) else encode(text))
    except UNDECODABLE:  # a stream, or encoded in some other way
        return Before(seconds=seconds)
    message = answer.body.choices[0].message if answer.body.choices else None
    said = message.content if message is not None and isinstance(message.content, str) else None
    return Before(said, seconds=seconds, usage=answer.usage, model=answer.body.model or "")
