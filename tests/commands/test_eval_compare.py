import io
import json
from pathlib import Path

import msgspec
import pytest
import typer
from typer.testing import CliRunner

from llmctl.commands.eval_compare import compare_, print_comparison
from llmctl.errors import CheckFailed, UsageError
from llmctl.evals.compare import compare
from llmctl.evals.comparison import Comparison
from llmctl.evals.suite import DecisionConfig
from llmctl.scoring.result import Result
from tests.evals.made import answers, run_of


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def found() -> Comparison:
    return compare(answers([1.0] * 60, "[old]"), answers([0.0] * 59, "new"), DecisionConfig())


def test_a_pipe_gets_plain_text(capsys: pytest.CaptureFixture[str]) -> None:
    print_comparison(found())
    out = capsys.readouterr().out
    assert out.startswith("A  [old]: 60 items, 60 answers\n")
    assert "verdict: A is better by 1 " in out
    assert out.isascii()


def test_json_is_one_document(capsys: pytest.CaptureFixture[str]) -> None:
    print_comparison(found(), json=True)
    assert json.loads(capsys.readouterr().out)["kind"] == "A"


@pytest.mark.parametrize("no_color", [False, True])
def test_a_terminal_gets_a_table_unless_it_wants_no_colour(monkeypatch: pytest.MonkeyPatch, no_color: bool) -> None:
    terminal = Terminal()
    monkeypatch.setattr("sys.stdout", terminal)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.delenv("NO_COLOR", raising=False)
    if no_color:
        monkeypatch.setenv("NO_COLOR", "1")
    print_comparison(found())
    text = terminal.getvalue()
    assert "[old]" in text
    assert "caution: 1 items are only in A and are left out: i59" in text
    assert ("\x1b[" in text) is not no_color


def kept(path: Path, *sides: list[Result]) -> str:
    results = run_of(*sides)
    path.write_bytes(b"\n".join(map(msgspec.json.encode, [results.run, *results.results])) + b"\n")
    return str(path)


def run(*args: str) -> str:
    app = typer.Typer()
    app.command()(compare_)
    result = CliRunner().invoke(app, args, catch_exceptions=False, standalone_mode=False)
    if result.exception:
        raise result.exception
    return result.stdout


OLD, NEW = answers([1.0, 0.0] * 40, "old", columns={"kind": "x"}), answers([1.0] * 80, "new", columns={"kind": "x"})


def test_variants_of_one_file_or_of_two_are_compared(tmp_path: Path) -> None:
    both, old, new = (kept(tmp_path / f"{at}.jsonl", *sides) for at, sides in enumerate(((OLD, NEW), (OLD,), (NEW,))))
    straight = run(both)
    assert "verdict: B is better by 0.5 " in straight
    assert run(old, new) == straight
    assert "verdict: A is better by 0.5 " in run(both, "--ab", "new", "old")
    assert "verdict: A is better by 0.5 " in run(new, old)


def test_options_are_the_decision(tmp_path: Path) -> None:
    both = kept(tmp_path / "r.jsonl", OLD, NEW)
    told = json.loads(run(both, "--slice", "kind", "--also", "passed", "--confidence", "0.9", "--json"))
    assert [one["name"] for one in told["estimates"]] == ["score", "passed", "kind=x", "cost", "latency"]
    assert told["estimates"][0]["difference"]["confidence"] == 0.9


def test_a_requirement_fails_the_build_after_printing(tmp_path: Path) -> None:
    both = kept(tmp_path / "r.jsonl", OLD, NEW)
    assert "B is better" in run(both, "--require", "better")
    assert "B is better" in run(both, "--require", "not-worse")
    with pytest.raises(CheckFailed, match="--require better: A is better by"):
        run(both, "--ab", "new", "old", "--require", "better")


def test_mistakes_are_told(tmp_path: Path) -> None:
    both, old = kept(tmp_path / "r.jsonl", OLD, NEW), kept(tmp_path / "o.jsonl", OLD)
    with pytest.raises(UsageError, match="there are the variants old; name A and B with --ab A B"):
        run(old)
    with pytest.raises(UsageError, match="--ab: there is no variant 'x'; there are old, new"):
        run(both, "--ab", "old", "x")
    with pytest.raises(UsageError, match="--margin: equivalence needs"):
        run(both, "--kind", "equivalence")
    with pytest.raises(UsageError, match="--margin: Input should be greater than 0"):
        run(both, "--margin", "-1")
    with pytest.raises(UsageError, match="style: no item has a value on both sides"):
        run(both, "--metric", "style")
