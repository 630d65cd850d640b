import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from llmctl.commands.eval import app
from llmctl.commands.main import VERBS
from llmctl.errors import CheckFailed, ConfigError, LlmctlError, UsageError
from llmctl.evals.journal import JOURNAL, RESULTS
from llmctl.evals.results.read import read_results
from llmctl.providers.script import Script
from llmctl.testing.scripted import ScriptedServer

RECORDED = """name: rec
dataset: {kind: jsonl, path: items.jsonl}
targets:
  a: {kind: recorded, path: a.jsonl, cost: usd}
  b: {kind: recorded, path: b.jsonl, cost: usd}
scorers: [{kind: equals}]
gate: {metric: score, least: 0.5, variant: b}
"""
COUNT = 60


@pytest.fixture
def suite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """B is right more often than A, which is right every third time."""
    monkeypatch.chdir(tmp_path)
    for name, right in (("a", 3), ("b", 1)):
        rows = [{"id": n, "output": str(n) if n % right == 0 else "no", "usd": 0.01} for n in range(COUNT)]
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    items = [{"id": n, "question": f"{n}?", "expected": str(n)} for n in range(COUNT)]
    (tmp_path / "items.jsonl").write_text("".join(json.dumps(row) + "\n" for row in items))
    (tmp_path / "s.yaml").write_text(RECORDED)
    return tmp_path / "s.yaml"


def run(*args: str) -> Any:
    return CliRunner().invoke(app, args, catch_exceptions=True)


def told(*args: str) -> dict[str, Any]:
    result = run(*args, "--json")
    assert result.exit_code == 0, result.exception or result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def failure(*args: str) -> LlmctlError:
    error = run(*args).exception
    assert isinstance(error, LlmctlError), error
    return error


def test_a_suite_is_run_and_summed_up(suite: Path) -> None:
    result = run(str(suite))
    assert result.exit_code == 0, result.exception
    lines = result.stdout.splitlines()
    assert lines[1].split()[:3] == ["a", "score", "0.3333"]
    assert any(line.startswith("b: 60 answers, 60 taken from earlier runs or recordings, cost $0.6") for line in lines)
    (results,) = suite.parent.glob(".llmctl/evals/results/rec/*/results.jsonl")
    assert len(read_results(results).results) == 2 * COUNT


def test_what_went_wrong_is_said(suite: Path) -> None:
    (suite.parent / "a.jsonl").write_text('{"id": 0, "output": "0", "usd": 1}\n')
    lines = run(str(suite)).stdout.splitlines()
    assert "  59 times not_recorded: a.jsonl has no answer to it" in lines


def test_two_are_compared_with_a_verdict(suite: Path) -> None:
    found = told(str(suite), "--ab", "a", "b", "--out", "out")
    assert found["comparison"]["kind"] == "B"
    assert found["results"] == "out/results.jsonl"
    assert found["paid_usd"] == 0
    text = run(str(suite), "--ab", "a", "b").stdout
    assert "verdict: B is better by 0.6667" in text


def test_a_sequential_comparison_stops_early(suite: Path) -> None:
    found = run(str(suite), "--ab", "a", "b", "--sequential")
    assert found.exit_code == 0, found.exception
    assert "stopped after" in found.stdout
    (results,) = suite.parent.glob(".llmctl/evals/results/rec/*/results.jsonl")
    assert len(read_results(results).results) < 2 * COUNT


def test_the_gate_decides_the_exit_code(suite: Path) -> None:
    assert run(str(suite), "--gate").exit_code == 0
    suite.write_text(RECORDED.replace("variant: b", "variant: a"))
    error = failure(str(suite), "--gate")
    assert isinstance(error, CheckFailed)
    assert error.exit_code == 3
    suite.write_text(RECORDED.replace("gate:", "# gate:"))
    assert "the suite has no `gate`" in failure(str(suite), "--gate").message


def test_some_variants_and_some_items(suite: Path) -> None:
    found = told(str(suite), "--variant", "b", "--limit", "5")
    assert [(one["variant"], one["answers"]) for one in found["variants"]] == [("b", 5)]


def test_a_finished_run_is_shown_again(suite: Path) -> None:
    first = told(str(suite), "--out", "out")
    again = told(str(suite), "--out", "out", "--resume")
    assert again["run"] == first["run"]


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--ab", "a", "a"), "A and B are both 'a'"),
        (("--ab", "a", "b", "--variant", "a"), "give --ab or --variant"),
        (("--sequential",), "add --ab A B"),
        (("--ab", "a", "c"), "has no variant 'c'; it has a, b"),
        (("--max-cost", "-1"), "give more than nothing"),
    ],
)
def test_what_cannot_be_asked_is_a_matter_of_usage(suite: Path, args: tuple[str, ...], said: str) -> None:
    error = failure(str(suite), *args)
    assert isinstance(error, UsageError)
    assert said in error.message
    assert not (suite.parent / ".llmctl").exists()


def test_a_suite_that_is_not_there_and_one_that_is_wrong(suite: Path) -> None:
    assert "there is no such file" in failure("none.yaml").message
    suite.write_text(RECORDED.replace("kind: equals", "kind: equels"))
    error = failure(str(suite))
    assert isinstance(error, ConfigError)
    assert error.message.startswith(f"{suite}:6: scorers[0].kind")


def test_words_that_are_verbs_stay_verbs() -> None:
    assert "Plan a comparison" in run("power", "--help").stdout
    assert "Run a suite" in run("--ab", "a", "b", "--help").stdout
    assert "arms of an experiment" in run("--ab", "--experiment", "x", "--help").stdout
    assert "experiment" in run("--help").stdout
    assert app.info.help == VERBS["eval"].help


def _lines(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0


def test_killed_by_the_system_it_goes_on_and_asks_for_nothing_twice(tmp_path: Path) -> None:
    items = 60
    rows = "".join(json.dumps({"id": n, "question": f"{n}?"}) + "\n" for n in range(items))
    (tmp_path / "items.jsonl").write_text(rows)

    async def scenario() -> tuple[int, int, int]:
        async with ScriptedServer(Script(latency=0.03)) as server:
            (tmp_path / "s.yaml").write_text(
                "name: k\ndataset: {kind: jsonl, path: items.jsonl}\n"
                f'targets: {{up: {{kind: url, base_url: "{server.base_url}", model: m}}}}\n'
                'prompts: {p: "{{question}}"}\nscorers: [{kind: icontains, value: a}]\nrun: {concurrency: 4}\n'
            )
            process = _start(tmp_path)
            await _until(lambda: _lines(tmp_path / "out" / JOURNAL) > 12)
            process.send_signal(signal.SIGKILL)
            await asyncio.to_thread(process.wait)
            kept = sum(_lines(file) for file in tmp_path.glob(".llmctl/evals/answers/*.jsonl"))
            before = server.count
            process = _start(tmp_path)
            assert await asyncio.to_thread(process.wait) == 0
            return before, kept, server.count - before

    before, kept, after = asyncio.run(scenario())
    assert 12 <= kept < items
    assert before - kept <= 4  # those under way when it was killed
    assert after == items - kept
    found = read_results(tmp_path / "out" / RESULTS).results
    assert sorted(one.number for one in found) == list(range(items))
    assert not any(one.cached for one in found)


def test_interrupted_it_waits_for_what_is_under_way_and_goes_on_later(tmp_path: Path) -> None:
    (tmp_path / "items.jsonl").write_text("".join(json.dumps({"id": n, "question": f"{n}?"}) + "\n" for n in range(40)))

    async def scenario() -> tuple[int, int]:
        async with ScriptedServer(Script(latency=0.05)) as server:
            (tmp_path / "s.yaml").write_text(
                "name: k\ndataset: {kind: jsonl, path: items.jsonl}\n"
                f'targets: {{up: {{kind: url, base_url: "{server.base_url}", model: m}}}}\n'
                'prompts: {p: "{{question}}"}\nscorers: [{kind: icontains, value: a}]\nrun: {concurrency: 4}\n'
            )
            process = _start(tmp_path)
            await _until(lambda: _lines(tmp_path / "out" / JOURNAL) > 4)
            process.send_signal(signal.SIGINT)
            assert await asyncio.to_thread(process.wait) == 1
            before = server.count
            assert await asyncio.to_thread(_start(tmp_path).wait) == 0
            return before, server.count

    before, count = asyncio.run(scenario())
    assert before < 40
    assert count == 40  # nothing was dropped, so nothing is asked twice
    assert len(read_results(tmp_path / "out" / RESULTS).results) == 40


def _start(folder: Path) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-c", "from llmctl.commands.main import main; main()", "eval", "s.yaml", "--out", "out"]
    root = str(Path(__file__).resolve().parent.parent.parent)
    return subprocess.Popen(
        command,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": root},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


async def _until(true: Callable[[], bool]) -> None:
    until = time.monotonic() + 20
    while not true():
        assert time.monotonic() < until
        await asyncio.sleep(0.005)
