"""Who is told of alerts: one file per kind of sink; `TABLE` lists them."""

from typing import Any

from llmctl.alerts.sinks.email import Email
from llmctl.alerts.sinks.exec import Exec
from llmctl.alerts.sinks.pagerduty import PagerDuty
from llmctl.alerts.sinks.slack import Slack

# Key of a receiver in slo.yaml → class taking its options and a host. Typed by tests/alerts/sinks/test_contract.py.
TABLE: dict[str, type[Any]] = {
    "pagerduty": PagerDuty,
    "slack": Slack,
    "email": Email,
    "exec": Exec,
}
