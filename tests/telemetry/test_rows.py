"""JSON lines as users give them."""

import gzip
from pathlib import Path

import pytest

from llmctl.errors import UsageError
from llmctl.telemetry.rows import json_rows


def test_plain_and_zipped(tmp_path: Path) -> None:
    text = '\ufeff{"a": 1}\n\n{"a": 2}\n'
    plain, zipped = tmp_path / "a.jsonl", tmp_path / "a.jsonl.gz"
    plain.write_text(text, encoding="utf-8")
    zipped.write_bytes(gzip.compress(text.encode()))
    for path in (plain, zipped):
        assert list(json_rows(path)) == [(f"{path}:1", {"a": 1}), (f"{path}:3", {"a": 2})]


@pytest.mark.parametrize(
    ("data", "said"),
    [(b"{", ":1: is not JSON"), (b"{}\n[1]", ":2: is not an object"), (b"\xff\xfe", "cannot be read"),
     (b"\x1f\x8b\x00", "cannot be read")],
)  # fmt: skip
def test_what_is_wrong_is_placed(data: bytes, said: str, tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(data)
    with pytest.raises(UsageError, match=said):
        list(json_rows(path))
    with pytest.raises(UsageError, match="cannot be read: No such file"):
        list(json_rows(tmp_path / "b"))
