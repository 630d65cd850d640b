"""A segment holds whole lines only, whatever the disk takes."""

import errno
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llmctl.telemetry.segments import SegmentWriter
from llmctl.testing.clock import ManualClock


def lines(folder: Path) -> list[bytes]:
    return [line for path in sorted(folder.glob("*/*.jsonl")) for line in path.read_bytes().splitlines(keepends=True)]


def test_an_empty_segment_is_removed(tmp_path: Path) -> None:
    writer = SegmentWriter(tmp_path, ManualClock(), segment_bytes=100)
    assert writer.room(10) == 100
    writer.close()
    writer.close()
    assert not list(tmp_path.glob("*/*"))


def test_a_line_longer_than_a_segment_gets_its_own(tmp_path: Path) -> None:
    writer = SegmentWriter(tmp_path, ManualClock(), segment_bytes=10)
    for line in (b"short\n", b"x" * 50 + b"\n", b"short\n"):
        writer.room(len(line))
        assert writer.append(line) == len(line)
    writer.close()
    assert [path.stat().st_size for path in sorted(tmp_path.glob("*/*"))] == [6, 51, 6]


@given(data=st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
def test_whole_lines_in_order_and_none_twice(tmp_path: Path, data: st.DataObject) -> None:
    folder = tmp_path / str(len(list(tmp_path.iterdir())))
    script = data.draw(st.lists(st.one_of(st.none(), st.integers(1, 30)), max_size=20))

    def write(fd: int, given_: bytes) -> int:
        if not script:
            return os.write(fd, given_)
        if (most := script.pop(0)) is None:
            raise OSError(errno.ENOSPC, "full")
        return os.write(fd, given_[:most])

    writer = SegmentWriter(folder, ManualClock(), segment_bytes=64, write=write)
    queue = [b"%d%s\n" % (i, b"." * data.draw(st.integers(0, 12))) for i in range(12)]
    expected = list(queue)
    while queue:
        writer.room(len(queue[0]))
        try:
            done = writer.append(b"".join(queue[:4]))
        except OSError:
            done = 0
        while done:
            done -= len(queue.pop(0))
        assert lines(folder) == expected[: len(expected) - len(queue)]
    writer.close()


def test_where_nothing_can_be_cut_off_the_segment_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = iter([3, None])

    def write(fd: int, data: bytes) -> int:
        if (most := next(calls, len(data))) is None:
            raise OSError(errno.EIO, "broken")
        return os.write(fd, data[:most])

    def refuse(fd: int, size: int) -> None:
        raise OSError(errno.EIO, "broken")

    monkeypatch.setattr(os, "ftruncate", refuse)
    writer = SegmentWriter(tmp_path, ManualClock(), segment_bytes=100, write=write)
    writer.room(6)
    with pytest.raises(OSError, match="broken"):
        writer.append(b"first\n")
    writer.room(6)
    assert writer.append(b"first\n") == 6
    writer.close()
    assert lines(tmp_path)[-1] == b"first\n"
