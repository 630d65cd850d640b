"""`llmctl guard policies`, and the policies file that ships."""

import json
from pathlib import Path

import pytest

from llmctl.commands.guard_policies import lines, rows
from llmctl.commands.main import main
from llmctl.config.load import load
from llmctl.config.secrets import Environment
from llmctl.gateway.build import check
from llmctl.gateway.build_policies import effective
from llmctl.guards import TABLE
from llmctl.guards.presets import preset
from llmctl.testing.config import loaded

POLICIES = Path(__file__).parents[2] / "configs" / "policies" / "guardrails.yaml"
ROOT = """
providers: {up: {kind: scripted}}
models: {small: {provider: up}}
"""


@pytest.fixture
def shipped(tmp_path: Path) -> Path:
    (tmp_path / "guardrails.yaml").write_text(POLICIES.read_text())
    path = tmp_path / "gateway.yaml"
    path.write_text(ROOT + "include: [guardrails.yaml]\n")
    return path


def test_the_shipped_policies_build_and_show_every_kind(shipped: Path) -> None:
    config = load(shipped, Environment({}))
    check(config)
    assert {policy.kind for policy in effective(config.config.guardrails).values()} >= {*TABLE, "rate_limit"}


@pytest.mark.parametrize("name", ["strict", "balanced", "lenient", "none"])
def test_every_preset_builds(name: str, tmp_path: Path) -> None:
    config = loaded(ROOT + f"guardrails: {{preset: {name}}}\n", tmp_path)
    check(config)
    table = rows(config.config.guardrails)
    assert [row["policy"] for row in table] == list(preset(name))
    assert len(lines(table)) == max(1, len(table))


def test_it_prints_what_applies_and_from_where(
    shipped: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(shipped.parent)
    with pytest.raises(SystemExit, match="0"):
        main(["guard", "policies", "-c", str(shipped)])
    text = capsys.readouterr().out
    assert "per-key" in text
    assert "SSN→block" in text
    with pytest.raises(SystemExit, match="0"):
        main(["guard", "policies", "-c", str(shipped), "--json"])
    table = {row["policy"]: row for row in json.loads(capsys.readouterr().out)}
    assert table["pii"]["from"] == "file"
    assert table["per-key"]["mode"] == "shadow"


def test_a_disabled_policy_is_not_shown(tmp_path: Path) -> None:
    text = ROOT + "guardrails: {policies: {injection: {kind: injection, on_error: block, mode: disabled}}}\n"
    assert "injection" not in [row["policy"] for row in rows(loaded(text, tmp_path).config.guardrails)]
