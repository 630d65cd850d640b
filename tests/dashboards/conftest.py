"""Dashboards of the shipped promises, a gateway with everything to show, and a real Prometheus that watches it."""

import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from llmctl.alerts.detectors_rules import DOLLARS, SECONDS
from llmctl.alerts.document import document
from llmctl.alerts.rules import REMAINING, rules
from llmctl.alerts.slo import RatioSlo, Slos, load
from llmctl.config.secrets import Environment
from llmctl.dashboards.folder import dashboards
from llmctl.dashboards.panels import Dashboard
from llmctl.gateway.promises import served_histograms
from llmctl.telemetry import semconv
from llmctl.testing.process import Served
from tests.dashboards.busy import busy, traffic

ROOT = Path(__file__).parent.parent.parent
WITHIN = 60.0
CHOSEN = {"$__rate_interval": "1m", "$__range": "5m"}


@dataclass(frozen=True)
class Prometheus:
    """A running one, as its API tells."""

    client: httpx.Client

    def get(self, path: str, **params: str) -> Any:
        """`data` of an answer of its API. Fails with what it says is wrong."""
        answer = self.client.get(f"/api/v1/{path}", params=params)
        assert answer.status_code == 200, f"{params}: {answer.text}"
        return answer.json()["data"]

    def query(self, expr: str) -> list[dict[str, Any]]:
        """The series of a query, as they are now."""
        found: list[dict[str, Any]] = self.get("query", query=interpolated(expr))["result"]
        return found


def interpolated(expr: str) -> str:
    """As Grafana sends it, with all jobs, instances, models chosen."""
    for name, value in CHOSEN.items():
        expr = expr.replace(name, value)
    return re.sub(r"\$[a-z]+", ".*", expr)


@pytest.fixture(scope="session")
def slos() -> Slos:
    return load(ROOT / "configs" / "slo.yaml", Environment({}), served_histograms())


@pytest.fixture(scope="session")
def pages(slos: Slos) -> list[Dashboard]:
    return dashboards(slos, served_histograms(), semconv.Names(), "https://wiki.example/ops/")


@pytest.fixture(scope="session")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with busy(tmp_path_factory.mktemp("gateway")) as served:
        yield served


@pytest.fixture(scope="session")
def prometheus(gateway: Served, slos: Slos, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """Scrapes the gateway and evaluates the rules every second; it has seen traffic and the rules' results."""
    if (program := shutil.which("prometheus")) is None:
        message = "prometheus is not installed: apt-get install prometheus"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    folder = tmp_path_factory.mktemp("prometheus")
    (folder / "rules.yaml").write_text(document(rules(slos, served_histograms()), "Rules."))
    scrape = {"job_name": "llmctl", "static_configs": [{"targets": [f"127.0.0.1:{gateway.port}"]}]}
    settings = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    config = {"global": settings, "rule_files": ["rules.yaml"], "scrape_configs": [scrape]}
    (folder / "prometheus.yaml").write_text(document(config, "For tests."))
    with running(program, folder) as found:
        wait_until(found, "count_over_time(llmctl_build_info[1m]) >= 2")
        traffic(gateway)
        wait_until(found, f"sum(llmctl_requests_total) >= {answered(gateway)}")
        promised = sum(isinstance(slo, RatioSlo) for slo in slos.slos.values())
        # What is not a number does not equal itself.
        wait_until(found, f"count(count by (slo) ({REMAINING} == {REMAINING})) >= {promised}")
        wait_until(found, f"{DOLLARS}1h")
        wait_until(found, f"histogram_quantile(0.95, {SECONDS}30m) >= 0")
        yield found


def answered(gateway: Served) -> int:
    """Requests that the gateway counts."""
    lines = httpx.get(f"{gateway.url}/metrics").text.splitlines()
    return sum(int(float(line.rpartition(" ")[2])) for line in lines if line.startswith("llmctl_requests_total{"))


@contextmanager
def running(program: str, folder: Path) -> Iterator[Prometheus]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    options = {
        "config.file": folder / "prometheus.yaml",
        "storage.tsdb.path": folder / "data",
        "web.listen-address": address,
        "enable-feature": "exemplar-storage",
        "log.level": "warn",
    }
    with (folder / "log.txt").open("w") as log:
        process = subprocess.Popen(  # our own command line
            [program, *(f"--{name}={value}" for name, value in options.items())], stdout=log, stderr=log, cwd=folder
        )
    try:
        _until(lambda: httpx.get(f"http://{address}/-/ready").status_code == 200, (folder / "log.txt").read_text)
        with httpx.Client(base_url=f"http://{address}", timeout=30) as client:
            yield Prometheus(client)
    finally:
        process.kill()
        process.wait(WITHIN)


def wait_until(prometheus: Prometheus, expr: str) -> None:
    """Until the query has a result."""
    _until(lambda: bool(prometheus.query(expr)), lambda: expr)


def _until(done: Callable[[], bool], why: Callable[[], str]) -> None:
    give_up = time.monotonic() + WITHIN
    while True:
        try:
            if done():
                return
        except httpx.TransportError:
            pass
        assert time.monotonic() < give_up, f"not within {WITHIN} s: {why()}"
        time.sleep(0.1)
