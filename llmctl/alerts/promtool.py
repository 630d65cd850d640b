"""How unit tests are written down for `promtool test rules`.

Format: https://prometheus.io/docs/prometheus/latest/configuration/unit_testing_rules/
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

from llmctl.alerts.annotations import filled
from llmctl.alerts.indicators import Sample, duration
from llmctl.alerts.readings import Labels, selector

EVALUATE = 30
"""Minutes between evaluations: promtool evaluates every rule for every test, and days of that take minutes."""
SAMPLE = 5
"""Minutes that a sample of a gauge lasts: Prometheus' look-back."""
RATE = 600.0
"""Requests a minute, where no more are needed to see the share."""

Stretch = tuple[float, float, int]
"""Good and bad events a minute, and for how many minutes."""
Rule = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Bench:
    """Writes tests of a gateway whose metrics have the labels `match`; minutes pass `pace` times as fast."""

    match: Labels
    pace: float

    def duration(self, minutes: float) -> str:
        """As it is written down."""
        return duration(minutes / self.pace)

    def test(
        self, name: str, series: list[dict[str, str]], at: int, alert: str, expected: list[Rule], step: int = 1
    ) -> dict[str, Any]:
        """`step` is the minutes between the series' samples."""
        checks = [{"eval_time": self.duration(at), "alertname": alert, "exp_alerts": expected}]
        return {"name": name, "interval": self.duration(step), "input_series": series, "alert_rule_test": checks}

    def expected(self, rule: Rule, value: float, labels: Labels) -> Rule:
        """The alert as it must be sent: its templates filled in."""
        recorded = {"slo": rule["labels"]["slo"]}
        annotations = filled(rule["annotations"], labels, value)
        return {"exp_labels": {**recorded, **labels, **rule["labels"]}, "exp_annotations": annotations}

    def series(self, sample: Sample) -> str:
        """Its name and labels."""
        return selector(sample.name, {**sample.labels, **self.match})


def counts(sample: Sample, stretches: Sequence[Stretch], step: int) -> str:
    """The counter's values `step` minutes apart, in promtool's notation `start+growth x times`."""
    return growing([(good * sample.good + bad * sample.bad, minutes) for good, bad, minutes in stretches], step)


def growing(stretches: Sequence[tuple[float, int]], step: int) -> str:
    """The values of a counter that grows so much a minute, for so many minutes; `step` minutes apart."""
    last, parts = 0.0, []
    for at, (rate, minutes) in enumerate(stretches):
        growth = step * rate
        # `0+1x2` has three values, so a later stretch begins with its second. Rounded up: a counter that is
        # smaller by a rounding error has been reset.
        start, times = (0.0, minutes // step) if at == 0 else (_no_less(last + growth), minutes // step - 1)
        parts.append(f"{start:.12g}+{growth:.12g}x{times}")
        last = start + growth * times
    return " ".join(parts)


def rounded(minutes: float) -> int:
    """The next evaluation."""
    return ceil(minutes / EVALUATE) * EVALUATE


def _no_less(number: float) -> float:
    return ceil(number) if number > 100 else number * (1 + 1e-9)
