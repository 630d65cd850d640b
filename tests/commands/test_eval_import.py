from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from llmctl.commands.eval_import import import_
from llmctl.config.secrets import Environment
from llmctl.errors import ConfigError, UsageError
from llmctl.evals.load import load_suite

FIXTURES = Path(__file__).parent.parent / "evals" / "promptfoo"

app = typer.Typer()
app.command()(import_)


def run(*args: str) -> str:
    result = CliRunner().invoke(app, list(args))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.output


def test_what_it_writes_is_a_suite(tmp_path: Path) -> None:
    out = tmp_path / "suite.yaml"
    assert f"wrote {out}" in run(str(FIXTURES / "files.yaml"), "-o", str(out))
    suite = load_suite(out, Environment({}))
    assert suite.config.name == "files"
    assert len(suite.variants) == 9
    with pytest.raises(UsageError, match="--force"):
        run(str(FIXTURES / "files.yaml"), "-o", str(out))


def test_unsupported_is_refused_or_listed(tmp_path: Path) -> None:
    path = str(FIXTURES / "unsupported.yaml")
    with pytest.raises(ConfigError, match="javascript"):
        run(path)
    out = tmp_path / "suite.yaml"
    assert f"not imported: {path}:18: javascript" in run(path, "--skip-unsupported", "-o", str(out))
    assert "green" in out.read_text()


def test_texts_that_look_like_references_stay_texts(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text(
        "prompts: ['Cost ${x} of {{y}}']\nproviders: [openai:gpt-4o]\ntests: [{vars: {y: '${HOME}'}}]\n"
    )
    run(str(tmp_path / "p.yaml"), "-o", str(tmp_path / "suite.yaml"))
    suite = load_suite(tmp_path / "suite.yaml", Environment({}))
    assert suite.config.prompts["prompt-1"] == "Cost ${x} of {{y}}"
    assert suite.config.dataset.options["items"][0]["y"] == "${HOME}"
