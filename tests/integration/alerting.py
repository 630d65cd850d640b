"""A gateway that is watched by Prometheus and Alertmanager and by itself, its clients, and a provider to fail."""

import asyncio
import json
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, TypeVar

import pytest

from bench.rig.drill_world import FAULTS, Providers
from bench.rig.processes import answers, free_port, process
from llmctl.alerts.alertmanager import alertmanager
from llmctl.alerts.document import document
from llmctl.alerts.rules import rules
from llmctl.alerts.slo import load
from llmctl.config.secrets import Environment
from llmctl.gateway.promises import served_histograms
from llmctl.testing.pagerduty import KEY

PACKAGES = {"prometheus": "prometheus", "prometheus-alertmanager": "prometheus-alertmanager"}
QUESTION = {"model": "small", "messages": [{"role": "user", "content": "hello"}]}
BETWEEN = 0.03
SCRAPE = "1s"

Running = TypeVar("Running", bound=AbstractAsyncContextManager[Any])


def installed(name: str) -> str:
    """Where a program is. Where it is not installed, CI fails and others skip, as without promtool."""
    if (path := shutil.which(name)) is None:
        message = f"{name} is not installed: apt-get install {PACKAGES[name]}"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return path


def wait_until(what: str, condition: Callable[[], bool], within: float) -> float:
    """Seconds until `condition` held; fails with `what` if that takes longer than `within`."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < within, f"not within {within} s: {what}"
        time.sleep(0.05)
    return time.monotonic() - began


@dataclass
class Clients:
    """One that asks again and again. `statuses` are what it got, by count."""

    port: int
    statuses: dict[int, int] = field(default_factory=dict)

    @contextmanager
    def asking(self) -> Iterator["Clients"]:
        """While open, about 30 requests a second."""
        stop = threading.Event()
        thread = threading.Thread(target=self._ask, args=(stop,), daemon=True)
        thread.start()
        try:
            yield self
        finally:
            stop.set()
            thread.join(30)

    def count(self, leading: int) -> int:
        """Answers so far whose status begins with this digit."""
        return sum(count for status, count in list(self.statuses.items()) if status // 100 == leading)

    def _ask(self, stop: threading.Event) -> None:
        while not stop.wait(BETWEEN):
            # A connection each, so that both workers get some.
            connection = HTTPConnection("127.0.0.1", self.port, timeout=20)
            connection.request("POST", "/v1/chat/completions", json.dumps(QUESTION))
            status = connection.getresponse().status
            connection.close()
            self.statuses[status] = self.statuses.get(status, 0) + 1


@contextmanager
def in_thread(server: Running) -> Iterator[Running]:
    """A server with a loop of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    asyncio.run_coroutine_threadsafe(server.__aenter__(), loop).result(10)
    try:
        yield server
    finally:
        asyncio.run_coroutine_threadsafe(server.__aexit__(None, None, None), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


def fail(providers: Providers, fault: str | None) -> None:
    """The provider fails in this way from now on, or no longer."""
    asyncio.run(providers.behave(*[[FAULTS[fault]]] if fault else []))


def promises(folder: Path, pagerduty: str) -> Path:
    """A slo.yaml with one promise, a minute where others have an hour, and a PagerDuty by its URL."""
    key = folder / "pagerduty_key"
    key.write_text(KEY)
    key.chmod(0o600)
    notify = {"pagerduty": {"routing_key_file": str(key), "url": pagerduty}}
    slo = {"kind": "availability", "objective": 0.999, "severity": "page", "runbook": "runbooks/availability.md"}
    path = folder / "slo.yaml"
    path.write_text(
        json.dumps({"pace": 60, "slos": {"availability": slo}, "notify": {"page": notify, "ticket": notify}})
    )
    return path


@contextmanager
def prometheus(folder: Path, gateway: int, alerts_to: int, rule_files: Mapping[str, Any]) -> Iterator[str]:
    """The URL of a Prometheus that scrapes a port's `/metrics` and evaluates these rules, every second."""
    port = free_port()
    (folder / "rules.yaml").write_text(document(rule_files, "x"))
    targets = {name: [{"targets": [f"127.0.0.1:{port}"]}] for name, port in (("up", gateway), ("to", alerts_to))}
    config = {
        "global": {"scrape_interval": SCRAPE, "scrape_timeout": SCRAPE, "evaluation_interval": SCRAPE},
        "rule_files": ["rules.yaml"],
        "alerting": {"alertmanagers": [{"static_configs": targets["to"]}]},
        "scrape_configs": [{"job_name": "llmctl", "static_configs": targets["up"]}],
    }
    (folder / "prometheus.yaml").write_text(document(config, "x"))
    command = [
        installed("prometheus"),
        f"--config.file={folder / 'prometheus.yaml'}",
        f"--storage.tsdb.path={folder / 'prometheus'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with process(command, folder, lambda: answers(port, "/-/ready")):
        yield f"http://127.0.0.1:{port}"


@contextmanager
def alert_manager(folder: Path, config: dict[str, Any], port: int) -> Iterator[str]:
    """The URL of an Alertmanager with this configuration, but for its waits, which are shortened."""
    config["route"] |= {"group_wait": "500ms", "group_interval": "1s"}
    (folder / "alertmanager.yaml").write_text(document(config, "x"))
    command = [
        installed("prometheus-alertmanager"),
        f"--config.file={folder / 'alertmanager.yaml'}",
        f"--storage.path={folder / 'alertmanager'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--cluster.listen-address=",
    ]
    with process(command, folder, lambda: answers(port, "/-/ready")):
        yield f"http://127.0.0.1:{port}"


@contextmanager
def watching(folder: Path, slo_file: Path, gateway: int) -> Iterator[str]:
    """The URL of a Prometheus that loads what `llmctl alerts rules` makes of a slo.yaml, before an Alertmanager."""
    histograms = served_histograms()
    slos = load(slo_file, Environment({}), histograms)
    port = free_port()
    with (
        alert_manager(folder, alertmanager(slos), port),
        prometheus(folder, gateway, port, rules(slos, histograms)) as url,
    ):
        yield url
