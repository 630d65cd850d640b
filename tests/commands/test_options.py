import json
from pathlib import Path

import pytest

from llmctl.commands.options import config_path, print_json


def test_the_file_given_else_the_usual_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert config_path(Path("x.yaml")) == Path("x.yaml")
    assert config_path(None) == Path("gateway.yaml")
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "gateway.yaml").touch()
    assert config_path(None) == Path("configs/gateway.yaml")
    (tmp_path / "gateway.yaml").touch()
    assert config_path(None) == Path("gateway.yaml")


def test_json_is_one_document(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"é": (1, None), "path": Path("x")})
    assert json.loads(capsys.readouterr().out) == {"é": [1, None], "path": "x"}
