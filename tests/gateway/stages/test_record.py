import json

import msgspec
import pytest

from llmctl.gateway.stages.record import WriteRecord
from llmctl.model.exchange import Exchange, Principal
from llmctl.model.record import Attempt, Decision, Failure, Record, decoder
from llmctl.model.usage import Cost, Usage
from llmctl.testing.clock import ManualClock
from llmctl.testing.gateway import Remember, exchange


def writer(clock: ManualClock, *sinks: Remember, keep_content: bool = True, max_content: int = 1000) -> WriteRecord:
    return WriteRecord("digest", clock, sinks, keep_content=keep_content, max_content=max_content)


def recorded(asked: Exchange, clock: ManualClock, *, keep_content: bool = True, max_content: int = 1000) -> Record:
    """As it reads after it was written."""
    sink = Remember()
    writer(clock, sink, sink, keep_content=keep_content, max_content=max_content).close(asked)
    assert len(sink.records) == 2
    return decoder.decode(msgspec.json.encode(sink.records[0]))


def test_what_the_exchange_knew_is_in_the_record() -> None:
    clock = ManualClock()
    asked = exchange(clock)
    asked.state, asked.stream, asked.requested_model, asked.provider = "failed", True, "any", "up"
    asked.principal, asked.decision = Principal("k", "acme"), Decision("small", "weighted", "draw", 0.25)
    asked.attempts = [Attempt("up", "m", 1_000_000, 500_000)]
    asked.usage, asked.cost = Usage(3, source="provider"), Cost(0.5, "exact", "v")
    asked.failure, asked.http_status = Failure("c", "m", 502), 502
    asked.first_chunk_at = clock.monotonic() + 1.25
    clock.advance(2)
    record = recorded(asked, clock)
    assert (record.duration_us, record.overhead_us, record.ttft_us) == (2_000_000, 1_500_000, 1_250_000)
    assert (record.tenant, record.key, record.policy) == ("acme", "k", "digest")
    assert (record.requested_model, record.model, record.provider) == ("any", "small", "up")
    assert (record.state, record.http_status, record.failure) == ("failed", 502, asked.failure)
    assert (record.usage, record.cost, record.decision) == (asked.usage, asked.cost, asked.decision)
    assert (record.trace_id, record.span_id) == (asked.trace.trace_id, asked.trace.span_id)
    assert record.started == asked.wall


def test_one_refused_at_the_door_has_a_record_too() -> None:
    asked = exchange(ManualClock())
    asked.state = "failed"
    record = recorded(asked, ManualClock())
    assert (record.tenant, record.key, record.model, record.ttft_us) == ("", "", "", None)
    assert (record.request, record.response) == (None, None)


@pytest.mark.parametrize("changed", [True, False])
def test_the_request_is_kept_as_it_is_sent_on(changed: bool) -> None:
    asked = exchange(ManualClock())
    asked.state, asked.cleared, asked.payload = "ok", True, {"model": "m", "n": 1}
    asked.raw = None if changed else b'{"model":\r\n "m", "n": 1}'
    asked.transcript = b'{\n"choices": []}'
    record = recorded(asked, ManualClock())
    assert (record.request, record.response) == (asked.payload, {"choices": []})
    assert b"\n" not in msgspec.json.encode(writer(ManualClock()).record(asked))
    bare = recorded(asked, ManualClock(), keep_content=False)
    assert bare.request is None
    assert json.loads(msgspec.json.encode(bare))["state"] == "ok"


@pytest.mark.parametrize(("room", "kept"), [(10, True), (9, False)])
def test_content_over_the_cap_leaves_its_size(room: int, kept: bool) -> None:
    asked = exchange(ManualClock())
    asked.state, asked.cleared = "ok", True
    asked.payload, asked.raw = {"a": "bcd"}, b'{"a":"bc"}'
    asked.transcript = b'{"a":"bc"}'
    record = recorded(asked, ManualClock(), max_content=room)
    expected = {"a": "bc"} if kept else {"omitted_bytes": 10}
    assert record.request == record.response == expected


def test_what_input_guards_have_not_seen_is_not_kept() -> None:
    asked = exchange(ManualClock())
    asked.state, asked.payload, asked.raw = "blocked", {"a": "b"}, b'{"a":"b"}'
    assert recorded(asked, ManualClock()).request is None
