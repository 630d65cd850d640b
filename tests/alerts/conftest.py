"""Promises to make rules of, and Prometheus' own tools to check them with."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from llmctl.alerts.slo import Slos, load
from llmctl.config.secrets import Environment
from llmctl.gateway.promises import served_histograms

ROOT = Path(__file__).parent.parent.parent
SHIPPED = ROOT / "configs" / "slo.yaml"
PACKAGES = {"promtool": "prometheus", "amtool": "prometheus-alertmanager"}

NOTIFY = """
notify:
  page: {pagerduty: {routing_key_file: /run/secrets/pagerduty}}
  ticket: {slack: {api_url_file: /run/secrets/slack, channel: "#ops"}}
"""

Read = Callable[[str], Slos]
Tool = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Checks the text of a slo.yaml; `notify` is added."""

    def read_(text: str) -> Slos:
        path = tmp_path / "slo.yaml"
        path.write_text(text + NOTIFY)
        return load(path, Environment({}), served_histograms())

    return read_


@pytest.fixture
def tool() -> Tool:
    """Runs promtool or amtool. Where it is not installed, CI fails and others skip, as without wrk and nginx."""

    def run(name: str, *args: str | Path) -> "subprocess.CompletedProcess[str]":
        if (path := shutil.which(name)) is None:
            message = f"{name} is not installed: apt-get install {PACKAGES[name]}"
            if os.environ.get("CI"):
                pytest.fail(message)
            pytest.skip(message)
        return subprocess.run([path, *map(str, args)], capture_output=True, text=True, check=False, timeout=110)

    return run
