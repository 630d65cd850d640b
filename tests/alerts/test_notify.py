"""Who is told, as slo.yaml says it."""

from pathlib import Path
from typing import Any

import pytest

from llmctl.alerts.notify import EmailOptions, PagerDutyOptions
from llmctl.alerts.slo import load
from llmctl.config.secrets import Environment
from llmctl.errors import ConfigError
from llmctl.gateway.promises import served_histograms

SLO = "slos:\n  cost: {kind: cost_per_day, objective: 1, severity: page, runbook: runbooks/c.md}\nnotify:\n  page:\n"
MAIL: dict[str, Any] = {"to": ["a@x.org"], "from": "b@x.org", "smarthost": "mail.x.org:587"}


def test_what_is_given_is_listed_in_the_order_of_the_table(tmp_path: Path) -> None:
    path = tmp_path / "slo.yaml"
    path.write_text(
        SLO
        + "    exec: {command: [/usr/local/bin/page, '--loud'], timeout: 3s}\n"
        + "    email: {to: [ops@x.org], from: llmctl@x.org, smarthost: 'mail:25', starttls: false}\n"
        + "    pagerduty: {routing_key_file: '${DIR}/key', url: 'https://events.eu.pagerduty.com'}\n"
    )
    told = load(path, Environment({"DIR": "/run/secrets"}), served_histograms()).notify["page"]
    assert list(told.given) == ["pagerduty", "email", "exec"]
    assert told.pagerduty is not None
    assert told.pagerduty.routing_key_file == "/run/secrets/key"
    assert told.pagerduty.enqueue == "https://events.eu.pagerduty.com/v2/enqueue"
    assert told.exec is not None
    assert (told.exec.command, told.exec.timeout) == (["/usr/local/bin/page", "--loud"], 3.0)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("email: {to: [a@x], form: b@x, smarthost: 'm:25'}", "notify.page.email.form: unknown key; did you mean from?"),
        ("email: {to: [], from: b@x, smarthost: 'm:25'}", "notify.page.email.to: needs at least one entry"),
        ("email: {to: ['a@x\\nBcc: c@x'], from: b@x, smarthost: 'm:25'}", "notify.page.email.to[0]: write one address"),
        ("email: {to: [a@x], from: b@x, smarthost: m}", "notify.page.email.smarthost: is not of the form"),
        ("email: {to: [a@x], from: b@x, smarthost: 'm:0'}", "notify.page.email: smarthost: ports are 1 to 65535"),
        (
            "email: {to: [a@x], from: b@x, smarthost: 'm:25', username: u}",
            "notify.page.email: username and password_file belong together; give both or neither",
        ),
        (
            "email: {to: [a@x], from: b@x, smarthost: 'm:25', username: u, password_file: /p, starttls: false}",
            "notify.page.email: the password would cross the network in the clear; set starttls: true, or use port 465",
        ),
        ("exec: {command: [page]}", "notify.page.exec: command: the program must be named by its whole path"),
        ("exec: {command: []}", "notify.page.exec.command: needs at least one entry"),
        ("exec: {command: /bin/true}", "notify.page.exec.command: write a list"),
        (
            "pagerduty: {routing_key: abc}",
            "notify.page.pagerduty.routing_key: unknown key; did you mean routing_key_fi",
        ),
        ("pagerduty: {routing_key_file: key}", "notify.page.pagerduty.routing_key_file: is not of the form"),
        ("pagerduty: {routing_key_file: /k, url: 'ftp://x'}", "notify.page.pagerduty.url: is not of the form"),
        ("slack: {api_url_file: /u, channel: ops}", "notify.page.slack.channel: is not of the form"),
        ("sms: {}", "notify.page.sms: unknown key"),
    ],
)
def test_a_mistake_is_told_where_it_stands(tmp_path: Path, line: str, said: str) -> None:
    path = tmp_path / "slo.yaml"
    path.write_text(f"{SLO}    {line}\n")
    with pytest.raises(ConfigError) as caught:
        load(path, Environment({}), served_histograms())
    assert f"slo.yaml:5: {said}" in str(caught.value)


@pytest.mark.parametrize("smarthost", ["localhost:25", "127.0.0.1:25", "[::1]:25", "mail.x.org:465"])
def test_a_password_may_be_used_where_nobody_listens(smarthost: str) -> None:
    secret = {"username": "u", "password_file": "/p", "starttls": False}
    assert EmailOptions.model_validate(MAIL | secret | {"smarthost": smarthost}).port in (25, 465)


@pytest.mark.parametrize("url", ["https://e.org", "https://e.org/", "https://e.org//"])
def test_events_go_below_the_url(url: str) -> None:
    assert PagerDutyOptions(routing_key_file="/k", url=url).enqueue == "https://e.org/v2/enqueue"
