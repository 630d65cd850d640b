"""Files of their own beside the configuration."""

from pathlib import Path

import pytest

from llmctl.config.document import read_document
from llmctl.config.secrets import Environment
from llmctl.errors import ConfigError


def test_references_are_resolved(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("name: ${NAME}\n")
    assert read_document(tmp_path / "a.yaml", Environment({"NAME": "x"}), "write one").tree == {"name": "x"}


@pytest.mark.parametrize(
    ("data", "said"), [(b"a: [", "a.yaml:"), (b"\xff", "not UTF-8 text"), (None, "there is no such file; write one")]
)
def test_what_is_wrong_is_told(data: bytes | None, said: str, tmp_path: Path) -> None:
    if data is not None:
        (tmp_path / "a.yaml").write_bytes(data)
    with pytest.raises(ConfigError, match=said):
        read_document(tmp_path / "a.yaml", Environment({}), "write one")
