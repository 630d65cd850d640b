"""What is written can be read back as it was; the overhead is the time that no attempt covers."""

import json
from typing import Any, Literal, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmctl.model.record import (
    VERSION,
    Attempt,
    CacheKind,
    CacheOutcome,
    Compression,
    Decision,
    Degraded,
    Failure,
    GuardAction,
    GuardResult,
    GuardVerdict,
    Record,
    StageTime,
    Transition,
    Why,
    decoder,
    overhead_us,
    passed,
)
from llmctl.model.usage import Cost, Usage

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
COUNT = st.integers(0, 2**53)
NUMBER = st.floats(allow_nan=False, allow_infinity=False)
MAYBE_NUMBER = st.none() | NUMBER
ANYTHING = st.recursive(
    st.none() | st.booleans() | COUNT | NUMBER | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
USAGE = st.builds(Usage, COUNT, COUNT, COUNT, COUNT, COUNT, st.sampled_from(["none", "provider", "estimated"]))
ATTEMPTS = st.builds(
    Attempt,
    TEXT,
    TEXT,
    COUNT,
    COUNT,
    st.none() | COUNT,
    st.none() | COUNT,
    st.none() | TEXT,
    TEXT,
    TEXT,
    st.sampled_from(get_args(Why)),
    TEXT,
)
DECISIONS = st.builds(Decision, TEXT, TEXT, TEXT, NUMBER, TEXT, TEXT, st.lists(TEXT, max_size=3).map(tuple))
GUARDS = st.builds(
    GuardResult,
    TEXT,
    st.sampled_from(["input", "output"]),
    st.sampled_from(get_args(GuardVerdict)),
    st.sampled_from(get_args(GuardAction)),
    MAYBE_NUMBER,
    TEXT,
    TEXT,
    COUNT,
    TEXT,
)
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "id": TEXT,
    "started": NUMBER,
    "duration_us": COUNT,
    "state": st.sampled_from(["ok", "blocked", "failed", "aborted"]),
    "http_status": st.integers(100, 599),
    "tenant": TEXT,
    "stream": st.booleans(),
    "decision": st.none() | DECISIONS,
    "attempts": st.lists(ATTEMPTS, max_size=3),
    "stages": st.lists(st.builds(StageTime, TEXT, COUNT, COUNT), max_size=3),
    "guards": st.lists(GUARDS, max_size=3),
    "passed": st.lists(TEXT, max_size=3),
    "degraded": st.none() | st.sampled_from(get_args(Degraded)),
    "transitions": st.lists(st.builds(Transition, TEXT, TEXT, TEXT, TEXT), max_size=3),
    "cache": st.none() | st.builds(CacheOutcome, st.sampled_from(get_args(CacheKind)), MAYBE_NUMBER, MAYBE_NUMBER),
    "compression": st.none() | st.builds(Compression, COUNT, COUNT),
    "tags": st.dictionaries(TEXT, TEXT, max_size=3),
    "usage": st.builds(Usage, COUNT, COUNT, COUNT, COUNT, COUNT, st.sampled_from(["none", "provider", "estimated"])),
    "discarded": st.builds(
        Usage, COUNT, COUNT, COUNT, COUNT, COUNT, st.sampled_from(["none", "provider", "estimated"])
    ),
    "cost": st.builds(Cost, MAYBE_NUMBER, st.sampled_from(["exact", "estimated", "partial", "unpriced"]), TEXT),
    "ttft_us": st.none() | COUNT,
    "overhead_us": st.integers(-(2**53), 2**53),
    "finish_reason": st.none() | TEXT,
    "failure": st.none() | st.builds(Failure, TEXT, TEXT, COUNT, TEXT),
    "request": ANYTHING,
    "response": ANYTHING,
}


@given(st.fixed_dictionaries(FIELDS))
def test_a_record_comes_back_as_it_was(values: dict[str, Any]) -> None:
    record = Record(**values)
    line = msgspec.json.encode(record)
    assert b"\n" not in line
    assert decoder.decode(line) == record


def test_every_field_is_in_the_round_trip_or_plain_text() -> None:
    plain = {"v", "trace_id", "span_id", "parent_span_id", "key", "policy", "dialect", "operation", "requested_model",
             "model", "provider", "served_model", "chunks", "shadow_of", "batch"}  # fmt: skip
    assert set(Record.__struct_fields__) == set(FIELDS) | plain


def test_a_small_record_is_small_and_tomorrows_fields_are_passed_over() -> None:
    line = msgspec.json.encode(Record("r", 1.0, 2, "ok", 200))
    assert json.loads(line) == {"id": "r", "started": 1.0, "duration_us": 2, "state": "ok", "http_status": 200}
    newer = json.dumps(json.loads(line) | {"v": VERSION + 1, "carbon_g": 3})
    assert decoder.decode(newer).v == VERSION + 1


SPANS = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 40)), max_size=6)


@given(SPANS)
def test_overhead_is_what_no_attempt_covers(spans: list[tuple[int, int]]) -> None:
    attempts = [Attempt("p", "m", start, length) for start, length in spans]
    duration = 100
    uncovered = sum(not any(s <= us < s + d for s, d in spans) for us in range(duration))
    assert overhead_us(duration, attempts) == uncovered


@pytest.mark.parametrize("policy", ["pii", "my:own.policy"])
@pytest.mark.parametrize("direction", ["input", "output"])
def test_a_guard_that_found_nothing_is_written_shortly_and_read_in_full(
    direction: Literal["input", "output"], policy: str
) -> None:
    found = GuardResult("toxicity", "output", "block", "block", 0.9)
    record = Record("r", 0.0, 1, "ok", 200, guards=[found], passed=[passed("pii", direction, policy)])
    assert record.verdicts() == [found, GuardResult("pii", direction, "allow", "allow", policy=policy)]
