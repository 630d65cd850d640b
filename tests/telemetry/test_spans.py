"""A record becomes spans that nest, with the ids it had, whatever it holds."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanKind, StatusCode

from llmctl.model.record import Attempt, Decision, Failure, GuardResult, Record, StageTime
from llmctl.model.usage import Cost, Usage
from llmctl.telemetry.semconv import SPAN_VERSIONS
from llmctl.telemetry.span_attributes import Wording
from llmctl.telemetry.spans import SpanBuilder

MakeRecord = Callable[..., Record]


def spans(record: Record, *, content: bool = False, why: str = "") -> list[ReadableSpan]:
    builder = SpanBuilder(Wording(SPAN_VERSIONS["gen_ai/1"], content=content), Resource({}), "1")
    builder.configure({"upstream": "openai", "google": "gemini", "mine": "scripted"})
    return builder.spans(record, why)


def said(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


def named(found: list[ReadableSpan], name: str) -> ReadableSpan:
    [one] = [span for span in found if span.name == name]
    return one


def ids(span: ReadableSpan) -> tuple[str, str, str]:
    context = span.context
    assert context is not None
    parent = f"{span.parent.span_id:016x}" if span.parent else ""
    return f"{context.trace_id:032x}", f"{context.span_id:016x}", parent


def test_an_exchange_its_stages_and_its_attempt(record: MakeRecord) -> None:
    one = record(parent_span_id="1234567890abcdef")
    found = spans(one, why="share")
    assert [span.name for span in found] == [
        "chat fast", "auth", "limits", "route", "upstream", "settle", "chat small",
    ]  # fmt: skip
    root, attempt = found[0], found[-1]
    assert ids(root) == (one.trace_id, one.span_id, "1234567890abcdef")
    assert ids(attempt) == (one.trace_id, "b7ad6b7169203331", ids(named(found, "upstream"))[1])
    assert {ids(span)[2] for span in found[1:-1]} == {one.span_id}
    kinds = [span.kind for span in found]
    assert kinds == [SpanKind.SERVER, *[SpanKind.INTERNAL] * 5, SpanKind.CLIENT]
    assert (root.start_time, root.end_time) == (1_764_000_000_000_000_000, 1_764_000_000_412_345_000)
    assert attempt.start_time == 1_764_000_000_000_310_000
    assert all(span.status.status_code is StatusCode.UNSET for span in found)


def test_the_conventions_names_are_used(record: MakeRecord) -> None:
    one = record(stream=True, ttft_us=120_000, usage=Usage(100, 30, 20, 80, 5, "provider"))
    root = said(spans(one, why="slow")[0])
    assert {name: value for name, value in root.items() if not name.startswith("llmctl.")} == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "fast",
        "gen_ai.response.model": "small-2026-01",
        "gen_ai.request.stream": True,
        "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.response.time_to_first_chunk": 0.12,
        "gen_ai.usage.input_tokens": 150,
        "gen_ai.usage.output_tokens": 85,
        "gen_ai.usage.cache_read.input_tokens": 30,
        "gen_ai.usage.cache_creation.input_tokens": 20,
        "gen_ai.usage.reasoning.output_tokens": 5,
        "http.response.status_code": 200,
    }
    assert root["llmctl.sampled"] == "slow"
    assert (root["llmctl.decision.propensity"], root["llmctl.cost.usd"]) == (0.9, 0.000432)
    assert (root["llmctl.tenant"], root["llmctl.policy.digest"]) == ("search", "3f1c9d2e7b6a")
    assert root["llmctl.overhead"] == 845e-6


@pytest.mark.parametrize(
    ("provider", "name"),
    [("google", "gcp.gemini"), ("mine", "scripted"), ("gone", "gone"), ("", None)],
)
def test_providers_are_called_by_their_kind(record: MakeRecord, provider: str, name: str | None) -> None:
    assert said(spans(record(provider=provider))[0]).get("gen_ai.provider.name") == name


@pytest.mark.parametrize(
    ("state", "failure", "bad"),
    [
        ("failed", Failure("upstream_error", "it broke", 502), True),
        ("failed", Failure("invalid_request", "no model", 400), True),
        ("aborted", Failure("upstream_connection_lost", "gone", 502), True),
        ("aborted", Failure("client_closed_request", "left", 499), False),
        ("blocked", Failure("guardrail_blocked", "no", 400), False),
        ("blocked", Failure("guardrail_unavailable", "broken", 503), True),
    ],
)
def test_what_failed_is_an_error_and_what_was_stopped_is_not(
    record: MakeRecord, state: str, failure: Failure, bad: bool
) -> None:
    root = spans(record(state=state, failure=failure, http_status=failure.status))[0]
    assert said(root)["error.type"] == failure.code
    expected = (StatusCode.ERROR, failure.message) if bad else (StatusCode.UNSET, None)
    assert (root.status.status_code, root.status.description) == expected


def test_a_hedge_that_lost_is_no_failure(record: MakeRecord) -> None:
    tried = [
        Attempt("upstream", "a", 10, 100, None, 503, "upstream_error", "00000000000000aa", "a", "first", "server"),
        Attempt("google", "b", 120, 100, 130, 200, None, "00000000000000bb", "b", "fallback"),
        Attempt("mine", "c", 120, 100, None, None, "cancelled", "00000000000000bb", "c", "hedge"),
    ]
    first, second, third = spans(record(attempts=tried))[-3:]
    assert [one.status.status_code.name for one in (first, second, third)] == ["ERROR", "UNSET", "UNSET"]
    assert (said(first)["error.type"], said(first)["llmctl.attempt.failure"]) == ("upstream_error", "server")
    assert said(second)["gen_ai.provider.name"] == "gcp.gemini"
    assert said(second)["gen_ai.response.time_to_first_chunk"] == pytest.approx(10e-6)
    assert (said(second)["llmctl.attempt.why"], ids(second)[1]) == ("fallback", "00000000000000bb")
    assert ids(third)[1] not in ("00000000000000bb", "0" * 16)  # an id is given once


def test_guards_say_what_they_judged_apart_from_what_was_done(record: MakeRecord) -> None:
    stages = [StageTime("input_guards", 100, 500), StageTime("output_guards", 9_000, 10)]
    judged = [
        GuardResult("pii", "input", "redact", "redact", 0.9, "a card number", "card", 200, "private"),
        GuardResult("injection", "input", "block", "would_block", 1.0, "rule", "", 90, "injection"),
        GuardResult("toxicity", "output", "error", "warn", None, "died", "", 5_000, "toxicity"),
        GuardResult("leakage", "output", "allow", "allow", 0.1, "", "", 7, "house"),
    ]
    found = spans(record(stages=stages, guards=judged, passed=["output.refusal", "input.secrets:s"]))
    pii = said(named(found, "run_guardrail pii"))
    assert pii == {
        "gen_ai.operation.name": "run_guardrail",
        "gen_ai.guardrail.component.name": "pii",
        "gen_ai.guardrail.target.type": "input",
        "gen_ai.guardrail.verdict.type": "modify",
        "gen_ai.guardrail.verdict.reason": "a card number",
        "gen_ai.guardrail.action.type": "modify",
        "gen_ai.guardrail.security.policy.id": "private",
        "gen_ai.guardrail.security.risk.category": "card",
        "gen_ai.guardrail.security.risk.score": 0.9,
        "llmctl.guard.verdict": "redact",
        "llmctl.guard.action": "redact",
    }
    injection = said(named(found, "run_guardrail injection"))
    assert injection["gen_ai.guardrail.verdict.type"] == "deny"
    assert injection["gen_ai.guardrail.action.type"] == "audit"  # in shadow: nothing was done
    broken = named(found, "run_guardrail toxicity")
    assert "gen_ai.guardrail.verdict.type" not in said(broken)
    assert broken.status.status_code is StatusCode.ERROR
    quiet = named(found, "run_guardrail leakage")
    assert said(quiet) == {
        "gen_ai.operation.name": "run_guardrail",
        "gen_ai.guardrail.component.name": "leakage",
        "gen_ai.guardrail.target.type": "output",
        "gen_ai.guardrail.verdict.type": "allow",
        "gen_ai.guardrail.security.policy.id": "house",
        "gen_ai.guardrail.security.risk.score": 0.1,
    }
    assert said(found[0])["llmctl.guards.passed"] == ("output.refusal", "input.secrets:s")
    by_input, by_output = (ids(named(found, name))[1] for name in ("input_guards", "output_guards"))
    assert ids(named(found, "run_guardrail pii"))[2] == by_input
    assert ids(quiet)[2] == by_output
    assert ids(broken)[2] == ids(found[0])[1]  # it took longer than its stage


def test_a_mirror_is_a_span_below_what_it_mirrors(record: MakeRecord) -> None:
    original, mirror = record(), record(id="req_1.shadow", shadow_of="req_1", batch="batch_7")
    root = spans(mirror)[0]
    assert ids(root)[::2] == ids(spans(original)[0])[:2]
    assert ids(root)[1] != original.span_id
    assert root.kind is SpanKind.INTERNAL
    assert (said(root)["llmctl.shadow_of"], said(root)["llmctl.batch.id"]) == ("req_1", "batch_7")
    both = [ids(span)[1] for one in (original, mirror) for span in spans(one)]
    assert len(both) - len(set(both)) == 1  # the attempt's, which the sample has twice


def test_ids_are_the_same_whenever_it_is_built(record: MakeRecord) -> None:
    assert [ids(span) for span in spans(record())] == [ids(span) for span in spans(record())]


def test_what_others_chose_is_cut(record: MakeRecord) -> None:
    name = "x" * 1_000_000
    one = record(requested_model=name, served_model=name, finish_reason=name, failure=Failure("c", name, 404))
    for span in spans(one):
        assert len(span.name) < 1100
        assert len(repr(said(span))) < 10_000
        assert len(span.status.description or "") <= 1024


def test_content_is_said_only_where_it_is_wanted(record: MakeRecord) -> None:
    one = record(decision=Decision("m", "weighted", "x"), cost=Cost())
    assert not any("messages" in name for span in spans(one) for name in said(span))
    root = said(spans(one, content=True)[0])
    [asked] = msgspec.json.decode(root["gen_ai.input.messages"])
    assert asked == {"role": "user", "parts": [{"type": "text", "content": "Why is the sky blue? " * 8}]}
    [answered] = msgspec.json.decode(root["gen_ai.output.messages"])
    assert answered["parts"] == [{"type": "text", "content": "Because of Rayleigh. " * 9}]


_INTEGERS = st.integers(-(2**63), 2**64 - 1)


def _records() -> st.SearchStrategy[Record]:
    text, floats = st.text(max_size=20), st.floats()
    hexes = text | st.sampled_from(["", "0" * 16, "f" * 16, "00f067aa0ba902b7", "0" * 32, "ab" * 16, "²" * 16])
    keys = st.sampled_from(["messages", "choices", "message", "content", "role", "text", "type"])
    names = st.sampled_from(["upstream", "input_guards", "output_guards", ""])
    stages = st.builds(StageTime, names, _INTEGERS, _INTEGERS)
    attempts = st.builds(Attempt, text, text, _INTEGERS, _INTEGERS, st.none() | _INTEGERS, span_id=hexes, error=text)
    json = st.recursive(
        st.none() | st.booleans() | floats | text,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner),
        max_leaves=12,
    )
    return st.builds(
        Record, id=text, started=floats, duration_us=_INTEGERS, http_status=_INTEGERS, trace_id=hexes, span_id=hexes,
        parent_span_id=hexes, stages=st.lists(stages, max_size=4), attempts=st.lists(attempts, max_size=3),
        guards=st.lists(st.from_type(GuardResult), max_size=3), passed=st.lists(text, max_size=3), request=json,
        response=json, decision=st.none() | st.from_type(Decision), usage=st.from_type(Usage),
        failure=st.none() | st.from_type(Failure), tags=st.dictionaries(text, text, max_size=3), shadow_of=text,
        cost=st.from_type(Cost), overhead_us=_INTEGERS, ttft_us=st.none() | _INTEGERS, chunks=_INTEGERS,
        requested_model=text, operation=text, state=st.sampled_from(["ok", "blocked", "failed", "aborted"]),
    )  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(_records())
def test_any_record_becomes_spans_that_lie_within_the_first(one: Record) -> None:
    found = spans(one, content=True, why="share")
    root = found[0]
    assert root.start_time is not None
    assert root.end_time is not None
    for span in found:
        assert span.start_time is not None
        assert span.end_time is not None
        assert root.start_time <= span.start_time <= span.end_time <= root.end_time
    own = [ids(span)[1] for span in found]
    assert len(set(own)) == len(own)
    assert {ids(span)[2] for span in found[1:]} <= set(own)
    assert "0" * 16 not in own
    written = encode_spans(found)
    for span, sent in zip(found, written.resource_spans[0].scope_spans[0].spans, strict=True):
        assert len(sent.attributes) == len(said(span))  # none that the SDK could not encode
    written.SerializeToString()
