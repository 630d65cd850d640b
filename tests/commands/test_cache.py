import asyncio
import gzip
import json
from pathlib import Path
from random import Random
from typing import Any

import pytest
from typer.testing import CliRunner

from llmctl.cache.bounded import BoundedPolicy
from llmctl.cache.entry import Codec, Entry
from llmctl.cache.learnt import kept_as
from llmctl.cache.store import Store
from llmctl.clock import SystemClock
from llmctl.commands.cache import app
from llmctl.errors import CheckFailed, UsageError

QUESTIONS = {
    "reset": ["reset my password", "I forgot my password", "change my password", "new password please"],
    "fee": ["why was I charged a fee", "what is this fee", "refund the fee", "fee on my account"],
    "oos": ["who won the game", "tell me a joke", "is it raining", "what is love"],
}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    rows = [
        {"text": f"{text} {extra}".strip(), "intent": intent}
        for intent, texts in QUESTIONS.items()
        for text in texts
        for extra in ("", "please", "now", "today", "quickly", "again")
    ]
    file = tmp_path / "rows.jsonl.gz"
    file.write_bytes(gzip.compress("".join(json.dumps(row) + "\n\n" for row in rows).encode()))
    return file


def run(*args: str) -> Any:
    return CliRunner().invoke(app, list(args))


def told(*args: str) -> dict[str, Any]:
    result = run(*args, "--json")
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_bench_prints_the_policy_and_static_thresholds(data: Path) -> None:
    found = told("bench", "--data", str(data), "--seeds", "2")
    assert (found["rows"], found["seeds"]) == (72, 2)
    assert [one["policy"] for one in found["policies"]] == ["max_error 0.02", "threshold 0.85", "threshold 0.95"]
    bounded, static = found["policies"][:2]
    assert (bounded["violations"], bounded["hits"]["mean"]) == ([], 0.0), "72 rows are no reason to be sure of anything"
    assert len(bounded["seeds"]) == 2
    assert static["hits"]["mean"] > 0.3
    assert static["hits"]["low"] < static["hits"]["mean"] < static["hits"]["high"]
    assert "violations" not in static


def test_bench_of_a_threshold_for_people(data: Path) -> None:
    result = run("bench", "--data", str(data), "--seeds", "1", "--threshold", "0.5", "--rows", "40")
    assert result.exit_code == 0
    lines = result.output.splitlines()
    assert "72 rows, 40 requests a stream" in lines[0]
    assert [line.split()[1] for line in lines[2:]] == ["0.5", "0.85", "0.95"]


def test_bench_fails_where_a_bound_is_broken(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [{"text": f"text {at % 7} {at}", "label": at} for at in range(40)]
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    figures = {"policy": "x", "violations": [1], "max_error": 0.02, "audits": 0.0, "seeds": [{}, {}]}
    empty = {"mean": 0.0, "low": 0.0, "high": 0.0, "most": 0.0}
    monkeypatch.setattr(
        "llmctl.commands.cache._figures",
        lambda plan, outcomes: {**figures, "hits": empty, "error": empty, "worst_error_at_any_time": 0.1},
    )
    result = run("bench", "--data", str(data), "--seeds", "2")
    assert isinstance(result.exception, CheckFailed)
    assert "over in seeds 1" in result.output


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("[1]", ":1: is not an object"),
        ('{"text": 1, "label": "a"}', ":1: give a string as text, prompt or question"),
        ('{"text": "a"}', ":1: give a string or a number as intent, label or answer"),
        ("{", ":1: is not JSON"),
        ('{"prompt": "a", "label": 1}', "has 1 rows"),
    ],
)
def test_rows_that_are_wrong(tmp_path: Path, line: str, said: str) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text(line)
    result = run("bench", "--data", str(file))
    assert isinstance(result.exception, UsageError)
    assert said in result.exception.message


@pytest.mark.parametrize(
    "args",
    [
        ("bench", "--max-error", "0.1", "--threshold", "0.9"),
        ("bench", "--guarantee", "none"),
        ("bench",),
    ],
)
def test_what_cannot_be_asked(tmp_path: Path, args: tuple[str, ...]) -> None:
    result = run(*args, "--data", str(tmp_path / "none.jsonl"))
    assert isinstance(result.exception, UsageError)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    clock = SystemClock()

    async def fill() -> None:
        store = Store(0, clock, print)
        await store.open(tmp_path / "cache", 1 << 24, Codec())
        for at, tenant in enumerate(["acme", "acme", "beta"]):
            age = 1000.0 if at == 0 else 0.0
            key = bytes([at]) * 16
            await store.put(Entry(key, b"p", tenant, b"{}", "m", clock.wall() - age, 60.0, vector=b"\0\0"))
        await store.close()

    asyncio.run(fill())
    return tmp_path / "cache"


def test_stats(folder: Path) -> None:
    found = told("stats", str(folder))
    assert (found["entries"], found["fresh"], found["semantic"]) == (3, 2, 2)
    assert found["tenants"] == {"acme": 1, "beta": 1}, "of what may still be served"
    assert "3 entries" in run("stats", str(folder)).output


def test_sealed_entries_are_left_alone(tmp_path: Path) -> None:
    clock, folder, secret = SystemClock(), tmp_path / "cache", "s" * 16

    async def fill() -> None:
        store = Store(0, clock, print)
        await store.open(folder, 1 << 24, Codec(secret.encode()))
        await store.put(Entry(b"k" * 16, b"p", "acme", b"{}", "m", clock.wall(), 60.0))
        await store.close()

    asyncio.run(fill())
    result = run("stats", str(folder))
    assert "name the file with -c" in result.stderr
    config = tmp_path / "gateway.yaml"
    start = "providers: {up: {kind: scripted}}\nmodels: {m: {provider: up}}\n"
    config.write_text(f"{start}cache: {{dir: '{folder}', secret: {secret}}}\n")
    assert told("stats", str(folder), "-c", str(config))["tenants"] == {"acme": 1}


def test_stats_tell_the_bound_of_each_route(tmp_path: Path) -> None:
    clock, folder = SystemClock(), tmp_path / "cache"
    policy = BoundedPolicy(0.02, random=Random(1))
    for _ in range(40):
        policy.exact()
    settings = {"max_error": 0.02, "audit": 0.05, "confidence": 0.99, "guarantee": "modelled", "embedder": "e"}

    async def fill() -> None:
        store = Store(0, clock, print)
        await store.open(folder, 1 << 24, Codec())
        await store.put(kept_as(policy, "acme", "chat", settings, clock.wall()))
        await store.close()

    asyncio.run(fill())
    found = told("stats", str(folder))
    assert found["entries"] == 0
    [one] = found["policies"]
    assert (one["tenant"], one["route"], one["requests"], one["hits"]) == ("acme", "chat", 40, 0)
    assert one["bound"] == 0
    assert "acme chat: 0 hits of 40 requests" in run("stats", str(folder)).output


def test_purge(folder: Path) -> None:
    assert told("purge", str(folder), "--expired")["removed"] == 1
    assert told("purge", str(folder), "--tenant", "beta")["removed"] == 1
    assert "removed 1 entries" in run("purge", str(folder)).output
    assert told("stats", str(folder))["entries"] == 0


def test_a_folder_without_a_cache(tmp_path: Path) -> None:
    for verb in ("stats", "purge"):
        assert isinstance(run(verb, str(tmp_path)).exception, UsageError)
    assert isinstance(run("purge", str(tmp_path), "--tenant", "a", "--expired").exception, UsageError)
    assert list(tmp_path.iterdir()) == []
