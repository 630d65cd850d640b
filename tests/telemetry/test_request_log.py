"""A line for each exchange says what its record says, cannot be forged by a client, and never costs a request."""

import errno
import json
import multiprocessing
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llmctl.clock import SystemClock
from llmctl.config.schema_telemetry import TelemetryConfig
from llmctl.model.record import CacheOutcome, Failure, GuardResult, Record
from llmctl.model.usage import Cost, Usage
from llmctl.telemetry.log import Format
from llmctl.telemetry.redact import Redactor
from llmctl.telemetry.request_log import AppendedFile, Descriptor, RequestLog, request_log

MakeRecord = Callable[..., Record]
SECRET = "known-secret-1"


def until(condition: Callable[[], bool], seconds: float = 5.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def make(path: Path, told: list[str] | None = None, fmt: Format = "json") -> RequestLog:
    config = TelemetryConfig(request_log=str(path))
    log = request_log(config, Redactor([SECRET]), SystemClock(), (told if told is not None else []).append, fmt)
    assert log is not None
    return log


def to(output: Any, told: list[str] | None = None, **options: Any) -> RequestLog:
    say = (told if told is not None else []).append
    options = {"interval": 0.005} | options
    return RequestLog(output, "there", Redactor([SECRET]), SystemClock(), say, **options)


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def one(path: Path, record: Record) -> dict[str, Any]:
    log = make(path)
    log.write(record)
    log.close()
    (line,) = lines(path)
    return line


def test_there_is_none_unless_it_is_configured() -> None:
    assert request_log(TelemetryConfig(), Redactor(), SystemClock(), print) is None


def test_an_ordinary_line(tmp_path: Path, record: MakeRecord) -> None:
    assert one(tmp_path / "a" / "requests.jsonl", record(1)) == {
        "time": "2025-11-24T16:00:01.412+00:00",
        "level": "info",
        "event": "request",
        "request_id": record(1).id,
        "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
        "tenant": "search",
        "key": "aB3dE5gH7jK9",
        "dialect": "openai",
        "operation": "chat",
        "stream": False,
        "requested_model": "fast",
        "model": "small",
        "provider": "upstream",
        "state": "ok",
        "status": 200,
        "duration_ms": 412.345,
        "overhead_ms": 0.845,
        "tokens_in": 150,
        "tokens_out": 85,
        "attempts": 1,
        "policy": "3f1c9d2e7b6a",
        "cost_usd": 0.000432,
    }
    assert (tmp_path / "a" / "requests.jsonl").stat().st_mode & 0o777 == 0o640


def test_a_line_with_everything(tmp_path: Path, record: MakeRecord) -> None:
    guards = [
        GuardResult("pii", "input", "redact", "redact", policy="no-pii"),
        GuardResult("toxicity", "output", "error", "allow"),
        GuardResult("secrets", "output", "warn", "would_block"),
        GuardResult("language", "input", "unscanned", "allow"),
    ]
    line = one(
        tmp_path / "log",
        record(
            1, state="failed", http_status=200, stream=True, ttft_us=120_000, guards=guards, policy="3f1c9d2e7b6a99",
            failure=Failure("upstream_timeout", "late", 504), cache=CacheOutcome("miss"), degraded="fallback",
            tags={"team": "search"}, batch="batch_1", shadow_of="req_0", usage=Usage(1, 2, 4, 8, 16, "estimated"),
            cost=Cost(),
        ),
    )  # fmt: skip
    expected = {
        "level": "error", "status": 200, "error": "upstream_timeout", "ttft_ms": 120.0, "cache": "miss", "stream": True,
        "guards": ["input.no-pii=redact", "output.toxicity=error", "output.secrets=would_block"], "tokens_in": 7,
        "tokens_out": 24, "degraded": "fallback", "tags": {"team": "search"}, "batch": "batch_1", "shadow_of": "req_0",
        "policy": "3f1c9d2e7b6a",
    }  # fmt: skip
    assert line | expected == line
    assert "cost_usd" not in line


@pytest.mark.parametrize(
    ("state", "status", "level"),
    [("failed", 502, "error"), ("failed", 404, "warning"), ("blocked", 400, "info"), ("aborted", 499, "info")],
)
def test_levels(tmp_path: Path, record: MakeRecord, state: Any, status: int, level: str) -> None:
    line = one(tmp_path / "log", record(1, state=state, http_status=status, failure=Failure("x", "y", status)))
    assert line["level"] == level


def test_neither_content_nor_secrets(tmp_path: Path, record: MakeRecord) -> None:
    key = "sk-" + "a" * 40
    failure = Failure("refused", "Why is the sky blue? is what they quote", 502)
    log = make(tmp_path / "log")
    log.write(record(1, requested_model=key, failure=failure, tags={"note": f"it is {SECRET}"}))
    log.close()
    text = (tmp_path / "log").read_text()
    assert "sky" not in text
    assert "Rayleigh" not in text
    assert key not in text
    assert SECRET not in text
    assert json.loads(text)["requested_model"] == "[redacted]"


@given(st.text(), st.text(), st.dictionaries(st.text(), st.text(), max_size=4))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
def test_a_client_writes_no_line_of_its_own(
    tmp_path: Path, record: MakeRecord, ident: str, model: str, tags: dict[str, str]
) -> None:
    path = tmp_path / "log"
    path.unlink(missing_ok=True)
    hostile = record(1, id=ident, requested_model=model, tags=tags, failure=Failure(model, ident, 400))
    log = make(path)
    log.write(hostile)
    log.close()
    found = [json.loads(line) for line in path.read_bytes().split(b"\n")[:-1]]
    assert [(line["event"], line["requested_model"]) for line in found] == [("request", model[:256])]
    assert found[0].get("tags", {}) == tags


def test_what_cannot_be_encoded_is_dropped_and_counted(tmp_path: Path, record: MakeRecord) -> None:
    log = make(tmp_path / "log")
    log.write(record(1, requested_model="\udcff"))
    log.write(record(2, duration_us=None))
    log.write(record(3))
    log.close()
    assert [line["request_id"] for line in lines(tmp_path / "log")] == [record(3).id]
    assert (log.counts()["written"], log.counts()["encode"]) == (1, 2)
    assert log.dropped["encode"] == 2


def test_a_rotated_file_is_followed(tmp_path: Path, record: MakeRecord) -> None:
    path = tmp_path / "log"
    log = to(AppendedFile(path))
    rotations: list[Callable[[], object]] = [
        lambda: path.rename(tmp_path / "log.1"),
        path.unlink,
        lambda: os.truncate(path, 0),
    ]
    for number, rotate in enumerate(rotations):
        log.write(record(number))
        until(lambda number=number: log.written == number + 1)  # type: ignore[misc]
        rotate()
    log.write(record(9))
    log.close()
    assert [line["request_id"] for line in lines(tmp_path / "log.1")] == [record(0).id]
    assert [line["request_id"] for line in lines(path)] == [record(9).id]


class Disk:
    """An os.write that takes `room` bytes, and then complains."""

    def __init__(self, room: int) -> None:
        self.room = room

    def __call__(self, fd: int, data: bytes) -> int:
        if self.room <= 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        done = os.write(fd, data[: self.room])
        self.room -= done
        return done


@pytest.mark.parametrize("room", [100, 473, 474, 475, 1000, 1500])
def test_a_full_disk_tears_one_line_which_comes_again(tmp_path: Path, record: MakeRecord, room: int) -> None:
    path, disk, told = tmp_path / "log", Disk(room), list[str]()
    log = to(AppendedFile(path, disk), told, limit=5000)
    for number in range(40):
        log.write(record(number))
    until(lambda: bool(told))
    for number in range(40, 60):
        log.write(record(number))
    assert log.dropped["disk_full"] >= 15
    disk.room = 10**9
    until(lambda: len(told) == 2)
    log.close()
    good, torn = [], 0
    for line in path.read_bytes().splitlines():
        try:
            good.append(json.loads(line)["request_id"])
        except ValueError:
            torn += 1
    assert torn <= 1
    assert len(good) == len(set(good)) == log.written == 60 - sum(log.dropped.values())
    assert "No space left" in told[0]


def test_a_file_that_cannot_be_is_no_outage(tmp_path: Path, record: MakeRecord) -> None:
    (tmp_path / "file").write_text("in the way")
    told: list[str] = []
    log = to(AppendedFile(tmp_path / "file" / "log"), told, limit=1000)
    for number in range(20):
        log.write(record(number))
        time.sleep(0.001)
    until(lambda: bool(told))
    log.write(record(20))
    assert log.dropped["io_error"] >= 1
    log.close()
    assert sum(log.dropped.values()) == 21
    assert "request_log: cannot write to there" in told[0]


def test_a_closed_pipe_is_no_outage(record: MakeRecord) -> None:
    read, write = os.pipe()
    os.close(read)
    told: list[str] = []
    log = to(Descriptor(write), told)
    log.write(record(1))
    until(lambda: bool(told))
    log.close()
    os.close(write)
    assert "Broken pipe" in told[0]
    assert log.dropped["shutdown"] == 1


def test_a_pipe_gets_pieces_that_no_other_writer_can_come_between(record: MakeRecord) -> None:
    sizes: list[int] = []

    def write(fd: int, data: bytes) -> int:
        sizes.append(len(data))
        return os.write(fd, data)

    read, end = os.pipe()
    log = to(Descriptor(end, write), interval=0.02)
    for number in range(60):
        log.write(record(number))
    log.write(record(60, tags={str(i): "x" * 512 for i in range(10)}))
    log.close()
    os.close(end)
    with os.fdopen(read, "rb") as pipe:
        assert [json.loads(line)["request_id"] for line in pipe] == [record(number).id for number in range(61)]
    assert len(sizes) > 5
    assert all(size <= 4096 for size in sizes[:-1])


def test_for_people(tmp_path: Path, record: MakeRecord, capfd: pytest.CaptureFixture[str]) -> None:
    log = request_log(TelemetryConfig(request_log="stdout"), Redactor([SECRET]), SystemClock(), print, "console")
    assert log is not None
    log.write(record(1, ttft_us=50_000))
    log.write(record(2, state="failed", http_status=404, model="", requested_model=f"\x1b[2J\n{SECRET}", usage=Usage(),
                     cost=Cost(), failure=Failure("model_not_found", "", 404)))  # fmt: skip
    log.close()
    first, second = capfd.readouterr().out.splitlines()
    assert first.startswith(
        "2025-11-24T16:00:01.412+00:00  200 ok       412 ms  chat fast -> upstream/small  ttft 50 ms"
    )
    assert "150+85 tokens  $0.000432" in first
    assert first.endswith(f"id={record(1).id}")
    assert "404 failed" in second
    assert r"chat \x1b[2J\n[redacted] -> -  error=model_not_found" in second
    in_a_file = make(tmp_path / "log", fmt="console")
    in_a_file.write(record(1))
    in_a_file.close()
    assert lines(tmp_path / "log")[0]["status"] == 200


def _worker(path: str, number: int, record: Record) -> None:
    import msgspec

    log = to(AppendedFile(Path(path)), interval=0.001)
    for i in range(3000):
        log.write(msgspec.structs.replace(record, id=f"{number}-{i}"))
        if i % 200 == 0:
            time.sleep(0.002)
    log.close()


def test_lines_of_several_workers_never_mix(tmp_path: Path, record: MakeRecord) -> None:
    context = multiprocessing.get_context("fork")
    path = tmp_path / "log"
    workers = [context.Process(target=_worker, args=(str(path), number, record(1))) for number in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(20)
    idents = [line["request_id"].split("-") for line in lines(path)]
    assert len(idents) == 9000
    for number in range(3):
        assert [int(i) for own, i in idents if own == str(number)] == list(range(3000))
