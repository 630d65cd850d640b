import tempfile
from pathlib import Path

import pytest

from llmctl.commands.crash import report
from llmctl.config.secrets import Environment


class At:
    def monotonic(self) -> float:
        return 0.0

    def wall(self) -> float:
        return 1_900_000_000.0


def test_the_traceback_goes_to_a_private_file_below_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    told = report(ValueError("x"), Environment({}), At())
    (log,) = (tmp_path / ".llmctl").iterdir()
    assert log.name.startswith("crash-20300317T174640Z-")
    assert f".llmctl/{log.name}" in told
    assert log.stat().st_mode & 0o777 == 0o600
    assert "ValueError: x" in log.read_text()


def test_another_folder_is_tried_where_the_first_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path / "other"))
    assert str(tmp_path / "other") in report(ValueError("x"), Environment({"LLMCTL_LOG_DIR": str(blocked)}), At())


def test_with_no_folder_at_all_the_traceback_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(blocked))
    assert "ValueError: x" in report(ValueError("x"), Environment({"LLMCTL_LOG_DIR": str(blocked)}), At())


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    env = Environment({"LLMCTL_LOG_DIR": str(tmp_path)})
    report(ValueError("first"), env, At())
    report(ValueError("second"), env, At())
    (log,) = tmp_path.iterdir()
    assert "first" in log.read_text()
