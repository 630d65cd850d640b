import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from llmctl.commands.rows import read_rows
from llmctl.errors import UsageError
from llmctl.telemetry.rows import opened

LINES = '{"n": 1}\n\n  \n{"n": "zwei \u00fc"}\n{"n": 3}'
DEEP = "[" * 100_000


def number(raw: dict[str, Any]) -> int:
    if not isinstance(raw.get("n"), int):
        raise ValueError("n: give a number")
    return int(raw["n"])


def refused(path: Path) -> str:
    with pytest.raises(UsageError) as raised:
        list(read_rows(path, number))
    return str(raised.value)


@pytest.mark.parametrize("zipped", [False, True])
def test_every_line_is_a_row_but_blank_ones(tmp_path: Path, zipped: bool) -> None:
    path = tmp_path / "rows"  # the name says nothing about how it is kept
    path.write_bytes(gzip.compress(LINES.encode()) if zipped else LINES.encode())
    assert list(read_rows(path, lambda raw: raw["n"])) == [1, "zwei \u00fc", 3]
    with opened(path) as text:
        assert text.read() == LINES


def test_no_more_is_read_than_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"n": 1}\nnonsense\n')
    assert next(read_rows(path, number)) == 1


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"n"', "is not JSON"),
        ("[1]", "is not an object"),
        ("null", "is not an object"),
        ('{"n": "one"}', "n: give a number"),
        (DEEP, "maximum recursion depth"),
    ],
)
def test_what_is_wrong_with_a_line_is_told_with_its_number(tmp_path: Path, line: str, said: str) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(f"{json.dumps({'n': 1})}\n\n{line}\n")
    assert refused(path).startswith(f"{path}:3: {said}")


@pytest.mark.parametrize(
    "content",
    [
        b"\xff\xfe",
        gzip.compress(b'{"n": 1}\n' * 1000)[:-12],
        gzip.compress(b"x")[:4],
        gzip.compress(b"x")[:10] + b"\xff" * 20,
    ],
    ids=["no UTF-8", "cut off", "cut off in its head", "no deflate"],
)
def test_a_file_that_cannot_be_read_is_a_message(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "rows.jsonl.gz"
    path.write_bytes(content)
    assert refused(path).startswith(f"{path}: cannot be read: ")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    assert refused(tmp_path / "none") == f"{tmp_path / 'none'}: cannot be read: No such file or directory"
