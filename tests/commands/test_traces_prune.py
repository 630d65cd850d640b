"""`llmctl traces prune` says what goes, and only then is it gone."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from llmctl.commands.traces import app
from llmctl.errors import StoreError, UsageError
from llmctl.telemetry.retention import prune
from tests.reports.keeping import record, write


def invoke(*args: str | Path) -> Any:
    return CliRunner().invoke(app, ["prune", *map(str, args)], catch_exceptions=False, standalone_mode=False)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Two days long ago."""
    write(tmp_path, [record(1)])
    write(tmp_path, [record(101)])
    return tmp_path


def test_a_dry_run_then_the_deed(store: Path) -> None:
    size = sum(path.stat().st_size for path in store.glob("*/*"))
    dry = invoke(store, "--older-than", "1d", "--dry-run")
    assert dry.stdout == f"2 files, {size} bytes would be deleted\n"
    assert "2026-01-05/000000-7-000001.jsonl" in dry.stderr
    assert len(list(store.glob("*/*"))) == 2
    done = json.loads(invoke(store, "--older-than", "1d", "--json").stdout)
    assert (done["bytes"], done["dry_run"], [each["why"] for each in done["files"]]) == (size, False, ["age"] * 2)
    assert not list(store.glob("2026*"))


def test_over_a_size_the_oldest_go(store: Path) -> None:
    size = next(store.glob("*/*")).stat().st_size
    assert invoke(store, "--max-bytes", str(size + 10)).stdout.startswith("1 files")
    assert [path.parent.name for path in store.glob("*/*")] == ["2026-01-06"]


@pytest.mark.parametrize(
    ("args", "told"),
    [
        ([], "--older-than 30d, --max-bytes 10GB"),
        (["--older-than", "month"], "--older-than: write a duration"),
        (["--max-bytes", "much"], "--max-bytes: write a size"),
    ],
)
def test_mistakes(store: Path, args: list[str], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        invoke(store, *args)


def test_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such folder"):
        invoke(tmp_path / "none", "--max-bytes", "1")


def test_one_at_a_time(store: Path) -> None:
    other = prune(store, 2e9, max_bytes=0)
    next(other)
    with pytest.raises(StoreError, match="at work there; wait for it"):
        invoke(store, "--max-bytes", "1")
    assert len(list(store.glob("*/*"))) == 1
