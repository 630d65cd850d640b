"""What the command line may say instead of the file, and what it may not."""

from pathlib import Path

import pytest

from llmctl.config.keys import new_key
from llmctl.config.override import override
from llmctl.errors import UsageError
from llmctl.testing.config import loaded

TEXT = "providers: {up: {kind: scripted}}\nmodels: {m: {provider: up}}\nserver: {port: 9, workers: 2}\n"


def test_nothing_said_changes_nothing(tmp_path: Path) -> None:
    file = loaded(TEXT, tmp_path)
    assert override(file, host=None, port=None, workers=None) is file


def test_what_is_said_wins_and_the_rest_stays(tmp_path: Path) -> None:
    file = loaded(TEXT, tmp_path)
    server = override(file, host="::1", port=0, workers=None).config.server
    assert (server.host, server.port, server.workers) == ("::1", 0, 2)
    assert file.config.server.port == 9
    assert override(file, host=None, port=None, workers=1).config.models == file.config.models


def test_the_policy_is_the_files(tmp_path: Path) -> None:
    file = loaded(TEXT, tmp_path)
    assert override(file, host=None, port=1, workers=1).digest == file.digest


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "example.com"])
def test_a_public_address_takes_a_key(tmp_path: Path, host: str) -> None:
    with pytest.raises(UsageError, match="llmctl keys new"):
        override(loaded(TEXT, tmp_path), host=host, port=None, workers=None)
    _, entry = new_key()
    keyed = loaded(f'{TEXT}keys: [{{id: {entry["id"]}, hash: "{entry["hash"]}"}}]\n', tmp_path)
    assert override(keyed, host=host, port=None, workers=None).config.server.host == host
