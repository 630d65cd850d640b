"""The promises that a configuration names are read with it, and what is wrong with them is said with the rest."""

from dataclasses import replace
from pathlib import Path

import pytest

from llmctl.alerts.slo import Slos
from llmctl.config.secrets import Environment
from llmctl.errors import ConfigError
from llmctl.gateway.build import build
from llmctl.testing.config import loaded
from llmctl.testing.gateway import PlayedTransport, Remember, surroundings

BASE = """\
providers:
  up: {kind: openai, base_url: "http://127.0.0.1:9/v1"}
models:
  small: {provider: up}
"""
SLOS = """\
slos:
  availability: {kind: availability, objective: 0.999, severity: page, runbook: runbooks/availability.md}
notify:
  page: {slack: {api_url_file: "${SECRETS}/slack", channel: "#ops"}}
  ticket: {slack: {api_url_file: /run/slack, channel: "#ops"}}
"""


def built(text: str, folder: Path, **env: str) -> Slos | None:
    around = surroundings(PlayedTransport(lambda request: OSError()), Remember())
    return build(loaded(text, folder), replace(around, env=Environment(env))).promises


def test_without_alerts_there_are_none(tmp_path: Path) -> None:
    assert built(BASE, tmp_path) is None


def test_the_file_is_found_beside_the_configuration_and_may_refer_to_the_environment(tmp_path: Path) -> None:
    (tmp_path / "slo.yaml").write_text(SLOS)
    slos = built(BASE + "alerts: {slos: slo.yaml}\n", tmp_path, SECRETS="/run/secrets")
    assert slos is not None
    assert list(slos.slos) == ["availability"]


def test_a_file_that_is_not_there_is_told_at_the_key_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        built(BASE + "alerts: {slos: slo.yaml}\n", tmp_path)
    [finding] = caught.value.findings
    assert "gateway.yaml:5: alerts.slos: there is no file" in finding


def test_what_is_wrong_in_it_is_told_with_what_is_wrong_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "slo.yaml").write_text(SLOS.replace("0.999", "9").replace("${SECRETS}", "/run"))
    with pytest.raises(ConfigError) as caught:
        built(BASE.replace("kind: openai", "kind: opnai") + "alerts: {slos: slo.yaml}\n", tmp_path)
    first, second = caught.value.findings
    assert "opnai" in first
    assert "slo.yaml:2: slos.availability.objective" in second
