"""Alertmanager's configuration: who is told of which severity. Secrets are files that Alertmanager reads itself.

Format: https://prometheus.io/docs/alerting/latest/configuration/, for Alertmanager 0.25 or later.
"""

from typing import Any

from llmctl.alerts.notify import EmailOptions, PagerDutyOptions, ReceiverOptions, SlackOptions
from llmctl.alerts.slo import Severity, Slos

REPEAT: dict[Severity, str] = {"page": "4h", "ticket": "1d"}
_PAGERDUTY: dict[Severity, str] = {"page": "critical", "ticket": "warning"}
_RUNBOOK = "{{ .CommonAnnotations.runbook }}"
_SUMMARY = "{{ .CommonAnnotations.summary }}"
_DETAILS = "{{ range .Alerts }}{{ .Annotations.description }} {{ .Annotations.runbook }}\n{{ end }}"


def alertmanager(slos: Slos) -> dict[str, Any]:
    """An alertmanager.yml. Alerts without a severity of ours go to whom tickets go, or to whom pages go."""
    told = [severity for severity in REPEAT if severity in slos.notify]
    return {
        "route": {
            "receiver": told[-1],
            "group_by": ["service", "slo"],
            "group_wait": "30s",
            "group_interval": "5m",
            "repeat_interval": REPEAT["ticket"],
            "routes": [
                {"matchers": [f'severity="{severity}"'], "receiver": severity, "repeat_interval": REPEAT[severity]}
                for severity in told
            ],
        },
        # Who was woken for a promise needs no ticket that says the same more slowly.
        "inhibit_rules": [
            {
                "source_matchers": ['severity="page"'],
                "target_matchers": ['severity="ticket"'],
                "equal": ["service", "slo", "guard"],
            }
        ],
        "receivers": [_receiver(severity, slos.notify[severity]) for severity in told],
    }


def left_out(slos: Slos) -> list[str]:
    """What slo.yaml says of who is told that Alertmanager cannot do, a sentence for each."""
    return [
        f"notify.{severity}.exec is left out: Alertmanager runs no programs; only the gateway's own alerts do"
        for severity, options in slos.notify.items()
        if options.exec is not None
    ]


def _receiver(severity: Severity, options: ReceiverOptions) -> dict[str, Any]:
    receiver: dict[str, Any] = {"name": severity}
    if options.pagerduty is not None:
        receiver["pagerduty_configs"] = [_pagerduty(severity, options.pagerduty)]
    if options.slack is not None:
        receiver["slack_configs"] = [_slack(severity, options.slack)]
    if options.email is not None:
        receiver["email_configs"] = [_email(options.email)]
    return receiver


def _pagerduty(severity: Severity, options: PagerDutyOptions) -> dict[str, Any]:
    made = {
        "routing_key_file": options.routing_key_file,
        "url": options.enqueue,
        "send_resolved": True,
        "severity": _PAGERDUTY[severity],
        "client": "llmctl",
        "description": _SUMMARY,
        "group": "{{ .CommonLabels.slo }}",
        "component": "{{ .CommonLabels.service }}",
        "details": {"description": _DETAILS, "runbook": _RUNBOOK},
    }
    if options.client_url is not None:
        made["client_url"] = options.client_url
    if options.runbook_url is not None:
        made["links"] = [{"href": f"{options.runbook_url.rstrip('/')}/{_RUNBOOK}", "text": "Runbook"}]
    return made


def _slack(severity: Severity, options: SlackOptions) -> dict[str, Any]:
    return {
        "api_url_file": options.api_url_file,
        "channel": options.channel,
        "send_resolved": True,
        "title": f"[{{{{ .Status }}}}] {_SUMMARY}",
        "text": _DETAILS,
        "color": '{{ if eq .Status "resolved" }}good{{ else }}'
        + {"page": "danger", "ticket": "warning"}[severity]
        + "{{ end }}",
    }


def _email(options: EmailOptions) -> dict[str, Any]:
    made: dict[str, Any] = {
        "to": ", ".join(options.to),
        "from": options.sender,
        "smarthost": options.smarthost,
        "require_tls": options.starttls,
        "send_resolved": True,
        "headers": {"Subject": f"[{{{{ .Status }}}}] {_SUMMARY}"},
        "text": _DETAILS,
        "html": "",
    }
    if options.username is not None:
        made |= {"auth_username": options.username, "auth_password_file": options.password_file}
    return made
