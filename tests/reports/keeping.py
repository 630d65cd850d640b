"""Records on disk as the gateway leaves them, and a small fixed set of them."""

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from llmctl.model.record import Attempt, CacheOutcome, Record
from llmctl.model.usage import UNPRICED, Cost, Usage
from llmctl.reports.cost import Costs, columns_for, costs
from llmctl.reports.duck import database
from llmctl.reports.ledger import open_ledger
from llmctl.telemetry.reader import EVERYTHING, Filter

MONDAY = datetime(2026, 1, 5, tzinfo=UTC).timestamp()
DAY = 86400.0
LATER = datetime(2030, 1, 1, tzinfo=UTC).timestamp()  # everything is closed by then
CALL = [Attempt("openai", "gpt-4o-mini", 0)]


def record(number: int, **changes: Any) -> Record:
    """The `number`-th: a priced call on the day `number // 100`, unless `changes` say otherwise."""
    fields: dict[str, Any] = {
        "id": f"req_{number:04d}",
        "started": MONDAY + DAY * (number // 100) + 60 * (number % 100) + 0.123456,
        "duration_us": 400_000,
        "state": "ok",
        "http_status": 200,
        "tenant": "search",
        "key": "key1",
        "requested_model": "fast",
        "model": "small",
        "provider": "openai",
        "attempts": CALL,
        "usage": Usage(100, 10, 1, 30, 5, "provider"),
        "cost": Cost(0.000125, "exact", "p1"),
    }
    return Record(**(fields | changes))


def fixed() -> list[Record]:
    """One of everything that a report must tell apart, some of it with names that want to be formulas or markup."""
    evil = {"tenant": "=HYPERLINK(0)", "model": "<script>alert(1)</script>"}
    return [
        record(0),
        record(1, cost=Cost(0.0000000375, "estimated", "p1"), usage=Usage(input=1, source="estimated")),
        record(2, cost=Cost(0.25, "partial", "p1"), tenant="shop"),
        record(3, cost=UNPRICED, tenant="shop", model="local", provider="", attempts=[Attempt("", "local", 0)]),
        record(4, cost=UNPRICED, usage=Usage(), attempts=[], cache=CacheOutcome("exact"), provider=""),
        record(100, cost=Cost(1.5, "exact", "p1"), **evil),
        record(101, state="failed", http_status=503, cost=UNPRICED, usage=Usage()),
        record(102, shadow_of="req_0100", cost=Cost(0.5, "exact", "p1"), model="new"),
        record(103, shadow_of="req_0101", cache=CacheOutcome("audit"), cost=Cost(0.125, "exact", "p1")),
    ]


def write(folder: Path, records: Sequence[Record], name: str = "000000-7-000001", *, tail: bytes = b"") -> Path:
    """One segment, in the folder of its first record's day, then `tail` as it is."""
    day = folder / f"{datetime.fromtimestamp(records[0].started, UTC):%Y-%m-%d}"
    day.mkdir(parents=True, exist_ok=True)
    path = day / f"{name}.jsonl"
    path.write_bytes(b"".join(msgspec.json.encode(each) + b"\n" for each in records) + tail)
    os.utime(path, (records[-1].started + 120,) * 2)
    return path


def asked(folder: Path, *by: str, wanted: Filter = EVERYTHING) -> Costs:
    """The costs of what is under `folder`."""
    with database(memory_mb=500, threads=1) as db:
        open_ledger(folder, db, columns_for(by), wanted)
        return costs(db, by)
