from pathlib import Path

import pytest

from llmctl.errors import ConfigError
from tests.evals.datasets.opened import ids


def test_several_files_one_after_the_other(tmp_path: Path) -> None:
    (tmp_path / "a").write_text('{"id": "1"}\n')
    (tmp_path / "b").write_text('{"id": "2"}\n')
    assert ids("jsonl", tmp_path, path=["b", "a"]) == ["2", "1"]
    with pytest.raises(ConfigError, match=r"a:1: the id '1' is in .*a:1 already"):
        ids("jsonl", tmp_path, path=["a", "a"])


def test_a_limit_reads_no_further(tmp_path: Path) -> None:
    (tmp_path / "a").write_text('{"id": "1"}\nnot JSON\n')
    assert ids("jsonl", tmp_path, path="a", limit=1) == ["1"]
