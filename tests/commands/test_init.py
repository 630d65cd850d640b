import json
from pathlib import Path

import pytest

from llmctl.commands.main import main
from llmctl.config.load import load
from llmctl.config.secrets import Environment
from llmctl.config.template import render

UPSTREAM = ("--upstream", "https://host/v1", "--model", "gpt-4.1", "--api-key-env", "KEY")


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def code(*args: str) -> object:
    with pytest.raises(SystemExit) as raised:
        main(["init", *args])
    return raised.value.code


def test_without_options_it_serves_the_local_model() -> None:
    assert code() == 0
    assert Path("gateway.yaml").read_text() == render()


def test_an_upstream(capsys: pytest.CaptureFixture[str]) -> None:
    assert code(*UPSTREAM, "-o", "a/b.yaml") == 0
    assert "export KEY, then: llmctl serve -c a/b.yaml" in capsys.readouterr().out
    config = load(Path("a/b.yaml"), Environment({"KEY": "0123456789"})).config
    assert config.providers["upstream"].options == {"base_url": "https://host/v1", "api_key": "0123456789"}
    assert config.models["gpt-4.1"].provider == "upstream"


def test_a_file_is_only_overwritten_by_force(capsys: pytest.CaptureFixture[str]) -> None:
    Path("gateway.yaml").write_text("mine")
    assert code() == 2
    assert "--force" in capsys.readouterr().err
    assert Path("gateway.yaml").read_text() == "mine"
    assert code("--force", "--json") == 0
    assert json.loads(capsys.readouterr().out) == {"file": "gateway.yaml"}
    assert Path("gateway.yaml").read_text() == render()


def test_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    assert code("-o", "-") == 0
    assert capsys.readouterr().out == render()
    assert not list(Path().iterdir())


def test_where_it_cannot_write_it_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    Path("file").touch()
    assert code("-o", "file/gateway.yaml") == 1
    assert "cannot be written" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (("--model", "m"), "--upstream URL"),
        (("--upstream", "https://host"), "--model NAME"),
        (("--upstream", "host/v1", "--model", "m"), "https://"),
        (("--upstream", "https://[/v1", "--model", "m"), "https://"),
        (("--upstream", "https://u:p@host/v1", "--model", "m"), "--api-key-env"),
        (("--upstream", "https://host/v1?a=b", "--model", "m"), "no credentials, query"),
        (("--upstream", "https://host/v1", "--model", "a b"), "characters"),
        (("--upstream", "https://host/v1", "--model", "m", "--api-key-env", "sk-123"), "not the key itself"),
    ],
)
def test_what_cannot_be_is_refused(args: tuple[str, ...], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert code(*args) == 2
    assert says in capsys.readouterr().err
    assert not Path("gateway.yaml").exists()
