"""The imitated PagerDuty keeps to the protocol, and Alertmanager's own notifier gets along with it."""

import asyncio
import os
import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from llmctl.alerts.alertmanager import alertmanager
from llmctl.alerts.slo import load
from llmctl.config.secrets import Environment
from llmctl.gateway.promises import served_histograms
from llmctl.testing.pagerduty import KEY, FakePagerDuty, check

PAYLOAD = {"summary": "s", "source": "h", "severity": "critical"}
EVENT: dict[str, Any] = {"routing_key": KEY, "event_action": "trigger", "dedup_key": "k", "payload": PAYLOAD}


async def post(fake: FakePagerDuty, *, timeout: float = 2.0, **changes: Any) -> httpx.Response:
    async with httpx.AsyncClient() as client:
        return await client.post(fake.enqueue, json=EVENT | changes, timeout=timeout)


async def test_an_incident_goes_through_its_states() -> None:
    async with FakePagerDuty() as fake:
        answer = await post(fake)
        assert (answer.status_code, answer.json()["dedup_key"], answer.json()["status"]) == (202, "k", "success")
        assert (await post(fake, event_action="acknowledge")).status_code == 202
        assert fake.state("k") == "acknowledged"
        await post(fake)  # more of the same: no second incident
        assert (fake.state("k"), len(fake.incidents)) == ("acknowledged", 1)
        await post(fake, event_action="resolve")
        assert (fake.state("k"), fake.open) == ("resolved", [])
        assert [event["event_action"] for event in fake.incidents[0].history] == [
            "trigger",
            "acknowledge",
            "trigger",
            "resolve",
        ]
        await post(fake)
        assert (len(fake.incidents), fake.open) == (2, ["k"])
        assert (await post(fake, event_action="resolve", dedup_key="never-seen")).status_code == 202
        assert fake.state("never-seen") is None
        made = (await post(fake, dedup_key=None)).json()["dedup_key"]
        assert fake.state(made) == "triggered"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"routing_key": "short"}, "Length of 'routing_key' is incorrect (should be 32 characters)"),
        ({"routing_key": None}, "Length of 'routing_key' is incorrect (should be 32 characters)"),
        ({"event_action": "begin"}, "'event_action' is missing or invalid"),
        ({"event_action": "resolve", "dedup_key": None}, "'dedup_key' is missing or blank"),
        ({"dedup_key": "k" * 256}, "Length of 'dedup_key' is incorrect (should be at most 255 characters)"),
        ({"payload": None}, "'payload' is missing or blank"),
        ({"payload": PAYLOAD | {"summary": ""}}, "'payload.summary' is missing or blank"),
        ({"payload": PAYLOAD | {"summary": "s" * 1025}}, "Length of 'payload.summary' is incorrect"),
        ({"payload": PAYLOAD | {"source": 3}}, "'payload.source' is missing or blank"),
        ({"payload": PAYLOAD | {"severity": "page"}}, "'payload.severity' is invalid"),
        ({"payload": PAYLOAD | {"timestamp": "yesterday"}}, "'payload.timestamp' is invalid"),
        ({"payload": PAYLOAD | {"custom_details": [1]}}, "'payload.custom_details' is invalid"),
        ({"payload": PAYLOAD | {"class": 1}}, "'payload.class' is invalid"),
        ({"links": [{"href": "runbooks/a.md"}]}, "'links.href' is missing or invalid"),
        ({"client_url": "here"}, "'client_url' is invalid"),
    ],
)
async def test_what_is_wrong_is_answered_400(changes: dict[str, Any], said: str) -> None:
    async with FakePagerDuty() as fake:
        answer = await post(fake, **changes)
        assert answer.status_code == 400
        body = answer.json()
        assert (body["status"], body["message"]) == ("invalid event", "Event object is invalid")
        assert [error.startswith(said) for error in body["errors"]] == [True]
        assert (fake.events, len(fake.refused)) == ([], 1)


@pytest.mark.parametrize(("body", "status"), [(b"{", 400), (b"[]", 400), (b"x" * 600_000, 413)])
async def test_what_is_no_event(body: bytes, status: int) -> None:
    async with FakePagerDuty() as fake, httpx.AsyncClient() as client:
        assert (await client.post(fake.enqueue, content=body)).status_code == status
        assert (await client.get(fake.enqueue)).status_code == 405
        assert (await client.post(fake.url + "/v1/enqueue", json=EVENT)).status_code == 404


async def test_it_goes_wrong_as_told() -> None:
    async with FakePagerDuty() as fake:
        fake.faults.extend([429, "lost", "late", "hang"])
        fake.retry_after = "3"
        assert (await post(fake)).headers["retry-after"] == "3"
        with pytest.raises(httpx.ReadError):
            await post(fake, dedup_key="lost")
        with pytest.raises(httpx.ReadTimeout):
            await post(fake, dedup_key="late", timeout=0.05)
        with pytest.raises(httpx.ReadTimeout):
            await post(fake, dedup_key="hang", timeout=0.05)
        assert fake.open == ["lost", "late"]
        port = fake.port
    async with FakePagerDuty(port=port) as again:
        assert again.url.endswith(str(port))


def test_fields_that_it_does_not_know_do_not_matter() -> None:
    assert check(EVENT | {"more": 1, "images": [{"src": "https://x/y.png"}]}) == []


@asynccontextmanager
async def alertmanager_running(program: str, config: Path, folder: Path) -> AsyncIterator[str]:
    """The address of an Alertmanager, once it answers."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{sock.getsockname()[1]}"
    process = await asyncio.create_subprocess_exec(
        program,
        f"--config.file={config}",
        f"--storage.path={folder}",
        f"--web.listen-address={address}",
        "--cluster.listen-address=",
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with httpx.AsyncClient() as client, asyncio.timeout(20):
            while True:
                try:
                    if (await client.get(f"http://{address}/-/ready")).status_code == 200:
                        break
                except httpx.TransportError:
                    await asyncio.sleep(0.05)
        yield address
    finally:
        process.terminate()
        await process.wait()


async def test_alertmanager_pages_it_by_our_configuration(tmp_path: Path) -> None:
    if (program := shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")) is None:
        message = "alertmanager is not installed: apt-get install prometheus-alertmanager"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    (tmp_path / "key").write_text(KEY)
    async with FakePagerDuty() as fake:
        (tmp_path / "slo.yaml").write_text(
            "slos:\n  cost: {kind: cost_per_day, objective: 1, severity: page, runbook: runbooks/c.md}\n"
            f"notify: {{page: {{pagerduty: {{routing_key_file: {tmp_path}/key, url: '{fake.url}',"
            " client_url: 'https://gw/console', runbook_url: 'https://git/ops'}}}\n"
        )
        made = alertmanager(load(tmp_path / "slo.yaml", Environment({}), served_histograms()))
        made["route"] |= {"group_wait": "10ms", "group_interval": "100ms"}
        (tmp_path / "am.yaml").write_text(yaml.safe_dump(made))
        async with (
            alertmanager_running(program, tmp_path / "am.yaml", tmp_path / "data") as address,
            httpx.AsyncClient(base_url=f"http://{address}") as client,
            asyncio.timeout(20),
        ):
            alert: dict[str, Any] = {
                "labels": {"alertname": "LlmctlCost", "severity": "page", "service": "llmctl", "slo": "cost"},
                "annotations": {"summary": "too dear", "description": "3 dollars", "runbook": "runbooks/c.md"},
            }
            assert (await client.post("/api/v2/alerts", json=[alert])).status_code == 200
            while not fake.open:
                await asyncio.sleep(0.02)
            assert (
                await client.post("/api/v2/alerts", json=[alert | {"endsAt": "2026-01-01T00:00:00Z"}])
            ).status_code == 200
            while fake.open:
                await asyncio.sleep(0.02)
    [incident] = fake.incidents
    payload = incident.opened["payload"]
    assert (payload["summary"], payload["severity"], payload["group"]) == ("too dear", "critical", "cost")
    assert incident.opened["links"] == [{"href": "https://git/ops/runbooks/c.md", "text": "Runbook"}]
    assert [event["event_action"] for event in incident.history] == ["trigger", "resolve"]
    assert fake.refused == []
