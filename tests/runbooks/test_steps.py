"""The steps of runbooks, run: what only looks, all of it; what changes the configuration, applied, verified, undone."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from llmctl.alerts.rules import rules
from llmctl.alerts.slo import load
from llmctl.config.secrets import Environment
from llmctl.gateway.promises import served_histograms
from llmctl.telemetry.reader import RecordReader
from llmctl.testing.process import Served, serve
from tests.integration.alerting import prometheus, wait_until
from tests.runbooks import lint
from tests.runbooks.books import ROOT, Book, Step, runbooks
from tests.runbooks.gateways import base, merged

WITHIN = 10.0
BOOKS = runbooks()
EXPOSED = {"histogram": ("_bucket", "_count", "_sum"), "counter": ("",), "gauge": ("",), "untyped": ("",)}


def looking(*runs: str) -> dict[str, Step]:
    """Steps that change nothing, by `file-id`; of those with the same text the first."""
    found = {(step.run, step.text): f"{book.path.stem}-{step.id}" for book in reversed(BOOKS)
             for step in reversed(book.steps) if step.run in runs and not step.mutates}  # fmt: skip
    return {name: Step("bash", {"run": run}, text) for (run, text), name in found.items()}


@dataclass
class World:
    """A gateway that has been asked, a Prometheus beside it, and the variables of runbooks/README.md."""

    served: Served
    tree: dict[str, Any]
    environment: dict[str, str]

    def bash(self, text: str) -> "subprocess.CompletedProcess[str]":
        """Run a step's script where an operator would."""
        command = ["bash", "-euo", "pipefail", "-c", text]
        return subprocess.run(command, cwd=self.served.folder, env=self.environment, capture_output=True, text=True,
                              timeout=60, check=False)  # fmt: skip

    @property
    def policy(self) -> str:
        """Digest of the configuration that is live."""
        return str(httpx.get(f"{self.served.url}/readyz").json()["policy"])


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("runbooks")
    key, tree = base()
    (folder / "configs").mkdir()
    shutil.copy(ROOT / "configs" / "slo.yaml", folder / "configs")
    histograms = served_histograms()
    slos = load(folder / "configs" / "slo.yaml", Environment({}), histograms)
    with serve(yaml.safe_dump(tree), folder) as served:
        for model in ("small", "large", "default", "broken"):
            body = {"model": model, "messages": [{"role": "user", "content": "hello"}]}
            httpx.post(f"{served.url}/v1/chat/completions", json=body, headers={"x-api-key": key}, timeout=20)
        with prometheus(folder, served.port, 9, rules(slos, histograms)) as url:
            failed = failure(served)
            paths = [str(Path(sys.executable).parent), "/usr/bin", "/bin"]
            yield World(served, tree, {
                "PATH": ":".join(paths), "HOME": str(folder), "GATEWAY": served.url, "PROMETHEUS": url,
                "LLMCTL_CONFIG": str(folder / "gateway.yaml"), "NEW": str(folder / "gateway.yaml.new"),
                "TRACES": "records", "CACHE": "cache", "ID": failed, "KEY": tree["keys"][0]["id"],
            })  # fmt: skip
        assert not served.events("bug"), served.events("bug")


def failure(served: Served) -> str:
    """Id of the record that failed, as soon as it is written."""

    def ids() -> list[str]:
        return [record.id for record in RecordReader(served.records).read() if record.state == "failed"]

    wait_until("the failure is recorded", lambda: bool(ids()), WITHIN)
    return ids()[0]


@pytest.mark.parametrize("name", looking("llmctl", "http", "shell"))
def test_a_step_that_only_looks_works(name: str, world: World) -> None:
    step = looking("llmctl", "http", "shell")[name]
    if "LLMCTL_CONFIG.before" in step.text:
        shutil.copy(world.environment["LLMCTL_CONFIG"], world.environment["LLMCTL_CONFIG"] + ".before")
    done = world.bash(step.text)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("name", looking("promql"))
def test_a_query_is_one_and_asks_for_what_there_is(name: str, world: World) -> None:
    step = looking("promql")[name]
    answer = httpx.get(f"{world.environment['PROMETHEUS']}/api/v1/query", params={"query": step.text}).json()
    assert answer["status"] == "success", answer


@pytest.fixture(scope="module")
def declared(world: World) -> set[str]:
    """Names of metrics as Prometheus sees them: the gateway's, and what rules record."""
    types = re.findall(r"^# TYPE (\S+) (\S+)$", httpx.get(f"{world.served.url}/metrics").text, re.MULTILINE)
    recorded = re.findall(r"^ *- record: (\S+)$", (world.served.folder / "rules.yaml").read_text(), re.MULTILINE)
    return {name + end for name, kind in types for end in EXPOSED[kind]} | set(recorded)


@pytest.mark.parametrize("book", BOOKS, ids=lambda book: book.path.stem)
def test_every_metric_is_declared(book: Book, declared: set[str]) -> None:
    assert list(lint.queries(book, declared)) == []


def test_all_runbooks_apply_and_undo_alike() -> None:
    for name in ("apply", "applied", "undo"):
        assert len({step.text for book in BOOKS for step in book.steps if step.id == name}) == 1


def test_an_edit_is_applied_verified_and_undone(world: World) -> None:
    steps = {step.id: step for book in BOOKS if book.path.stem == "availability" for step in book.steps}
    before = world.policy
    new = Path(world.environment["NEW"])
    new.write_text(yaml.safe_dump(merged(world.tree, yaml.safe_load(steps["fallbacks"].text))))
    assert (done := world.bash(steps["apply"].text)).returncode == 0, done.stderr
    assert "fallbacks" in done.stdout
    wait_until("the edit is live", lambda: world.policy != before, WITHIN)
    assert (done := world.bash(steps["applied"].text)).returncode == 0, done.stdout
    assert world.bash(steps["undo"].text).returncode == 0
    wait_until("it is undone", lambda: world.policy == before, WITHIN)


def test_a_wrong_edit_is_refused_and_changes_nothing(world: World) -> None:
    (apply,) = {step.text for book in BOOKS for step in book.steps if step.id == "apply"}
    kept = Path(world.environment["LLMCTL_CONFIG"]).read_text()
    Path(world.environment["NEW"]).write_text("providers: {}\n")
    assert world.bash(apply).returncode != 0
    assert Path(world.environment["LLMCTL_CONFIG"]).read_text() == kept


def test_verification_fails_where_the_gateway_refused_the_file(world: World) -> None:
    (applied,) = {step.text for book in BOOKS for step in book.steps if step.id == "applied"}
    path = Path(world.environment["LLMCTL_CONFIG"])
    kept = path.read_text()
    path.write_text("providers: {}\n")
    wait_until("it is refused", lambda: bool(world.served.events("reload_failed")), WITHIN)
    assert world.bash(applied).returncode != 0
    path.write_text(kept)
    wait_until("it is repaired", lambda: httpx.get(f"{world.served.url}/readyz").json()["reload_error"] is None, WITHIN)


def test_a_purged_cache_is_empty(world: World) -> None:
    steps = {step.id: step for book in BOOKS if book.path.stem == "cache-error" for step in book.steps}
    assert not world.bash(steps["stats"].text).stdout.startswith("0 entries")
    assert world.bash(steps["purge"].text).returncode == 0
    assert world.bash(steps["stats"].text).stdout.startswith("0 entries")


def test_what_is_stopped_ends_in_order(world: World) -> None:  # the last one: nothing is there afterwards
    steps = {step.id: step for book in BOOKS if book.path.stem == "metrics-absent" for step in book.steps}
    world.environment["PID"] = str(world.served.process.pid)
    assert world.bash(steps["stop"].text).returncode == 0
    assert world.served.process.wait(WITHIN) == 0
