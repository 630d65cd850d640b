"""`llmctl alerts rules`."""

import json
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from llmctl.commands.alerts import app
from llmctl.errors import ConfigError, StoreError
from llmctl.gateway.promises import served_histograms
from llmctl.telemetry import semconv

SHIPPED = str(Path(__file__).parent.parent.parent / "configs" / "slo.yaml")
NAMES = ["rules.yaml", "rules_test.yaml", "alertmanager.yaml"]


def test_it_writes_three_files_and_says_so(tmp_path: Path) -> None:
    out = tmp_path / "new" / "alerts"
    result = CliRunner().invoke(app, ["rules", "-c", SHIPPED, "-o", str(out), "--json"])
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["written"] == [str(out / name) for name in NAMES]
    promised = ["availability", "latency", "first-token", "guards", "cost", "cache", "cost-anomaly", "latency-shift"]
    assert found["slos"] == promised
    rules, tests, alertmanager = (yaml.safe_load((out / name).read_text()) for name in NAMES)
    assert [group["name"] for group in rules["groups"]][-1] == "llmctl-metrics"
    assert tests["rule_files"] == ["rules.yaml"]
    assert {receiver["name"] for receiver in alertmanager["receivers"]} == {"page", "ticket"}
    assert (out / "rules.yaml").read_text().startswith("# Written by `llmctl alerts rules` from slo.yaml")


def test_the_same_promises_make_the_same_files(tmp_path: Path) -> None:
    for name in ("a", "b"):
        result = CliRunner().invoke(app, ["rules", "-c", SHIPPED, "-o", str(tmp_path / name)])
        assert result.stdout.splitlines() == [str(tmp_path / name / file) for file in NAMES]
    for file in NAMES:
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_a_mistake_writes_nothing(tmp_path: Path) -> None:
    config = tmp_path / "slo.yaml"
    config.write_text("slos: {a: {kind: availability}}\nnotify: {}\n")
    result = CliRunner().invoke(app, ["rules", "-c", str(config), "-o", str(tmp_path / "out")])
    assert isinstance(result.exception, ConfigError)
    assert "slo.yaml:1: slos.a.objective: missing" in str(result.exception)
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = CliRunner().invoke(app, ["rules", "-c", SHIPPED, "-o", str(tmp_path / "file" / "out")])
    assert isinstance(result.exception, StoreError)
    assert "cannot be written" in str(result.exception)


@pytest.mark.parametrize("version", semconv.VERSIONS)
def test_histograms_are_the_served_ones(version: str) -> None:
    found, names = served_histograms(), semconv.VERSIONS[version]
    assert (found.duration.name, found.first_token.name) == (names.server_duration, names.time_to_first)
    assert found.first_token.bounds == semconv.FIRST_TOKEN_BUCKETS
