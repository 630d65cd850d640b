"""`llmctl traces compact` on real files."""

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from llmctl.commands.traces_compact import compact_
from llmctl.errors import UsageError
from tests.reports.keeping import asked, record, write

app = typer.Typer()
app.command()(compact_)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    folder = tmp_path / "records"
    write(folder, [record(0), record(1), record(1)])
    write(folder, [record(100)], tail=b"damaged\n")
    return folder


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, list(map(str, arguments)))


def test_it_keeps_segments_and_says_what_it_did(store: Path) -> None:
    before = asked(store)
    result = run(store)
    assert result.exit_code == 0, result.exception
    assert result.stdout.startswith("2 files, 3 records, ")
    assert "1 records that stood there twice were taken once" in result.stderr
    assert "1 damaged line passed over; --remove keeps this segment" in result.stderr
    assert len(list(store.glob("*/*.jsonl"))) == 2
    assert asked(store) == before


def test_it_removes_what_it_holds_and_nothing_else(store: Path) -> None:
    before = asked(store)
    assert "1 segments removed" in run(store, "--remove").stdout
    assert [path.parent.name for path in store.glob("*/*.jsonl")] == ["2026-01-06"]
    assert asked(store) == before


def test_a_second_run_has_nothing_to_do(store: Path) -> None:
    run(store)
    result = run(store)
    assert result.stdout.startswith("0 files")
    assert "nothing to do" in result.stderr


def test_json(store: Path) -> None:
    document = json.loads(run(store, "--remove", "--json").stdout)
    assert [file["records"] for file in document["files"]] == [2, 1]
    assert len(document["removed"]) == 1


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    result = run(tmp_path / "none")
    assert isinstance(result.exception, UsageError)
    assert "no such folder" in str(result.exception)
