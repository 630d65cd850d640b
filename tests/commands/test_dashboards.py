"""`llmctl dashboards render`."""

import json
from pathlib import Path

from typer.testing import CliRunner

from llmctl.commands import dashboards
from llmctl.commands.dashboards import app
from llmctl.dashboards.folder import PROVISIONED
from llmctl.errors import ConfigError, StoreError, UsageError

SHIPPED = str(Path(__file__).parent.parent.parent / "configs" / "slo.yaml")
NAMES = [
    "dashboards.yaml",
    *(f"llmctl/{n}.json" for n in ("overview", "models", "cost", "guardrails", "cache", "gateway", "slo")),
]


def test_it_writes_all_pages_and_says_so(tmp_path: Path) -> None:
    out = tmp_path / "new" / "grafana"
    result = CliRunner().invoke(app, ["render", "-c", SHIPPED, "-o", str(out), "--datasource", "prom", "--json"])
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["written"] == [str(out / name) for name in NAMES]
    assert found["uids"][0] == "llmctl-overview"
    assert '"prom"' in (out / "llmctl" / "cost.json").read_text()
    assert "from slo.yaml" in (out / "dashboards.yaml").read_text()


def test_the_same_promises_make_the_same_files(tmp_path: Path) -> None:
    for name in ("a", "b"):
        result = CliRunner().invoke(app, ["render", "-c", SHIPPED, "-o", str(tmp_path / name)])
        assert result.stdout.splitlines() == [str(tmp_path / name / file) for file in NAMES]
    for file in NAMES:
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_where_grafana_finds_them_is_a_choice(tmp_path: Path) -> None:
    assert dashboards.PROVISIONED == PROVISIONED
    CliRunner().invoke(app, ["render", "-c", SHIPPED, "-o", str(tmp_path), "--path", "/opt/boards"])
    assert "path: /opt/boards\n" in (tmp_path / "dashboards.yaml").read_text()


def test_runbooks_need_an_address(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["render", "-c", SHIPPED, "-o", str(tmp_path), "--runbooks", "runbooks/"])
    assert isinstance(result.exception, UsageError)
    assert "begins with https://" in str(result.exception)


def test_a_mistake_writes_nothing(tmp_path: Path) -> None:
    config = tmp_path / "slo.yaml"
    config.write_text("slos: {a: {kind: availability}}\nnotify: {}\n")
    result = CliRunner().invoke(app, ["render", "-c", str(config), "-o", str(tmp_path / "out")])
    assert isinstance(result.exception, ConfigError)
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = CliRunner().invoke(app, ["render", "-c", SHIPPED, "-o", str(tmp_path / "file" / "out")])
    assert isinstance(result.exception, StoreError)
    assert "cannot be written" in str(result.exception)
