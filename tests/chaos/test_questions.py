"""Questions, and what an answer must say."""

import json
from typing import Any

import pytest

from llmctl.chaos.experiment import LoadConfig
from llmctl.chaos.questions import Answered, Question, judge, questions, tenant_of

WHOLE = Question("tenant0-method-1", "tenant0", "what?", "m", stream=False)
STREAM = Question("tenant0-method-2", "tenant0", "what?", "m", stream=True)


def whole(text: str, finish: str = "stop") -> bytes:
    return json.dumps({"choices": [{"message": {"content": text}, "finish_reason": finish}]}).encode()


def events(*chunks: dict[str, Any] | str) -> bytes:
    return b"".join(b"data: %b\n\n" % (c if isinstance(c, str) else json.dumps(c)).encode() for c in chunks)


def piece(text: str | None, finish: str | None = None) -> dict[str, Any]:
    return {"choices": [{"delta": {"content": text}, "finish_reason": finish}]}


def test_that_they_are_spread_over_tenants_kinds_and_subjects() -> None:
    load = LoadConfig(route="m", rate=100, tenants=4, streams=0.25, shared=0.5)
    every = list(questions(load, "method", 4))
    assert len(every) == len({one.id for one in every}) == 400
    for tenant in range(4):
        own = [one for one in every if one.tenant == f"tenant{tenant}"]
        assert (len(own), sum(one.stream for one in own)) == (100, 25)
        assert all(tenant_of(one.id) == one.tenant for one in own)
        assert sum(one.text.startswith("everybody") for one in own) == 50
    shared = [{one.text for one in every if one.tenant == f"tenant{t}" and "everybody" in one.text} for t in (0, 3)]
    assert shared[0] == shared[1]
    assert len({one.text for one in every if "everybody" not in one.text}) == 200


def test_that_no_two_phases_ask_the_same() -> None:
    load = LoadConfig(route="m")
    before, after = ({one.text for one in questions(load, phase, 1)} for phase in ("before", "after"))
    assert not before & after


def test_that_a_right_answer_is_right() -> None:
    assert judge(WHOLE, 0.0, 200, whole(f"what? [{WHOLE.id}]")).right
    chunks = events(piece("what?"), piece(f" [{STREAM.id}]"), piece(None, "stop"), "[DONE]")
    assert judge(STREAM, 0.0, 200, chunks).right


def test_that_an_answer_kept_for_the_same_tenant_is_right() -> None:
    assert judge(WHOLE, 0.0, 200, whole("what? [tenant0-before-7]")).right


@pytest.mark.parametrize(
    "found",
    [
        judge(WHOLE, 0.0, 200, whole("what? [tenant1-method-1]")),
        judge(WHOLE, 0.0, 200, whole(f"else? [{WHOLE.id}]")),
        judge(WHOLE, 0.0, 200, whole("what?")),
        judge(WHOLE, 0.0, 200, whole(f"what? [{WHOLE.id}]", "length")),
        judge(WHOLE, 0.0, 200, b"{"),
        judge(WHOLE, 0.0, 500, b"{}"),
        judge(WHOLE, 0.0, 0, b""),
        judge(STREAM, 0.0, 200, events(piece(f"what? [{STREAM.id}]"), piece(None, "stop"))),
        judge(STREAM, 0.0, 200, events(piece(f"what? [{STREAM.id}]", "stop"), "[DONE]", piece("more"))),
        judge(STREAM, 0.0, 200, events(piece(f"what? [{STREAM.id}]", "stop"), {"error": {}}, "[DONE]")),
    ],
    ids=["other tenant", "other text", "unsigned", "unfinished", "no JSON", "status", "none", "open", "after", "error"],
)
def test_that_others_are_not(found: Answered) -> None:
    assert not found.right


def test_that_a_refusal_is_no_trouble_and_a_silent_end_is() -> None:
    refused = judge(WHOLE, 0.0, 429, b"{}")
    assert (refused.refused, refused.trouble) == (True, "")
    assert judge(WHOLE, 0.0, 0, b"").trouble
    assert "tenant0-method-1 (whole" in str(refused)
