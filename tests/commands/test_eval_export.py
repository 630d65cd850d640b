import json
from pathlib import Path
from xml.etree import ElementTree

import msgspec
import pytest
import typer
from typer.testing import CliRunner

from llmctl.commands.eval_export import export_
from llmctl.errors import CheckFailed, UsageError
from llmctl.evals.results.read import Results
from tests.evals.made import answers, run_of

app = typer.Typer()
app.command()(export_)

TWO = run_of(answers([1.0] * 30, "old"), answers([0.0] * 30, "new"))
ONE = run_of(answers([1.0, 0.0], "old"))


def kept(folder: Path, results: Results) -> str:
    path = folder / "results.jsonl"
    lines = [results.run, *results.results]
    path.write_bytes(b"\n".join(map(msgspec.json.encode, lines)) + b"\n")
    return str(path)


def run(*args: str, summary: str | None = None) -> str:
    env = {"GITHUB_STEP_SUMMARY": summary}
    result = CliRunner().invoke(app, args, catch_exceptions=False, standalone_mode=False, env=env)
    if result.exception:
        raise result.exception
    return result.stdout


def test_every_format_is_written_to_stdout(tmp_path: Path) -> None:
    path = kept(tmp_path, TWO)
    assert json.loads(run(path, "-f", "json"))["variants"][1]["failed"] == 30
    assert run(path, "-f", "csv").count("\n") == 61
    assert ElementTree.fromstring(run(path, "-f", "junit")).tag == "testsuites"
    assert "A is better by 1" in run(path, "-f", "html")
    assert "**A is better by 1" in run(path, "-f", "github")
    assert json.loads(run(path, "-f", "inspect", "--variant", "new"))["version"] == 2


def test_a_comparison_is_of_the_variants_that_are_named(tmp_path: Path) -> None:
    path = kept(tmp_path, TWO)
    assert "B is better by 1" in run(path, "-f", "github", "--ab", "new", "old")
    with pytest.raises(UsageError, match="--ab: there is no variant 'x' in it; there are old, new"):
        run(path, "-f", "html", "--ab", "x", "old")
    assert "A against B" not in run(kept(tmp_path, ONE), "-f", "github")


def test_what_cannot_be_compared_is_left_out_unless_asked_for(tmp_path: Path) -> None:
    path = kept(tmp_path, run_of(answers([1.0], "old"), answers([None], "new")))
    assert "A against B" not in run(path, "-f", "github")
    with pytest.raises(CheckFailed, match="no item has a value on both sides"):
        run(path, "-f", "github", "--ab", "old", "new")


def test_files_and_the_step_summary_are_written(tmp_path: Path) -> None:
    path, summary, out = kept(tmp_path, TWO), tmp_path / "summary.md", tmp_path / "out.csv"
    assert run(path, "-f", "csv", "-o", str(out)) == ""
    assert out.read_text().startswith("variant,item")
    assert run(path, "-f", "github", summary=str(summary)) == ""
    assert summary.read_text().startswith("## quick")
    with pytest.raises(UsageError, match="cannot be written: Is a directory"):
        run(path, "-f", "csv", "-o", str(tmp_path))


def test_logs_of_inspect_are_one_per_variant(tmp_path: Path) -> None:
    path, logs = kept(tmp_path, TWO), tmp_path / "logs"
    logs.mkdir()
    run(path, "-f", "inspect", "-o", str(logs))
    assert len(list(logs.glob("2026-*_quick_*.json"))) == 2
    with pytest.raises(UsageError, match="--variant: a log of Inspect is of one; name one of old, new"):
        run(path, "-f", "inspect")
    assert json.loads(run(kept(tmp_path, ONE), "-f", "inspect"))["eval"]["task"] == "quick"
