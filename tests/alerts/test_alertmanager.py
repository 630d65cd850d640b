"""Who is told, as Alertmanager routes it."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from llmctl.alerts.alertmanager import alertmanager, left_out
from llmctl.alerts.document import document
from llmctl.alerts.slo import Slos, load
from llmctl.config.secrets import Environment
from llmctl.gateway.promises import served_histograms
from tests.alerts.conftest import SHIPPED, Tool


@pytest.fixture
def shipped() -> Slos:
    return load(SHIPPED, Environment({}), served_histograms())


def test_amtool_accepts_it_and_routes_by_severity(shipped: Slos, tool: Tool, tmp_path: Path) -> None:
    path = tmp_path / "alertmanager.yaml"
    path.write_text(document(alertmanager(shipped), "x"))
    checked = tool("amtool", "check-config", path)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    for labels, receiver in (["severity=page"], "page"), (["severity=ticket"], "ticket"), (["other=x"], "ticket"):
        routed = tool("amtool", "config", "routes", "test", f"--config.file={path}", *labels)
        assert routed.stdout.strip() == receiver


def test_secrets_are_named_by_file(shipped: Slos) -> None:
    page, ticket = alertmanager(shipped)["receivers"]
    (pagerduty,), (slack,) = page["pagerduty_configs"], ticket["slack_configs"]
    assert pagerduty["routing_key_file"] == "/etc/alertmanager/secrets/pagerduty_routing_key"
    assert slack["api_url_file"] == "/etc/alertmanager/secrets/slack_url"
    assert not {"routing_key", "service_key", "api_url"} & {*pagerduty, *slack}
    assert (pagerduty["severity"], slack["channel"]) == ("critical", "#llm-ops")


def test_a_page_silences_the_ticket_on_the_same_promise(shipped: Slos) -> None:
    (rule,) = alertmanager(shipped)["inhibit_rules"]
    assert rule["source_matchers"] == ['severity="page"']
    assert rule["target_matchers"] == ['severity="ticket"']
    assert set(rule["equal"]) == {"service", "slo", "guard"}


def test_one_severity_is_enough_where_nothing_opens_tickets(tmp_path: Path, tool: Tool) -> None:
    path = tmp_path / "slo.yaml"
    path.write_text(
        "slos:\n  cost: {kind: cost_per_day, objective: 1, severity: page, runbook: runbooks/c.md}\n"
        "notify:\n  page: {slack: {api_url_file: /s, channel: '#o'}, pagerduty: {routing_key_file: /k}}\n"
    )
    made: dict[str, Any] = alertmanager(load(path, Environment({}), served_histograms()))
    assert made["route"]["receiver"] == "page"
    (receiver,) = made["receivers"]
    assert {"slack_configs", "pagerduty_configs"} <= set(receiver)
    (tmp_path / "am.yaml").write_text(yaml.safe_dump(made))
    assert tool("amtool", "check-config", tmp_path / "am.yaml").returncode == 0


EVERYTHING = """
slos:
  cost: {kind: cost_per_day, objective: 1, severity: page, runbook: runbooks/c.md}
notify:
  page:
    pagerduty:
      routing_key_file: /k
      url: https://events.eu.pagerduty.com
      client_url: https://gw/console
      runbook_url: https://git/ops
    slack: {api_url_file: /s, channel: "#o"}
    email: {to: [a@x.org, b@x.org], from: c@x.org, smarthost: "mail:587", username: u, password_file: /p}
    exec: {command: [/bin/true]}
  ticket:
    exec: {command: [/bin/true]}
"""


def test_every_kind_that_it_has_and_what_it_has_not_is_told(tmp_path: Path, tool: Tool) -> None:
    path = tmp_path / "slo.yaml"
    path.write_text(EVERYTHING)
    slos = load(path, Environment({}), served_histograms())
    made = alertmanager(slos)
    page, ticket = made["receivers"]
    assert ticket == {"name": "ticket"}
    [pagerduty], [email] = page["pagerduty_configs"], page["email_configs"]
    assert pagerduty["url"] == "https://events.eu.pagerduty.com/v2/enqueue"
    assert pagerduty["client_url"] == "https://gw/console"
    assert pagerduty["links"] == [{"href": "https://git/ops/{{ .CommonAnnotations.runbook }}", "text": "Runbook"}]
    assert (email["to"], email["from"], email["smarthost"]) == ("a@x.org, b@x.org", "c@x.org", "mail:587")
    assert (email["auth_username"], email["auth_password_file"], email["require_tls"]) == ("u", "/p", True)
    (tmp_path / "am.yaml").write_text(document(made, "x"))
    checked = tool("amtool", "check-config", tmp_path / "am.yaml")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert [sentence.partition(" ")[0] for sentence in left_out(slos)] == ["notify.page.exec", "notify.ticket.exec"]


def test_nothing_of_the_shipped_file_is_left_out(shipped: Slos) -> None:
    assert left_out(shipped) == []
