"""Unit tests for the rules, for `promtool test rules`: when each alert must fire, and when it must stay quiet.

Format: https://prometheus.io/docs/prometheus/latest/configuration/unit_testing_rules/
"""

from collections.abc import Iterator
from math import ceil
from typing import Any

from llmctl.alerts.indicators import BUILD, Labels, Level, Ratio, Sample, level_of, ratio_of, selector
from llmctl.alerts.rules import ABSENT, PAIRS, Pair, alert_name, duration, rules, threshold
from llmctl.alerts.slo import Histograms, LimitSlo, RatioSlo, Slos

EVALUATE = 30
"""Minutes between evaluations: promtool evaluates every rule for every test, and days of that take minutes."""
SAMPLE = 5
"""Minutes that a sample of a gauge lasts: Prometheus' look-back."""
RATE = 600.0
"""Requests a minute, where no more are needed to see the share."""

Stretch = tuple[float, float, int]
"""Good and bad events a minute, and for how many minutes."""
Rule = dict[str, Any]


def prometheus_tests(slos: Slos, histograms: Histograms, rule_file: str) -> dict[str, Any]:
    """A unit-test file for `rules(slos, histograms)`, which stands beside it as `rule_file`."""
    alerts = {
        rule["alert"]: rule for group in rules(slos, histograms)["groups"] for rule in group["rules"] if "alert" in rule
    }
    tests: list[dict[str, Any]] = []
    for name, slo in slos.slos.items():
        if isinstance(slo, RatioSlo):
            ratio = ratio_of(slo, slos.match, histograms)
            for pair in PAIRS:
                tests += _of_pair(slo, ratio, pair, alerts[alert_name(name, pair)], slos.match)
        elif isinstance(slo, LimitSlo):
            level = level_of(slo, slos.match)
            tests += _of_level(slo, level, alerts[alert_name(name)], slos.match)
    tests += _of_absence(alerts[ABSENT], slos.match)
    return {"rule_files": [rule_file], "evaluation_interval": f"{EVALUATE}m", "tests": tests}


def _of_pair(slo: RatioSlo, ratio: Ratio, pair: Pair, rule: Rule, match: Labels) -> Iterator[dict[str, Any]]:
    limit = threshold(slo, pair)
    over, under = min(1.5 * limit, (1 + limit) / 2), 0.8 * limit
    # The gateway is as old as this: rates are those of its life where a window is longer.
    step = max(1, pair.short // 6)
    until = _rounded(max(pair.short, pair.hold + 2 * step) + EVALUATE)
    # Enough bad events that chance explains neither share.
    rate = max(RATE, ceil(max(2000, 4 * slo.min_bad) / limit / until))

    def test(what: str, stretches: list[Stretch], share: float | None = None) -> dict[str, Any]:
        series = [
            {"series": _series(sample, match), "values": _counts(sample, stretches, step)} for sample in ratio.samples
        ]
        labels = {label: value for label, value in ratio.samples[0].labels.items() if label in ratio.by}
        expected = [] if share is None else [_expected(rule, f"{share * 100:.4g}%", labels)]
        at = sum(minutes for *_, minutes in stretches)
        return _test(f"{rule['alert']}: {what}", series, at, rule["alert"], expected, step)

    burning = (rate * (1 - over), rate * over, until)
    yield test("fires", [burning], over)
    yield test("quiet at four fifths of the pace", [(rate * (1 - under), rate * under, until)])
    good, bad, _ = burning
    # So soon after that an alert on the long window alone would still fire.
    calm = pair.short + step
    before = _rounded(3 * until + calm) - calm
    yield test("quiet again once the short window is good", [(good, bad, before), (rate, 0.0, calm)])
    # Just so long that an alert on the short window alone would fire.
    spike = pair.short + _rounded(pair.hold)
    healthy = _rounded(min(pair.long, 2 * spike) + spike) - spike
    yield test("quiet where the long window was good until now", [(rate, 0.0, healthy), (good, bad, spike)])
    few = (slo.min_bad - 0.5) / until
    yield test("quiet where all failed, and all were few", [(0.0, few, until)])
    # A share slightly over the limit, of so few bad events that it may be chance; enough of them for long enough.
    slight, bad = min(1.02 * limit, (1 + limit) / 2), (slo.min_bad + 1) / (until - _rounded(pair.hold) - step)
    yield test("quiet where chance explains it", [(bad * (1 - slight) / slight, bad, until)])


def _of_level(slo: LimitSlo, level: Level, rule: Rule, match: Labels) -> Iterator[dict[str, Any]]:
    (sample,) = level.samples
    hold = ceil(slo.window / 60)
    begun = 1440 if level.per_day else 0
    until, step = _rounded(begun + hold) + EVALUATE, SAMPLE

    def test(what: str, level_: float, shown: str | None) -> dict[str, Any]:
        if level.per_day:
            values = _counts(sample, [(0.0, level_ / 1440, until)], step)
        else:
            values = f"{level_:.12g}x{until // step}"
        labels = {} if level.per_day else dict(sample.labels)
        expected = [] if shown is None else [_expected(rule, shown, labels)]
        series = [{"series": _series(sample, match), "values": values}]
        return _test(f"{rule['alert']}: {what}", series, until, rule["alert"], expected, step)

    if level.per_day:
        yield test("fires", 2 * level.limit, f"{2 * level.limit:.2f}")
    else:
        over = min(1.5 * level.limit, (1 + level.limit) / 2)
        yield test("fires", over, f"{over * 100:.4g}%")
    yield test("quiet below the limit", 0.8 * level.limit, None)


def _of_absence(rule: Rule, match: Labels) -> Iterator[dict[str, Any]]:
    until = 2 * EVALUATE
    build = {"series": selector(BUILD, {"version": "1", "policy": "x", **match}), "values": f"1x{until}"}
    other = {"series": "up{}", "values": f"0x{until}"}
    yield _test(f"{ABSENT}: fires", [other], until, ABSENT, [_expected(rule, "", {})])
    yield _test(f"{ABSENT}: quiet while there are metrics", [build], until, ABSENT, [])


def _test(
    name: str, series: list[dict[str, str]], at: int, alert: str, expected: list[Rule], step: int = 1
) -> dict[str, Any]:
    """`step` is the minutes between the series' samples."""
    checks = [{"eval_time": duration(at), "alertname": alert, "exp_alerts": expected}]
    return {"name": name, "interval": duration(step), "input_series": series, "alert_rule_test": checks}


def _expected(rule: Rule, shown: str, labels: Labels) -> Rule:
    """The alert as it must be sent: its templates filled in, with `shown` for the value."""
    annotations = {}
    for key, text in rule["annotations"].items():
        for template in ("{{ $value | humanizePercentage }}", '{{ printf "%.2f" $value }}'):
            text = text.replace(template, shown)
        for label, value in labels.items():
            text = text.replace(f"{{{{ $labels.{label} }}}}", value)
        annotations[key] = text
    recorded = {"slo": rule["labels"]["slo"]}
    return {"exp_labels": {**recorded, **labels, **rule["labels"]}, "exp_annotations": annotations}


def _series(sample: Sample, match: Labels) -> str:
    return selector(sample.name, {**sample.labels, **match})


def _counts(sample: Sample, stretches: list[Stretch], step: int) -> str:
    """The counter's values `step` minutes apart, in promtool's notation `start+growth x times`."""
    total, parts = 0.0, []
    for at, (good, bad, minutes) in enumerate(stretches):
        growth = step * (good * sample.good + bad * sample.bad)
        times = minutes // step
        # `0+1x2` has three values, so a later stretch begins with its second. Rounded up: a counter that is
        # smaller by a rounding error has been reset.
        start = 0 if at == 0 else ceil(total + growth)
        parts.append(f"{start:.12g}+{growth:.12g}x{times if at == 0 else times - 1}")
        total += growth * times
    return " ".join(parts)


def _rounded(minutes: float) -> int:
    """The next evaluation."""
    return ceil(minutes / EVALUATE) * EVALUATE
