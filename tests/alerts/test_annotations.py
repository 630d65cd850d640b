import re

from llmctl.alerts.annotations import filled, titled
from llmctl.alerts.rules import alerts
from llmctl.alerts.slo import load
from llmctl.config.secrets import Environment
from tests.alerts.conftest import SHIPPED
from tests.alerts.metrics import HISTOGRAMS


def test_every_template_of_ours_is_filled_in() -> None:
    rules = alerts(load(SHIPPED, Environment({}), HISTOGRAMS), HISTOGRAMS)
    assert len(rules) == 21
    for rule in rules.values():
        said = filled(rule["annotations"], {"guard": "pii", "route": "small"}, 0.25)
        assert not re.search("[{}]", "".join(said.values())), said


def test_numbers_are_written_as_prometheus_does() -> None:
    texts = {"a": "{{ $value | humanizePercentage }} of {{ $labels.guard }}", "b": '{{ printf "%.2f" $value }}'}
    assert filled(texts, {"guard": "pii"}, 0.0216) == {"a": "2.16% of pii", "b": "0.02"}


def test_alerts_are_named_after_promises() -> None:
    assert titled("first-token") == "LlmctlFirstToken"
