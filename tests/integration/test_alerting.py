"""An injected fault opens an incident at PagerDuty, and its end resolves it: through Prometheus and without it."""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from bench.rig.drill_world import providers
from llmctl.testing.pagerduty import FakePagerDuty, Incident
from llmctl.testing.process import serve
from tests.integration.alerting import Clients, fail, in_thread, promises, wait_until, watching

EMBEDDED = "llmctl-"
"""What the gateway's own keys begin with; Alertmanager's are digests."""
WITHIN = 15.0
OVER_WITHIN = 60.0
"""Usually 7 s. Where the fault took longer to be told, alerts on longer windows join in, which last longer."""
PATHS = ("alertmanager", "embedded")


def configuration(upstream: int, slo_file: Path) -> str:
    return json.dumps(
        {
            "server": {"drain_timeout": 2},
            "guardrails": {"preset": "none"},
            "providers": {"up": {"kind": "openai", "base_url": f"http://127.0.0.1:{upstream}/v1"}},
            "models": {"small": {"provider": "up"}},
            "resilience": {"retry": {"attempts_per_model": 1}, "breaker": {"open_for": 0.5}},
            "records": {"dir": "records"},
            "alerts": {"slos": str(slo_file), "every": 1},
        }
    )


@dataclass
class Drill:
    """What PagerDuty was told. `fired` and `resolved` are seconds from the fault's begin and end, by path."""

    pagerduty: FakePagerDuty
    statuses: dict[int, int]
    before: int
    fired: dict[str, float]
    resolved: dict[str, float]

    def incidents(self, path: str) -> list[Incident]:
        """Those of the promise that is broken."""
        return [
            one
            for one in list(self.pagerduty.incidents)
            if one.dedup_key.startswith(EMBEDDED) == (path == "embedded")
            and one.opened["payload"]["group"] == "availability"
        ]

    def told(self, path: str) -> bool:
        """Whether it has been opened."""
        return bool(self.incidents(path))

    def over(self, path: str) -> bool:
        """Whether it has been resolved."""
        return any(one.state == "resolved" for one in self.incidents(path))


@pytest.fixture(scope="module")
def drill(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Drill]:
    """One drill for both paths: they watch the same gateway, at the same time."""
    folder = tmp_path_factory.mktemp("alerting")
    with providers(folder) as three, in_thread(FakePagerDuty()) as pagerduty:
        slo_file = promises(folder, pagerduty.url)
        fail(three, None)
        with (
            serve(configuration(three.ports[0], slo_file), folder, ["--workers", "2"]) as served,
            watching(folder, slo_file, served.port) as prometheus,
        ):
            with Clients(served.port).asking() as clients:
                found = Drill(pagerduty, clients.statuses, 0, {}, {})
                wait_until("Prometheus sees requests", lambda: sees(prometheus, 40), WITHIN)
                found.before = len([one for path in PATHS for one in found.incidents(path)])
                fail(three, "dead")
                found.fired = timed(found.told, PATHS, WITHIN)
                fail(three, None)
                found.resolved = timed(found.over, list(found.fired), OVER_WITHIN)
            yield found
            assert not served.events("bug"), served.events("bug")
            assert served.stop() == 0
    assert not pagerduty.refused


def sees(prometheus: str, requests: int) -> bool:
    answer = httpx.get(f"{prometheus}/api/v1/query", params={"query": "sum(llmctl_requests_total)"}).json()
    return any(float(one["value"][1]) >= requests for one in answer["data"]["result"])


def timed(condition: Callable[[str], bool], paths: Sequence[str], within: float) -> dict[str, float]:
    """Seconds until it held, by path; without those for which it did not."""
    began, found = time.monotonic(), dict[str, float]()
    while len(found) < len(paths) and time.monotonic() - began < within:
        found |= {path: time.monotonic() - began for path in paths if path not in found and condition(path)}
        time.sleep(0.05)
    return found


def test_answers_were_good_before_the_fault_and_failures_during_it(drill: Drill) -> None:
    assert drill.statuses[200] >= 40
    assert sum(count for status, count in drill.statuses.items() if status >= 500) >= 5


@pytest.mark.parametrize("path", PATHS)
def test_a_fault_opens_an_incident_and_its_end_resolves_it(drill: Drill, path: str) -> None:
    assert drill.before == 0
    assert path in drill.fired, f"not told within {WITHIN} s of the fault: {drill.pagerduty.incidents}"
    assert path in drill.resolved, f"not over within {OVER_WITHIN} s of the fault's end: {drill.pagerduty.incidents}"
    first = drill.incidents(path)[0]
    payload = first.opened["payload"]
    assert (payload["severity"], payload["component"]) == ("critical", "llmctl")
    assert "availability burns its error budget" in payload["summary"]
    assert "runbooks/availability.md" in json.dumps(payload["custom_details"])
    assert first.history[-1]["event_action"] == "resolve"


def test_of_two_workers_one_tells(drill: Drill) -> None:
    first = drill.incidents("embedded")[0]
    assert [event["event_action"] for event in first.history] == ["trigger", "resolve"]
