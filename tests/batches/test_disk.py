import asyncio
import os
from pathlib import Path

import pytest

from llmctl.batches import disk
from llmctl.batches.disk import Journal


def test_folders_are_the_owners_alone(tmp_path: Path) -> None:
    disk.make_folder(tmp_path / "a" / "b" / "c")
    disk.make_folder(tmp_path / "a" / "b" / "c")
    assert [(tmp_path / each).stat().st_mode & 0o777 for each in ("a", "a/b", "a/b/c")] == [0o700] * 3


def test_a_file_is_replaced_in_one_step(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    for data in (b"one", b"two" * 1000):
        disk.replace(path, data, lambda _: "t")
        assert path.read_bytes() == data
    assert os.listdir(tmp_path) == ["x.json"]
    assert path.stat().st_mode & 0o777 == 0o600


async def test_lines_that_come_together_are_all_written(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j")
    await asyncio.gather(*(journal.append(b"%d\n" % n) for n in range(50)))
    assert sorted((tmp_path / "j").read_bytes().split()) == sorted(b"%d" % n for n in range(50))
    journal.close()


@pytest.mark.parametrize(
    ("found", "kept"),
    [(b"", b""), (b"a\nb\n", b"a\nb\n"), (b"a\nbcd", b"a\n"), (b"abc", b""), (b"a\n" + b"x" * 200_000, b"a\n")],
)
async def test_a_torn_line_is_cut_off(tmp_path: Path, found: bytes, kept: bytes) -> None:
    (tmp_path / "j").write_bytes(found)
    journal = Journal(tmp_path / "j")
    await journal.append(b"new\n")
    journal.close()
    assert (tmp_path / "j").read_bytes() == kept + b"new\n"


async def test_nobody_is_told_that_a_line_is_kept_which_is_not(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j")
    await journal.append(b"kept\n")
    full = os.open(tmp_path / "j", os.O_RDONLY)  # a descriptor that takes no writes
    os.dup2(full, journal._descriptor)
    os.close(full)
    told = await asyncio.gather(*(journal.append(b"lost\n") for _ in range(5)), return_exceptions=True)
    assert [type(each) for each in told] == [OSError] * 5
    journal.close()
    assert (tmp_path / "j").read_bytes() == b"kept\n"
