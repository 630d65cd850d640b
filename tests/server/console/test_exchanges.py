"""What the console finds in a record store, and where it stops looking."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from llmctl.errors import UsageError
from llmctl.model.record import Attempt, CacheOutcome, Failure, GuardResult, Record
from llmctl.model.usage import Cost, Usage
from llmctl.reports.where import parse
from llmctl.server.console import exchanges
from llmctl.server.console.exchanges import Exchanges, Question, question
from llmctl.testing.clock import ManualClock

START = 1_767_268_800.0


def record(number: int, **fields: Any) -> Record:
    given: dict[str, Any] = {"state": "ok", "http_status": 200, "duration_us": 1000 * (number + 1), **fields}
    return Record(f"req_{number}", START + number, **given)


def stored(folder: Path, *records: Record, segment: str = "a.jsonl") -> Path:
    day = folder / "2026-01-01"
    day.mkdir(parents=True, exist_ok=True)
    lines = [msgspec.json.encode(one) + b"\n" for one in records]
    with (day / segment).open("ab") as file:
        file.writelines(lines)
    return folder


def ids(found: exchanges.Found) -> list[str]:
    return [row.id for row in found.exchanges]


def looking(folder: Path | None, most: int = 1000) -> Exchanges:
    return Exchanges(folder, ManualClock(), lambda _: None, most)


def test_the_newest_come_first_from_every_workers_segment(tmp_path: Path) -> None:
    stored(tmp_path, *(record(n) for n in (0, 2, 4)))
    stored(tmp_path, *(record(n) for n in (1, 3)), segment="b.jsonl")
    found = looking(tmp_path).list(Question(limit=4))
    assert ids(found) == ["req_4", "req_3", "req_2", "req_1"]
    assert (found.searched, found.complete, found.enabled) == (4, False, True)


def test_it_reads_no_further_than_it_must(tmp_path: Path) -> None:
    stored(tmp_path, *(record(n) for n in range(50)))
    found = looking(tmp_path, most=20).list(Question(states=frozenset({"failed"})))
    assert (found.exchanges, found.searched, found.complete, found.oldest) == ([], 20, False, START + 30)


def test_it_gives_up_after_a_second(tmp_path: Path) -> None:
    stored(tmp_path, *(record(n) for n in range(500)))
    clock = ManualClock()
    found = Exchanges(tmp_path, clock, lambda _: clock.advance(0.4)).list(Question(states=frozenset({"failed"})))
    assert found.searched == 150
    assert not found.complete


def test_old_segments_are_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    for number in range(3):
        stored(tmp_path, record(number), segment=f"{number}.jsonl")
        os.utime(tmp_path / "2026-01-01" / f"{number}.jsonl", (START + number, START + number))
    monkeypatch.setattr(exchanges, "MOST_BYTES", 150)
    assert ids(looking(tmp_path).list(Question())) == ["req_2", "req_1"]
    assert looking(tmp_path).one("req_0") is None


def test_slowest_failed_and_words(tmp_path: Path) -> None:
    said = {"messages": [{"role": "user", "content": "the Tulip festival"}]}
    stored(
        tmp_path,
        record(0, duration_us=9_000_000, request=said),
        record(1, state="failed", http_status=502, failure=Failure("upstream_error", "the tulips wilted", 502)),
        record(2, requested_model="rose"),
        record(3, state="aborted"),
    )
    several = looking(tmp_path)
    assert ids(several.list(Question(slowest=True, limit=2))) == ["req_0", "req_3"]
    assert ids(several.list(Question(states=frozenset({"failed", "aborted"})))) == ["req_3", "req_1"]
    assert ids(several.list(Question(text="TULIP"))) == ["req_1", "req_0"]
    assert ids(several.list(Question(text="tulip festival"))) == ["req_0"]
    assert ids(several.list(Question(text="rose"))) == ["req_2"]
    assert ids(several.list(Question(where=parse("duration>5s").holds))) == ["req_0"]


def test_a_row_says_what_a_list_needs(tmp_path: Path) -> None:
    full = record(
        7,
        state="blocked",
        failure=Failure("guardrail_blocked", "x" * 1000, 400),
        guards=[GuardResult("pii", "input", "warn", "warn"), GuardResult("injection", "input", "block", "block")],
        attempts=[Attempt("p", "m", 0), Attempt("p", "m", 5)],
        cache=CacheOutcome("miss"),
        usage=Usage(input=3, cached_read=4, output=5, source="provider"),
        cost=Cost(0.5, "exact"),
        ttft_us=2500,
    )
    row = exchanges.row(full)
    assert (row.blocked_by, row.failure, len(row.message), row.http_status) == (
        "injection",
        "guardrail_blocked",
        300,
        400,
    )
    assert (row.attempts, row.cache, row.input_tokens, row.output_tokens, row.usd) == (2, "miss", 7, 5, 0.5)
    assert (row.duration_ms, row.ttft_ms) == (8.0, 2.5)


def test_a_list_does_not_grow_with_what_others_wrote(tmp_path: Path) -> None:
    long = "x" * 100_000
    stored(tmp_path, record(1, requested_model=long, failure=Failure("no_model", long, 404), request={"a": long}))
    assert len(msgspec.json.encode(looking(tmp_path).list(Question()))) < 2000


def test_one_exchange_is_found_by_id_and_start(tmp_path: Path) -> None:
    first = Record("same", START, 10, "ok", 200, passed=["input.pii"])
    stored(tmp_path, first, record(1), Record("same", START + 5, 20, "failed", 502))
    several = looking(tmp_path)
    newest, asked = several.one("same"), several.one("same", START)
    assert newest is not None
    assert newest.record.started == START + 5
    assert asked is not None
    assert asked.record.started == START
    assert [verdict.guard for verdict in asked.verdicts] == ["pii"]
    assert several.one("nobody") is None


def test_where_nothing_is_kept(tmp_path: Path) -> None:
    assert looking(None).list(Question()).enabled is False
    assert looking(None).one("x") is None
    assert looking(tmp_path / "not yet").list(Question()).exchanges == []


def test_torn_and_foreign_lines_are_passed_over(tmp_path: Path) -> None:
    stored(tmp_path, record(0))
    with (tmp_path / "2026-01-01" / "a.jsonl").open("ab") as file:
        file.write(b'{"id": 7}\nnot json\n{"id": "torn')
    assert ids(looking(tmp_path).list(Question())) == ["req_0"]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"state": "ok,broken"}, "no 'broken'"),
        ({"limit": "0"}, "1 to 200"),
        ({"limit": "many"}, "1 to 200"),
        ({"limit": "201"}, "1 to 200"),
        ({"where": "modle=x"}, "modle"),
    ],
)
def test_wrong_questions_are_explained(given: dict[str, str], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        question(given, lambda text: parse(text, "where").holds)


def test_a_condition_needs_somebody_who_reads_it() -> None:
    with pytest.raises(UsageError, match="llmctl traces ls"):
        question({"where": "model=x"}, None)
    asked = question({"text": " a b ", "state": "failed,", "slowest": "1", "limit": "7"}, None)
    assert asked == Question(None, "a b", frozenset({"failed"}), True, 7)
