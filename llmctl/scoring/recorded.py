"""A record as what scorers judge: the sample that was asked, and the output that came."""

from typing import Any

import msgspec

from llmctl.model.chat import AnswerBody, Choice, Message, text_of
from llmctl.model.json import UNDECODABLE, JsonObject, decode, encode
from llmctl.model.record import Record
from llmctl.scoring.base import Output, Sample, ToolCalled, Unscorable

_BODY = msgspec.json.Decoder(AnswerBody)
IDLE = frozenset({"allow"})


def sample_of(record: Record) -> Sample:
    """The sample: `question` is the last user message, `messages` are all. Raises Unscorable without a request."""
    request = _object(record.request)
    messages = [one for one in request.get("messages") or [] if isinstance(one, dict)]
    if not messages:
        raise Unscorable("the record has no request with messages; records.content: redacted keeps them")
    asked = [text_of(one.get("content")) for one in messages if one.get("role") == "user"]
    found = [text_of(one.get("content")) for one in messages if one.get("role") == "tool"]
    extension = request.get("llmctl")
    given = extension.get("context") if isinstance(extension, dict) else None
    context = [one if isinstance(one, str) else text_of(one) for one in given] if isinstance(given, list) else []
    columns: dict[str, Any] = {"question": asked[-1] if asked else "", "messages": messages, "model": record.model}
    return Sample(record.id, {**record.tags, **columns}, context=(*found, *context), cluster=record.trace_id)


def output_of(record: Record) -> Output:
    """The output: the first choice. Raises Unscorable where no answer was kept."""
    request, choice = _object(record.request), _choice(record)
    message = (choice.message if choice is not None else None) or Message()
    failure = record.failure.code if record.failure is not None else ""
    if choice is None and not failure:
        raise Unscorable("the record has no answer; records.content: redacted keeps them")
    calls = [one.function for one in message.tool_calls or [] if one.function is not None]
    return Output(
        text_of(message.content) or (choice.text or "" if choice is not None else ""),
        tuple(ToolCalled(call.name or "", call.arguments or "") for call in calls),
        tuple(one for one in request.get("messages") or [] if isinstance(one, dict)),
        tuple(one for one in request.get("tools") or [] if isinstance(one, dict)),
        record.duration_us / 1e6,
        record.ttft_us / 1e6 if record.ttft_us is not None else None,
        record.usage,
        record.cost,
        record.finish_reason,
        message.refusal or "",
        failure,
        tuple(f"{one.direction}.{one.policy or one.guard}={one.action}" for one in record.guards if _acted(one.action)),
    )


def _acted(action: str) -> bool:
    return action not in IDLE


def _object(raw: Any) -> JsonObject:
    try:
        found = decode(raw) if isinstance(raw, msgspec.Raw | bytes) else raw
    except UNDECODABLE:
        return {}
    return found if isinstance(found, dict) else {}


def _choice(record: Record) -> Choice | None:
    if record.response is None:
        return None
    try:
        raw = record.response if isinstance(record.response, msgspec.Raw) else encode(record.response)
        choices = _BODY.decode(raw).choices
    except UNDECODABLE:
        return None
    return choices[0] if choices else None
