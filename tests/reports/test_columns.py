"""A record's line becomes its columns; what is left out of it is empty, what is damaged is no record."""

import datetime
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from llmctl.model.record import Attempt, CacheOutcome, Decision, Failure, GuardResult, Record
from llmctl.model.usage import Cost, Usage
from llmctl.reports.columns import BUCKETS, COLUMNS, LINE, literal, quoted
from llmctl.reports.duck import database
from llmctl.reports.ledger import load_lines
from tests.reports.keeping import record


def columns(tmp_path: Path, *lines: bytes) -> list[dict[str, Any]]:
    path = tmp_path / "x.jsonl"
    path.write_bytes(b"\n".join(lines) + b"\n")
    with database(memory_mb=300, threads=1) as db:
        load_lines(db, [path], tuple(COLUMNS))
        rows = db.rows("SELECT * EXCLUDE file FROM lines", doing="testing")
    return [dict(zip(COLUMNS, row, strict=True)) for row in rows]


def test_every_field_of_a_record_comes_through(tmp_path: Path) -> None:
    rich = record(
        1,
        decision=Decision("small", "weighted", "w", experiment="e", arm="b"),
        attempts=[Attempt("a", "first", 0), Attempt("b", "second", 1)],
        cache=CacheOutcome("stale"),
        degraded="stale",
        shadow_of="req_0",
        policy="digest",
        operation="chat",
        ttft_us=7,
        usage=Usage(1, 2, 3, 4, 5, "provider"),
        cost=Cost(4.32e-07, "partial", "v2"),
    )
    (row,) = columns(tmp_path, msgspec.json.encode(rich))
    assert {name: row[name] for name in ("strategy", "experiment", "arm")} == {
        "strategy": "weighted",
        "experiment": "e",
        "arm": "b",
    }
    assert [row[f"{bucket}_tokens"] for bucket in BUCKETS] == [1, 2, 3, 4, 5]
    assert row["started"] == datetime.datetime(2026, 1, 5, 0, 1, 0, 123456)  # noqa: DTZ001 - DuckDB's has no zone
    assert row["day"] == datetime.date(2026, 1, 5)
    assert row["cost_usd"] == Decimal("0.000000432")
    assert (row["attempts"], row["billed_model"], row["route"]) == (2, "second", "fast")
    assert (row["cache"], row["degraded"], row["shadow_of"], row["ttft_us"]) == ("stale", "stale", "req_0", 7)
    assert (row["policy"], row["operation"], row["price_version"]) == ("digest", "chat", "v2")


def test_of_guards_it_has_the_names_of_those_that_acted(tmp_path: Path) -> None:
    guards = [
        GuardResult("pii", "input", "redact", "redact", policy="no-mail"),
        GuardResult("pii", "output", "warn", "warn"),
        GuardResult("judge", "input", "block", "would_block"),
        GuardResult("length", "input", "error", "allow"),
    ]
    failed = record(2, stream=True, batch="batch_1", failure=Failure("upstream_timeout", "late", 504))
    acted, other = columns(tmp_path, msgspec.json.encode(record(1, guards=guards)), msgspec.json.encode(failed))
    assert (set(acted["guards"]), acted["stream"], acted["batch"], acted["failure"]) == (
        {"pii", "no-mail"},
        False,
        "",
        "",
    )
    assert (other["guards"], other["stream"], other["batch"], other["failure"]) == (
        [],
        True,
        "batch_1",
        "upstream_timeout",
    )


def test_what_is_left_out_is_empty(tmp_path: Path) -> None:
    bare = Record("a", 0.0, 1, "ok", 200)
    (row,) = columns(tmp_path, msgspec.json.encode(bare))
    assert row["cost_usd"] is None
    assert (row["cost_status"], row["usage_source"], row["attempts"], row["billed_model"]) == (
        "unpriced",
        "none",
        0,
        "",
    )
    assert row["saved_input_tokens"] is None
    assert row["trimmed_tokens"] is None
    assert row["tags"] is None


def test_the_name_a_provider_bills_under_is_the_one_it_said_it_served(tmp_path: Path) -> None:
    (row,) = columns(tmp_path, msgspec.json.encode(record(1, served_model="gpt-4o-mini-2024-07-18")))
    assert row["billed_model"] == "gpt-4o-mini-2024-07-18"


@pytest.mark.parametrize(
    ("tags", "expected"),
    [({"team": "a", "n": 1}, {"team": "a", "n": "1"}), (["a"], None), ("a", None), (None, None), ({}, {})],
)
def test_tags_of_another_shape_are_none(tmp_path: Path, tags: object, expected: object) -> None:
    line = msgspec.json.decode(msgspec.json.encode(record(1))) | {"tags": tags}
    (row,) = columns(tmp_path, json.dumps(line).encode())
    assert row["tags"] == expected


def test_fields_of_a_newer_record_are_read_where_they_are(tmp_path: Path) -> None:
    line = msgspec.json.decode(msgspec.json.encode(record(1)))
    line |= {"cache": {"kind": "exact", "saved": {"output": 9}}, "compression": {"before": 10, "after": 4}, "new": [1]}
    (row,) = columns(tmp_path, json.dumps(line).encode())
    assert [row[f"saved_{bucket}_tokens"] for bucket in BUCKETS] == [0, 0, 0, 9, 0]
    assert row["trimmed_tokens"] == 6


@pytest.mark.parametrize(
    "line",
    [
        b"garbage",
        b"[1]",
        b'"x"',
        b"{}",
        b'{"id":"x"}',
        b'{"id":"x","started":1e300,"duration_us":1,"state":"ok"}',
        b"\xff",
    ],
)
def test_a_line_that_is_no_record_is_none(tmp_path: Path, line: bytes) -> None:
    assert len(columns(tmp_path, msgspec.json.encode(record(1)), line)) == 1


def test_each_column_is_out_of_a_field_of_the_record() -> None:
    newer = {"compression", "tags"}
    assert set(LINE) - newer <= set(Record.__struct_fields__)


def test_quoting() -> None:
    assert quoted('a"b') == '"a""b"'
    assert literal("a'b") == "'a''b'"
