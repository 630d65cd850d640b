"""One request is found under the same ids in the request log, a span, a metric's exemplar, the record, the console."""

import json
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from llmctl.testing.collector import CollectedSpan, FakeCollector
from llmctl.testing.process import Served, serve
from tests.integration.alerting import in_thread

WITHIN = 10.0
OPEN_METRICS = "application/openmetrics-text; version=1.0.0"
COMMAND = (sys.executable, "-c", "from llmctl.commands.main import main; main()")


def configuration(collector: str) -> str:
    return json.dumps(
        {
            "guardrails": {"preset": "none"},
            "providers": {"up": {"kind": "scripted", "text": "It sings."}},
            "models": {"small": {"provider": "up"}},
            "records": {"dir": "records"},
            "telemetry": {"request_log": "requests.jsonl", "otlp": {"endpoint": collector, "sample": 1.0}},
        }
    )


@dataclass
class Canary:
    """A request that was answered, by a gateway whose spans go to `collector`."""

    served: Served
    collector: FakeCollector
    id: str
    trace_id: str
    parent_id: str


@pytest.fixture(scope="module")
def canary(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Canary]:
    folder = tmp_path_factory.mktemp("canary")
    with (
        in_thread(FakeCollector()) as collector,
        serve(configuration(collector.url), folder, ["--workers", "2"]) as served,
    ):
        found = Canary(served, collector, f"canary-{uuid.uuid4().hex}", uuid.uuid4().hex, uuid.uuid4().hex[:16])
        answer = httpx.post(
            f"{served.url}/v1/chat/completions",
            json={"model": "small", "messages": [{"role": "user", "content": "Does it sing?"}]},
            headers={"x-request-id": found.id, "traceparent": f"00-{found.trace_id}-{found.parent_id}-01"},
            timeout=20,
        )
        assert (answer.status_code, answer.headers["x-request-id"]) == (200, found.id)
        yield found
        assert not served.events("bug"), served.events("bug")
        assert served.stop() == 0


def found(what: str, look: Callable[[], Any]) -> Any:
    """What `look` finds, as soon as it finds something."""
    give_up = time.monotonic() + WITHIN
    while not (seen := look()):
        assert time.monotonic() < give_up, f"not within {WITHIN} s: {what}"
        time.sleep(0.05)
    return seen


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_the_request_log_has_it(canary: Canary) -> None:
    path = canary.served.folder / "requests.jsonl"
    (line,) = found("a line", lambda: [one for one in lines(path) if one["request_id"] == canary.id])
    assert (line["trace_id"], line["model"], line["state"], line["status"]) == (canary.trace_id, "small", "ok", 200)


def test_its_span_continues_the_clients_trace(canary: Canary) -> None:
    def roots() -> list[CollectedSpan]:
        return [span for span in canary.collector.trace(canary.trace_id) if span.parent_id == canary.parent_id]

    (root,) = found("a span", roots)
    assert root.attributes["llmctl.request.id"] == canary.id
    under = [span for span in canary.collector.trace(canary.trace_id) if span.parent_id == root.span_id]
    assert under


def test_a_metric_has_it_as_an_exemplar(canary: Canary) -> None:
    def exemplars() -> list[str]:
        text = httpx.get(f"{canary.served.url}/metrics", headers={"accept": OPEN_METRICS}).text
        return [line for line in text.splitlines() if canary.id in line]

    line = found("an exemplar", exemplars)[0]
    series, _, exemplar = line.partition(" # ")
    assert series.startswith("gen_ai_server_request_duration_seconds_bucket{")
    assert f'trace_id="{canary.trace_id}"' in exemplar


def test_the_record_is_shown(canary: Canary) -> None:
    command = [*COMMAND, "traces", "show", "--traces", str(canary.served.records), "--json", canary.id]

    def shown() -> Any:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
        return json.loads(done.stdout) if done.returncode == 0 else None

    record = found("the record", shown)
    assert (record["id"], record["trace_id"], record["state"]) == (canary.id, canary.trace_id, "ok")


def test_the_console_has_it(canary: Canary) -> None:
    def asked() -> Any:
        answer = httpx.get(f"{canary.served.url}/console/api/exchanges/{canary.id}")
        return answer.json() if answer.status_code == 200 else None

    record = found("the console's exchange", asked)["record"]
    assert (record["id"], record["trace_id"], record["state"]) == (canary.id, canary.trace_id, "ok")
