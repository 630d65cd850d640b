"""Records as what scorers judge."""

import msgspec
import pytest

from llmctl.model.json import encode
from llmctl.model.record import Failure, GuardResult, Record
from llmctl.scoring.base import ToolCalled, Unscorable
from llmctl.scoring.recorded import output_of, sample_of

REQUEST = {
    "model": "m",
    "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "Why"}, {"type": "text", "text": "?"}]},
        {"role": "tool", "content": "It rained."},
    ],
    "llmctl": {"context": ["A passage."]},
    "tools": [{"function": {"name": "f"}}],
}
ANSWER = {
    "choices": [
        {"message": {"content": "Rain.", "tool_calls": [{"function": {"name": "f", "arguments": "{}"}}]},
         "finish_reason": "stop"}
    ]
}  # fmt: skip


def record(request: object = REQUEST, response: object = ANSWER) -> Record:
    raw = [msgspec.Raw(encode(one)) if one is not None else None for one in (request, response)]
    guards = [GuardResult("pii", "input", "redact", "redact"), GuardResult("x", "output", "warn", "allow")]
    return Record("r1", 1.0, 2_000_000, "ok", 200, trace_id="t", tags={"team": "a"}, ttft_us=500_000, guards=guards,
                  finish_reason="stop", request=raw[0], response=raw[1])  # fmt: skip


def test_the_sample() -> None:
    sample = sample_of(record())
    assert (sample.id, sample.columns["question"], sample.columns["team"]) == ("r1", "Why?", "a")
    assert sample.context == ("It rained.", "A passage.")


def test_the_output() -> None:
    output = output_of(record())
    assert (output.text, output.tool_calls, output.finish_reason) == ("Rain.", (ToolCalled("f", "{}"),), "stop")
    assert (output.seconds, output.ttft, len(output.messages), len(output.tools)) == (2.0, 0.5, 3, 1)
    assert output.guards == ("input.pii=redact",)


def test_what_was_not_kept() -> None:
    with pytest.raises(Unscorable, match=r"records\.content"):
        sample_of(record(request=None))
    with pytest.raises(Unscorable, match=r"records\.content"):
        output_of(record(response=None))
    failed = msgspec.structs.replace(record(response=None), failure=Failure("timeout", "late", 504))
    assert output_of(failed).error == "timeout"
