"""DuckDB's failures are ours, its memory is bounded, and it is wanted only where it is used."""

import subprocess
import sys
from pathlib import Path

import pytest

from llmctl.errors import StoreError, UsageError
from llmctl.reports import duck
from llmctl.reports.duck import database


def test_rows_come_back_as_tuples() -> None:
    with database(memory_mb=200, threads=1) as db:
        assert db.rows("SELECT 1, $1", ["x"], doing="testing") == [(1, "x")]
        assert db.one("SELECT $a", {"a": 2}, doing="testing") == (2,)


def test_a_failure_says_what_was_being_done() -> None:
    with (
        database(memory_mb=200, threads=1) as db,
        pytest.raises(StoreError, match=r"reading x: DuckDB says: .*nowhere"),
    ):
        db.rows("SELECT * FROM nowhere", doing="reading x")


def test_memory_is_bounded_and_nothing_is_fetched() -> None:
    with database(memory_mb=200, threads=1) as db:
        (limit,) = db.one("SELECT current_setting('memory_limit')", doing="asking")
        (fetches,) = db.one("SELECT current_setting('autoinstall_known_extensions')", doing="asking")
    assert float(limit.split()[0]) < 200
    assert fetches in (False, "false")


def test_the_spill_folder_goes_with_the_database() -> None:
    with database(memory_mb=200, threads=1) as db:
        (spill,) = db.one("SELECT current_setting('temp_directory')", doing="asking")
        assert Path(spill).is_dir()
    assert not Path(spill).exists()


def test_without_duckdb_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "duckdb", None)
    with pytest.raises(UsageError, match="pip install 'duckdb"), database():
        pass


def test_importing_the_commands_does_not_import_duckdb() -> None:
    code = (
        "import sys, llmctl.commands.cost, llmctl.commands.traces_compact; "
        "print([name for name in ('duckdb', 'jinja2', 'genai_prices') if name in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert out.strip() == "[]"
    assert "duckdb" not in vars(duck)
