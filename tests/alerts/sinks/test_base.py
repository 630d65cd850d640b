"""Secrets are files."""

import os
from pathlib import Path

import pytest

from llmctl.alerts.sinks.base import NotDelivered, exposed, read_secret


def test_a_secret_is_what_its_file_holds(tmp_path: Path) -> None:
    path = tmp_path / "s"
    path.write_text("  abc \n")
    assert read_secret(str(path)) == "abc"
    path.write_text("changed")
    assert read_secret(str(path)) == "changed"


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b"hush1\nhush2", "does not look like a secret"),
        (b"\xff\xfe", "does not look like a secret"),
        (b"x" * 5000, "does not look like a secret"),
    ],
)
def test_a_file_without_one_is_named_and_not_quoted(tmp_path: Path, data: bytes, said: str) -> None:
    path = tmp_path / "s"
    path.write_bytes(data)
    with pytest.raises(NotDelivered) as caught:
        read_secret(str(path))
    assert caught.value.message.startswith(f"{path}: {said}")
    assert "hush" not in caught.value.message
    assert caught.value.retryable


@pytest.mark.parametrize("name", ["missing", ".", "missing/deeper"])
def test_a_file_that_cannot_be_read_says_why(tmp_path: Path, name: str) -> None:
    with pytest.raises(NotDelivered, match=r"cannot be read \((No such file or directory|Is a directory)\); put"):
        read_secret(str(tmp_path / name))


def test_a_file_that_everybody_may_read_is_told_of(tmp_path: Path) -> None:
    path = tmp_path / "s"
    path.write_text("x")
    os.chmod(path, 0o640)
    assert exposed(str(path)) is None
    os.chmod(path, 0o644)
    assert exposed(str(path)) == f"{path}: everybody on this machine may read it; chmod o-r"
    assert exposed(str(tmp_path / "missing")) is None
