"""What is kept in a file."""

from pathlib import Path

import pytest

from llmctl.alerts.engine import Kept, Pending, State
from llmctl.alerts.history import Saved
from llmctl.alerts.incidents import Incident
from llmctl.alerts.state import NAME, Damaged, load, save
from tests.alerts.test_incidents import alert

STATE = State(5.0, [Pending("A", ("pii",), 1.0, 2.0)], [Incident(alert(guard="pii"), 3.0)])
KEPT = [Kept("up", "x", ("pii",), Saved((1.0,), (0.0,), [[(1.0, 1.0)]]))]


def test_it_is_read_as_it_was_written(tmp_path: Path) -> None:
    save(tmp_path / "new", STATE, KEPT)
    assert load(tmp_path / "new") == (STATE, KEPT)
    assert load(tmp_path / "new", histories=False) == (STATE, [])
    assert [path.name for path in (tmp_path / "new").iterdir()] == [NAME]


def test_nothing_is_there_at_first(tmp_path: Path) -> None:
    assert load(tmp_path) == (State(), [])


@pytest.mark.parametrize("damage", [b"", b"{}\n", b'{"llmctl_alerts":1}\n', b'{"llmctl_alerts":2}\n{}\n', b"\xff\n"])
def test_another_file_is_told_of(damage: bytes, tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(damage)
    with pytest.raises(Damaged, match=r"state\.jsonl: .*; alerts start without what was counted"):
        load(tmp_path)


def test_a_torn_or_changed_file_is_told_of(tmp_path: Path) -> None:
    save(tmp_path, STATE, KEPT)
    data = (tmp_path / NAME).read_bytes()
    for cut in range(len(data) - 1):
        (tmp_path / NAME).write_bytes(data[:cut])
        try:
            state, kept = load(tmp_path)
        except Damaged:
            continue
        assert (state, kept) in ((STATE, []), (STATE, KEPT))
    (tmp_path / NAME).write_bytes(data.replace(b'"page"', b'"pager"'))
    with pytest.raises(Damaged):
        load(tmp_path)


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        save(tmp_path / "file", STATE, KEPT)
