"""What guards of other makers answer, as verdicts. By shape: none of these packages is imported.

Read against guardrails-ai 0.11 and nemoguardrails 0.24. An answer of another shape is a ValueError, never a verdict.
Reasons name validators and rails, which are the operator's own words; messages are left out, since they quote texts.
"""

from collections.abc import Iterable
from enum import StrEnum
from typing import Any

from llmctl.guards.base import ALLOW, About, Span, Verdict
from llmctl.model.json import UNDECODABLE, JsonObject, decode


class Rail(StrEnum):
    """What NeMo's RailType is: it reads `.value`."""

    INPUT = "input"
    OUTPUT = "output"


def from_guardrails(answer: object, text: str) -> Verdict:
    """Of a Guardrails AI `ValidationOutcome`, `PassResult` or `FailResult`."""
    if hasattr(answer, "validation_passed"):
        return _outcome(answer, text)
    result = getattr(answer, "outcome", None)
    if result == "pass":
        return ALLOW
    if result == "fail":
        spans = tuple(_spans(getattr(answer, "error_spans", None), text))
        return Verdict("block", 1.0, "guardrails: the validator failed", "guardrails", spans)
    raise ValueError(f"validate returned {type(answer).__name__}; a ValidationOutcome, PassResult or FailResult is due")


def failed_validation(error: Exception) -> Verdict | None:
    """The verdict of a Guardrails AI guard that says so by raising (`on_fail="exception"`); None of other errors."""
    kinds = {(kind.__module__.partition(".")[0], kind.__name__) for kind in type(error).__mro__}
    if ("guardrails", "ValidationError") not in kinds:
        return None
    return Verdict("block", 1.0, "guardrails: validation failed", "guardrails")


def _outcome(answer: Any, text: str) -> Verdict:
    passed = answer.validation_passed
    names = list(_validators(getattr(answer, "validation_summaries", None)))
    if passed is True:
        return _changed(text, getattr(answer, "validated_output", None), "guardrails", names)
    if passed is not False:
        raise ValueError("validation_passed must be True or False")
    if getattr(answer, "error", None) and not names:
        raise ValueError("the validation ended in an error and no validator failed")
    return Verdict("block", 1.0, f"guardrails: {', '.join(names) or 'validation'} failed"[:2_000], "guardrails")


def _validators(summaries: object) -> Iterable[str]:
    for summary in summaries if isinstance(summaries, list) else ():
        name = getattr(summary, "validator_name", None)
        if isinstance(name, str):
            yield name[:100]


def _spans(found: object, text: str) -> Iterable[Span]:
    for item in found if isinstance(found, list) else ():
        start, end = getattr(item, "start", None), getattr(item, "end", None)
        if type(start) is int and type(end) is int and 0 <= start < end <= len(text):
            yield Span(start, end, "guardrails")


def conversation(text: str, about: About) -> list[JsonObject]:
    """What NeMo's rails are run on."""
    if about.direction == "input":
        return [{"role": "user", "content": text}]
    # Without a user's turn before it, `generate_async` does not see the answer.
    return [{"role": "user", "content": about.question}, {"role": "assistant", "content": text}]


def from_check(answer: object, text: str) -> Verdict:
    """Of NeMo Guardrails' `RailsResult`, which `check_async` returns."""
    status = getattr(answer, "status", None)
    status = getattr(status, "value", status)
    if status == "passed":
        return ALLOW
    if status == "blocked":
        return _stopped(getattr(answer, "rail", None))
    if status == "modified":
        return _changed(text, getattr(answer, "content", None), "nemo", [])
    raise ValueError(f"check_async returned {type(answer).__name__}; a RailsResult with a known status is due")


def from_generate(answer: object, text: str) -> Verdict:
    """Of NeMo's `GenerationResponse` with its log of rails, which `generate_async` returns when asked for it."""
    log, response = getattr(answer, "log", None), getattr(answer, "response", None)
    rails = getattr(log, "activated_rails", None)
    if not isinstance(rails, list) or not isinstance(response, list | str) or not response:
        what = type(answer).__name__
        raise ValueError(f"generate_async returned {what}; a GenerationResponse with a log of rails is due")
    if not rails:
        raise ValueError("generate_async ran no rail; give its configuration rails for this direction")
    for rail in rails:
        if (stop := getattr(rail, "stop", None)) is True:
            return _stopped(getattr(rail, "name", None))
        if stop is not False:
            raise ValueError("an activated rail's `stop` must be True or False")
    last = response[-1] if isinstance(response, list) else {"content": response}
    content = last.get("content") if isinstance(last, dict) else None
    if text and not content:
        raise ValueError("generate_async ran its rails and gave no text back; its configuration must pass the text on")
    return _changed(text, content, "nemo", [])


def _stopped(rail: object) -> Verdict:
    name = rail[:100] if isinstance(rail, str) and rail else "a rail"
    return Verdict("block", 1.0, f"nemo: {name} stopped it", "nemo")


def _changed(text: str, output: object, category: str, names: list[str]) -> Verdict:
    """Nothing changed, or a redaction of the part that did."""
    if isinstance(output, dict | list):  # a structured output
        try:
            if decode(text) == output:
                return ALLOW
        except UNDECODABLE:
            pass
        raise ValueError("it passed a structured output that differs from the text; only texts can be put right")
    if not isinstance(output, str):
        raise ValueError(f"it passed, and gave {type(output).__name__} for the text")
    if output == text:
        return ALLOW
    if not text:
        raise ValueError("it passed, and gave words for an empty text")
    start, end, put = difference(text, output)
    reason = f"{category}: {', '.join(names) or 'it'} changed the text"
    return Verdict("redact", 1.0, reason[:2_000], category, (Span(start, end, category, put),))


def difference(text: str, output: str) -> tuple[int, int, str]:
    """The one part of `text` that differs, not empty, and what stands there in `output`."""
    shorter = min(len(text), len(output))
    head = next((at for at in range(shorter) if text[at] != output[at]), shorter)
    rest = shorter - head
    tail = next((at for at in range(rest) if text[-1 - at] != output[-1 - at]), rest)
    if head + tail == len(text):  # words were only put in: a neighbour goes along
        if tail:
            tail -= 1
        else:
            head -= 1
    return head, len(text) - tail, output[head : len(output) - tail]
