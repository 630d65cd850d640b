"""`llmctl alerts test`, against everybody who can be told."""

import asyncio
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from llmctl.commands.alerts import app
from llmctl.errors import UsageError
from llmctl.testing.pagerduty import KEY, FakePagerDuty
from llmctl.testing.smtp import FakeSmtp
from llmctl.testing.webhook import FakeSlack
from tests.alerts.telling import secret

SLO = "slos:\n  cost: {kind: cost_per_day, objective: 1, severity: ticket, runbook: runbooks/c.md}\nnotify:\n"


class Told:
    """Somebody of every kind, on a loop of another thread: the command has one of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.pagerduty, self.slack, self.smtp = FakePagerDuty(), FakeSlack(), FakeSmtp()
        self.loop = asyncio.new_event_loop()
        self._stop, self._ready = asyncio.Event(), threading.Event()
        self._thread = threading.Thread(target=lambda: self.loop.run_until_complete(self._serve()))
        self._thread.start()
        assert self._ready.wait(5)

    async def _serve(self) -> None:
        async with self.pagerduty, self.slack, self.smtp:
            self._ready.set()
            await self._stop.wait()

    def close(self) -> None:
        self.loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(5)
        self.loop.close()

    def config(self, exit_status: int = 0) -> str:
        path = self.folder / "slo.yaml"
        path.write_text(
            f"{SLO}  page:\n"
            f"    pagerduty: {{routing_key_file: {secret(self.folder, 'key')}, url: '{self.pagerduty.url}'}}\n"
            f"    exec: {{command: [/bin/sh, -c, 'exit {exit_status}']}}\n"
            "  ticket:\n"
            f"    slack: {{api_url_file: {secret(self.folder, 'url', self.slack.webhook)}, channel: '#ops'}}\n"
            f"    email: {{to: [a@x], from: b@x, smarthost: '{self.smtp.smarthost}', starttls: false}}\n"
        )
        return str(path)


@pytest.fixture
def told(tmp_path: Path) -> Iterator[Told]:
    everybody = Told(tmp_path)
    yield everybody
    everybody.close()


def test_everybody_is_told_and_nothing_stays_open(told: Told) -> None:
    result = CliRunner().invoke(app, ["test", "-c", told.config()])
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines() == [
        "SINK                   RESULT",
        "notify.page.pagerduty  ok (trigger, acknowledge, resolve)",
        "notify.page.exec       ok (trigger, resolve)",
        "notify.ticket.slack    ok (trigger, resolve)",
        "notify.ticket.email    ok (trigger, resolve)",
    ]
    [incident] = told.pagerduty.incidents
    assert (incident.state, incident.opened["payload"]["summary"]) == ("resolved", "llmctl: this is a test")
    assert [event["event_action"] for event in incident.history] == ["trigger", "acknowledge", "resolve"]
    assert [len(told.slack.messages), len(told.smtp.mails)] == [2, 2]


def test_only_those_of_one_severity(told: Told) -> None:
    result = CliRunner().invoke(app, ["test", "-c", told.config(), "--severity", "ticket", "--json"])
    found = json.loads(result.stdout)
    assert found["ok"]
    assert [row["sink"] for row in found["sinks"]] == ["slack", "email"]
    assert told.pagerduty.count == 0


def test_who_was_not_told_and_why(told: Told) -> None:
    path = told.config(exit_status=4)
    (told.folder / "key").unlink()
    (told.folder / "url").chmod(0o644)
    told.slack.faults.append((404, f"no_service {told.slack.webhook}"))
    result = CliRunner().invoke(app, ["test", "-c", path, "--json"])
    assert result.exit_code == 1
    rows = {row["sink"]: row for row in json.loads(result.stdout)["sinks"]}
    assert rows["pagerduty"]["failed"] == "trigger"
    assert rows["pagerduty"]["error"].startswith(f"{told.folder}/key: cannot be read (No such file or directory)")
    assert rows["exec"]["error"] == "/bin/sh: ended with status 4"
    assert rows["slack"]["error"] == "the Slack webhook: answered 404: no_service ********"
    assert rows["slack"]["warnings"] == [f"{told.folder}/url: everybody on this machine may read it; chmod o-r"]
    assert rows["email"]["ok"]
    text = CliRunner().invoke(app, ["test", "-c", path]).stdout
    assert "notify.page.exec       FAILED at trigger: /bin/sh: ended with status 4\n" in text
    assert KEY not in text
    assert told.slack.webhook not in text


def test_what_was_triggered_is_resolved_though_something_failed(told: Told) -> None:
    told.pagerduty.faults.extend([None, 500])
    result = CliRunner().invoke(app, ["test", "-c", told.config(), "--severity", "page", "--json"])
    assert result.exit_code == 1
    [row, _] = json.loads(result.stdout)["sinks"]
    assert (row["failed"], row["steps"]) == ("acknowledge", ["trigger", "resolve"])
    assert told.pagerduty.open == []


def test_a_severity_that_nobody_is_told_of(tmp_path: Path) -> None:
    path = tmp_path / "slo.yaml"
    path.write_text(
        SLO.replace("ticket", "page") + "  page: {exec: {command: [/bin/true]}}\n",
    )
    result = CliRunner().invoke(app, ["test", "-c", str(path), "--severity", "ticket"])
    assert isinstance(result.exception, UsageError)
    assert "notify.ticket tells nobody" in str(result.exception)


def test_rules_say_that_alertmanager_runs_no_programs(told: Told, tmp_path: Path) -> None:
    path = told.config()
    result = CliRunner().invoke(app, ["rules", "-c", path, "-o", str(tmp_path / "out"), "--json"])
    assert result.exit_code == 0, result.output
    assert result.stderr.startswith(f"{path}: notify.page.exec is left out: Alertmanager runs no programs")
    assert json.loads(result.stdout)["slos"] == ["cost"]
